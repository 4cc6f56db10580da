import { afterEach, describe, expect, it } from 'vitest';
import type { FarAgentError } from '../errors.ts';
import { FarMemory, type FarMemoryOptions, type Handle, MISS } from '../index.ts';
import { createLocalStore } from '../local-store/index.ts';
import { createUnreliableStore } from '../local-store/unreliable-store.ts';

/** xorshift32: the tests' own, so that a failure names a seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const opened: FarMemory[] = [];
async function open(options: Partial<FarMemoryOptions>): Promise<FarMemory> {
  const far = await FarMemory.open({ localBytes: 16 * 4096, segmentBytes: 4096, debug: true, ...options });
  opened.push(far);
  return far;
}
afterEach(async () => {
  for (const far of opened.splice(0)) await far.close();
});

/** Increments random counters and returns what each should hold. */
async function increment(far: FarMemory, handles: Handle[], count: number, seed: number): Promise<Uint32Array> {
  const random = randomOf(seed);
  const expected = new Uint32Array(handles.length);
  const { u32 } = far.views;
  for (let done = 0; done < count; done++) {
    const index = random(handles.length);
    let at = far.tryMut(handles[index]!);
    if (at === MISS) at = await far.mut(handles[index]!);
    if (u32[at] !== expected[index])
      throw new Error(`object ${index} holds ${u32[at]} instead of ${expected[index]} after ${done} increments`);
    u32[at] = ++expected[index]!;
    u32[at + 1] = ~expected[index]!;
  }
  return expected;
}

async function expectExact(far: FarMemory, handles: Handle[], expected: Uint32Array): Promise<void> {
  for (const [index, handle] of handles.entries()) {
    const at = await far.get(handle);
    expect([far.views.u32[at], far.views.u32[at + 1]]).toEqual([
      expected[index],
      expected[index] ? ~expected[index]! >>> 0 : 0,
    ]);
  }
}

describe('objects under forced evacuation', () => {
  it.each(['clock2', 'cost-benefit', 'fifo'] as const)('keep every one of 300,000 increments (%s)', async (policy) => {
    const far = await open({ evacuation: { policy } });
    const handles = Array.from({ length: 2000 }, () => far.alloc(64 + 8));
    const expected = await increment(far, handles, 300_000, 7);
    await expectExact(far, handles, expected);
    const { evacuated, cleanDropped, dirtyWritten } = far.stats();
    expect(dirtyWritten).toBeGreaterThan(1000);
    expect(cleanDropped).toBeGreaterThan(1000);
    if (policy !== 'fifo') expect(evacuated).toBeGreaterThan(100);
  });
});
