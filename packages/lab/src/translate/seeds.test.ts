import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { split } from './configuration.ts';
import { estimateOf, type SeedsDocument, traceOfSeed } from './seeds.ts';
import { translate } from './study.ts';

const context = {
  signal: new AbortController().signal,
  progress: { update: () => {}, note: () => {}, end: () => {} },
  workers: 1,
  note: () => {},
};
const execute = async (given: Record<string, unknown>) => translate.execute(translate.resolve(given), context);

describe('an estimate over seeds', () => {
  it('is the mean with the interval of Student', () => {
    // Five values of standard deviation 1.5811: 2.776 * 1.5811 / sqrt(5) either side.
    const { mean, low, high, min, max } = estimateOf([1, 2, 3, 4, 5]);
    expect({ mean, min, max }).toEqual({ mean: 3, min: 1, max: 5 });
    expect(low).toBeCloseTo(3 - 1.963, 3);
    expect(high).toBeCloseTo(3 + 1.963, 3);
  });

  it('goes on smoothly beyond the table of quantiles', () => {
    const half = (count: number) => {
      const { mean, high } = estimateOf(Array.from({ length: count }, (_, at) => at % 2));
      return (high - mean) * Math.sqrt(count);
    };
    expect(half(32) / half(31)).toBeCloseTo(1, 2);
    expect(half(1000)).toBeCloseTo(1.96 * 0.5, 2);
  });

  it('holds the mean, and moves and scales with the values', () => {
    const values = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 9 }), fc.nat(100), (given, scale, shift) => {
        const one = estimateOf(given);
        const other = estimateOf(given.map((value) => value * scale + shift));
        expect(one.low).toBeLessThanOrEqual(one.mean);
        expect(other.mean).toBeCloseTo(one.mean * scale + shift, 6);
        expect(other.high - other.low).toBeCloseTo((one.high - one.low) * scale, 6);
      }),
    );
  });
});

describe('simulations with several seeds', () => {
  const given = { trace: 'gen:zipf,size=16MiB,accesses=5000', setup: 'virtualized', designs: ['radix', 'shadow'] };

  it('say what each seed alone would, and where the mean lies', async () => {
    const { stats, tables } = await execute({ ...given, seed: 7, seeds: 3 });
    const { seeds, designs } = (stats as { seeds: SeedsDocument }).seeds;
    expect(seeds).toEqual([7, 8, 9]);
    const alone = await Promise.all(
      seeds.map(async (seed) => {
        const { stats: own } = await execute({ ...given, trace: `${given.trace},seed=${seed}`, seed });
        return (own as { designs: Record<string, { cyclesPerWalk: number }> }).designs.shadow!.cyclesPerWalk;
      }),
    );
    expect(new Set(alone).size).toBe(3);
    expect(designs.shadow!.cyclesPerWalk).toEqual(estimateOf(alone));
    expect(designs.radix!.speedup).toMatchObject({ mean: 1, low: 1, high: 1 });
    expect(tables.find(({ name }) => name === 'seeds')?.rows[0]).toMatchObject({ design: 'radix', seeds: 3 });
  });

  it('say so when nothing was random', async () => {
    const { warnings } = await execute({ trace: 'gen:gups,size=16MiB,accesses=1000', seeds: 2 });
    expect(warnings.join()).toMatch(/all 2 seeds gave the same figures/);
  });

  it('leave the seed of a generator that names one, and files, as they are', () => {
    const traceOf = (trace: string) => traceOfSeed(split({ trace }).input, 9);
    expect(traceOf('gen:zipf,seed=3')).toBe('gen:zipf,seed=3');
    expect(traceOf('gen:zipf')).toBe('gen:zipf,seed=9');
    expect(traceOf('chase.trace.zip')).toBe('chase.trace.zip');
  });
});
