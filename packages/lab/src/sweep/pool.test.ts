import { describe, expect, it } from 'vitest';
import type { Point } from './points.ts';
import { type PoolProgress, simulatePoints } from './pool.ts';

const accesses = 400_000;

/** Long enough that a worker tells where it stands before it is done. */
const points: Point[] = [1, 2].map((seed, index) => ({
  index,
  coordinates: { seed },
  configuration: {
    trace: `gen:gups,size=64MiB,accesses=${accesses}`,
    setup: 'virtualized',
    designs: ['radix', 'ecpt', 'asap'],
    seed,
  },
}));

describe('the threads that simulate points', () => {
  it('tell where they stand before the first point is done, and never go back', async () => {
    const told: PoolProgress[] = [];
    const outcomes = await simulatePoints('translate', points, {
      workers: 2,
      signal: new AbortController().signal,
      onProgress: (progress) => told.push(progress),
    });
    expect(outcomes.map((outcome) => outcome?.interrupted)).toEqual([false, false]);
    const early = told.filter(({ done }) => done === 0);
    expect(early.length).toBeGreaterThan(0);
    expect(early.at(-1)!.units).toBeGreaterThan(0);
    expect(early.at(-1)!.units).toBeLessThanOrEqual(2 * accesses);
    for (const field of ['done', 'units', 'share'] as const) {
      const values = told.map((progress) => progress[field]);
      expect(values).toEqual(values.toSorted((a, b) => a - b));
    }
    expect(told.at(-1)).toMatchObject({ done: 2, share: 1 });
  }, 120_000);
});
