import { describe, expect, it } from 'vitest';
import { type FarMemory, FarMemoryError, type Handle, MISS } from '../index.ts';
import { openSmall, randomOf, unreliable } from '../testing/small-memory.case.ts';

const OBJECTS = 2000;
const OBJECT_BYTES = 72;

/** A counter and its complement in each object, and what each should hold. */
interface Counters {
  readonly far: FarMemory;
  readonly handles: readonly Handle[];
  readonly expected: Uint32Array;
}

function countersOf(far: FarMemory): Counters {
  const handles = Array.from({ length: OBJECTS }, () => far.alloc(OBJECT_BYTES));
  return { far, handles, expected: new Uint32Array(OBJECTS) };
}

function increment({ far, expected }: Counters, index: number, at: number): void {
  const { u32 } = far.views;
  if (u32[at] !== expected[index]) throw new Error(`object ${index} holds ${u32[at]}, not ${expected[index]}`);
  u32[at] = ++expected[index]!;
  u32[at + 1] = ~expected[index]!;
}

async function incrementAtRandom(counters: Counters, count: number, seed: number): Promise<void> {
  const random = randomOf(seed);
  const { far, handles } = counters;
  for (let done = 0; done < count; done++) {
    const index = random(OBJECTS);
    const at = far.tryMut(handles[index]!);
    increment(counters, index, at === MISS ? await far.mut(handles[index]!) : at);
  }
}

async function expectExact({ far, handles, expected }: Counters): Promise<void> {
  for (const [index, handle] of handles.entries()) {
    const at = await far.get(handle);
    const complement = expected[index] === 0 ? 0 : ~expected[index]! >>> 0;
    expect([far.views.u32[at], far.views.u32[at + 1]]).toEqual([expected[index], complement]);
  }
}

describe('objects under forced evacuation', () => {
  it('keep every one of a million increments', async () => {
    const counters = countersOf(await openSmall());
    await incrementAtRandom(counters, 1_000_000, 7);
    await expectExact(counters);
    const { evacuated, cleanDropped, dirtyWritten } = counters.far.stats();
    expect(Math.min(evacuated, cleanDropped, dirtyWritten)).toBeGreaterThan(1000);
  });

  it.each([
    ['cost-benefit', 'owner'],
    ['fifo', 'worker'],
    ['clock2', 'worker'],
    ['two-queue', 'owner'],
  ] as const)('keep them under policy %s, copied by the %s', async (policy, copier) => {
    const counters = countersOf(await openSmall({ evacuation: { policy, copier } }));
    await incrementAtRandom(counters, 100_000, 9);
    await expectExact(counters);
  });

  it('keep what is written while a write-back or a copy is under way', async () => {
    const store = unreliable({ seed: 3, delayMs: 3 });
    const far = await openSmall({ store, evacuation: { copier: 'worker' } });
    const counters = countersOf(far);
    let isOver = false;
    const flushing = (async () => {
      while (!isOver) await far.flush();
    })();
    await Promise.all(Array.from({ length: 32 }, (_, flow) => incrementAtRandom(counters, 500, flow + 1)));
    isOver = true;
    await flushing;
    await expectExact(counters);
    expect(far.stats().rescued).toBeGreaterThan(0);
  });

  it('keep what is written again during their write-back, when no place is free to move them to', async () => {
    const store = unreliable({ seed: 12, delayMs: 2 });
    const far = await openSmall({ localBytes: 8 * 4096, store, fullTimeoutMs: 20_000 });
    const counters = countersOf(far);
    const { handles } = counters;
    let isOver = false;
    const turns = randomOf(14);
    // Some of what is here is written again in each turn, so that many a write-back does not make it clean.
    const writing = (async () => {
      while (!isOver) {
        for (const [index, handle] of handles.entries()) {
          if (counters.expected[index] === 0 || turns(40) !== 0) continue;
          const at = far.tryMut(handle);
          if (at !== MISS) increment(counters, index, at);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const random = randomOf(13);
    const bringing = async () => {
      for (let done = 0; done < 60; done++) {
        const index = random(OBJECTS);
        increment(counters, index, await far.mut(handles[index]!));
      }
    };
    await Promise.all(Array.from({ length: 8 }, bringing));
    isOver = true;
    await writing;
    await expectExact(counters);
  });

  it('never show wrong bytes on a store that fails and forgets, only typed errors', async () => {
    const store = unreliable({ seed: 4, delayMs: 1.5, readFailures: 0.05, writeFailures: 0.2 });
    const far = await openSmall({ store });
    const counters = countersOf(far);
    const random = randomOf(11);
    let failures = 0;
    for (let done = 0; done < 6000; done++) {
      const index = random(OBJECTS);
      try {
        increment(counters, index, await far.mut(counters.handles[index]!));
      } catch (error) {
        expect(error).toBeInstanceOf(FarMemoryError);
        failures++;
      }
    }
    expect(failures).toBeGreaterThan(20);
    expect(far.stats().writeFailures).toBeGreaterThan(20);
    store.set({ readFailures: 0, writeFailures: 0 });
    await expectExact(counters);
  });

  it('are held by the far side after a flush, whatever is written meanwhile', async () => {
    const store = unreliable({ seed: 6, delayMs: 2 });
    const far = await openSmall({ store });
    const counters = countersOf(far);
    await incrementAtRandom(counters, 1500, 5);
    const before = counters.expected.slice();
    const flushed = far.flush();
    await incrementAtRandom(counters, 1500, 6);
    await flushed;
    const into = new Uint8Array(OBJECT_BYTES);
    for (let index = 0; index < OBJECTS; index++) {
      if (before[index] === 0) continue;
      // Handles of the first life are their own remote ids.
      await store.read(0, counters.handles[index]!, into, 'demand');
      const [held] = new Uint32Array(into.buffer, 0, 1);
      expect(held).toBeGreaterThanOrEqual(before[index]!);
      expect(held).toBeLessThanOrEqual(counters.expected[index]!);
    }
  });
});
