import { describe, expect, it } from 'vitest';
import type { SamplesDocument } from './samples.ts';
import { translate } from './study.ts';

const context = {
  signal: new AbortController().signal,
  progress: { update: () => {}, note: () => {}, end: () => {} },
  workers: 1,
  note: () => {},
};

async function run(given: Record<string, unknown>) {
  const done = await translate.execute(translate.resolve(given), context);
  return {
    ...done,
    stats: done.stats as { trace: { references: number; warmupReferences: number }; samples: SamplesDocument },
  };
}

describe('translate run with samples', () => {
  const trace = 'gen:gups,size=64MiB,accesses=100000';

  it('counts the samples, and says how far they agree', async () => {
    const { stats, warnings, tables } = await run({ trace, sample: { length: 1000, period: 10_000 }, warmup: 2000 });
    expect(stats.trace).toMatchObject({ references: 10_000, warmupReferences: 20_000 });
    expect(stats.samples).toMatchObject({ length: 1000, period: 10_000, warmup: 2000, complete: 10, leftOut: 70_000 });
    const { cyclesPerWalk } = stats.samples.designs.radix!;
    expect(cyclesPerWalk).toMatchObject({ samples: 10 });
    expect(cyclesPerWalk!.low).toBeLessThan(cyclesPerWalk!.mean);
    expect(tables.map(({ name }) => name)).toContain('samples');
    expect(warnings.join()).toMatch(/10 samples of 1,000 accesses.*restarts the counts/);
  });

  it('estimates the whole within its interval', async () => {
    const whole = await translate.execute(translate.resolve({ trace }), context);
    const { stats } = await run({ trace, sample: { length: 2000, period: 8000 }, warmup: 4000 });
    const all = whole.stats as { walks: number; trace: { references: number } };
    const { low, high } = stats.samples.walksPerThousandAccesses!;
    // The whole has its compulsory misses at the start, which samples meet too: a wide margin of one part in ten.
    const rate = (1000 * all.walks) / all.trace.references;
    expect(rate).toBeGreaterThan(0.9 * low);
    expect(rate).toBeLessThan(1.1 * high);
  });

  it('is refused where it does not fit or has no meaning', () => {
    expect(() => translate.resolve({ trace, sample: { length: 10, period: 5 } })).toThrow(/do not fit their period/);
    expect(() => translate.resolve({ trace, sample: { length: 10, period: 50 }, warmup: 41 })).toThrow(/do not fit/);
    expect(() => translate.resolve({ trace, tables: 'a', mode: 'compat', sample: { length: 1, period: 2 } })).toThrow(
      /know no sampling/,
    );
  });
});
