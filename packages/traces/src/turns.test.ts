import { afterEach, describe, expect, it, vi } from 'vitest';
import { openTrace } from './open.ts';
import { inTurns } from './turns.ts';

afterEach(() => vi.unstubAllGlobals());

describe.each(['setImmediate', 'MessageChannel'])('turns of the event loop by %s', (means) => {
  it.each([
    ['delivering', {}],
    ['skipping', { skip: 1e11 }],
  ])('let a timer abort a generator that is %s', async (_, options) => {
    if (means !== 'setImmediate') vi.stubGlobal('setImmediate', undefined);
    const controller = new AbortController();
    const reader = await openTrace('gen:gups,accesses=1e12', { ...options, signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 30);
    const drain = async () => {
      for await (const block of reader.blocks()) expect(block.length).toBeGreaterThan(0);
    };
    await expect(drain()).rejects.toThrow('enough');
  });
});

describe('skipping', () => {
  it('tells how far it is', async () => {
    const told: number[] = [];
    const onSkipped = (accesses: number) => void told.push(accesses);
    const reader = await openTrace('gen:gups,accesses=1e5', { skip: 50_000, limit: 10, onSkipped });
    let accesses = 0;
    for await (const block of reader.blocks()) accesses += block.length;
    expect(accesses).toBe(10);
    expect(told.length).toBeGreaterThan(1);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(told.at(-1)).toBeLessThanOrEqual(50_000);
  });
});

describe('blocks in turns', () => {
  it('are the same blocks', async () => {
    const blocks: number[] = [];
    for await (const block of inTurns([1, 2, 3])) blocks.push(block);
    expect(blocks).toEqual([1, 2, 3]);
  });

  it('end where the signal says', async () => {
    await expect(inTurns([1], AbortSignal.abort(new Error('enough'))).next()).rejects.toThrow('enough');
  });
});
