import { describe, expect, it } from 'vitest';
import { designsWithFormula, formulaResults } from './formulas.ts';
import type { HistogramRow } from './histogram.ts';
import { applicationSpeedup, formatSpeedup, type PerfCounts, parsePerfShort, perfFigures } from './perf.ts';

const histogram: HistogramRow[] = [
  { labels: ['L1', 'L1', 'L1', 'LLC'], range: 'RANGE_HIT', count: 3 },
  { labels: ['ZERO', 'ZERO', 'PWC', 'MEMORY'], range: 'RANGE_HIT', count: 1 },
];
const perf: PerfCounts = {
  walkCycles: { event: 'walk_pending', count: 600 + 300 + 100 },
  walksCompleted: 5 + 3 + 2,
  cycles: 1000,
};

describe("the processor's arithmetic", () => {
  const results = formulaResults({ histogram }, { setup: 'native' });

  it('averages the closed forms over all walks', () => {
    expect(Object.entries(results).map(([design, { cyclesPerWalk }]) => [design, cyclesPerWalk])).toEqual([
      ['radix', 99.75],
      ['fpt', 93.5],
      ['ecpt', 92.5],
      ['asap', 90.5],
      ['dmt', 90.5],
    ]);
    expect(formatSpeedup(results.dmt!.speedup!)).toBe('1.10x');
    expect(results.dmt!.speedup).toBeCloseTo(1.1022, 4);
  });

  it('drops the last level for huge pages, so a walk-cache hit there costs one cycle', () => {
    const huge = formulaResults({ histogram }, { setup: 'native', page: 'thp' });
    expect(huge.radix!.cyclesPerWalk).toBe((3 * 12 + 1) / 4);
    expect(huge.dmt!.cyclesPerWalk).toBe((3 * 4 + 1) / 4);
  });

  it('counts as references what a cache or memory answers', () => {
    expect(results.radix!.referencesPerWalk).toBe(13 / 4);
    expect(results.dmt!.referencesPerWalk).toBe(1);
    expect(results.fpt!.referencesPerWalk).toBe(7 / 4);
  });

  it('scales the measured share of page walks', () => {
    expect(perfFigures(perf)).toEqual({ walkOverhead: 0.5, walkLatencyCycles: 100 });
    const speedup = applicationSpeedup('dmt', results, { perf, setup: 'native' })!;
    expect(speedup).toBeCloseTo(1.0486, 4);
    expect(formatSpeedup(speedup)).toBe('1.05x');
  });

  it('agrees with the published example: 91.8 % overhead and 1.22x walks make 1.20x', () => {
    const walks = { radix: { cyclesPerWalk: 1.22, speedup: 1, referencesPerWalk: 4 } };
    const dmt = { cyclesPerWalk: 1, speedup: 1.22, referencesPerWalk: 1 };
    const measured: PerfCounts = {
      walkCycles: { event: 'walk_pending', count: 2 * 918 },
      walksCompleted: 1,
      cycles: 1000,
    };
    const speedup = applicationSpeedup('dmt', { ...walks, dmt }, { perf: measured, setup: 'native' })!;
    expect(formatSpeedup(speedup)).toBe('1.20x');
  });

  it('multiplies the nested speedup of pvDMT, and no other, by the measured cost of shadow paging', () => {
    const row: HistogramRow = { labels: Array<'L2'>(24).fill('L2'), range: 'RANGE_HIT', count: 1 };
    const nested = formulaResults({ histogram: [row] }, { setup: 'nested' });
    const input = { perf, setup: 'nested', shadowPagingSeconds: 30, nestedPagingSeconds: 20 } as const;
    const { shadowPagingSeconds, nestedPagingSeconds, ...unmeasured } = input;
    expect(nested.pvdmt!.cyclesPerWalk).toBe(42);
    expect(nested.pvdmt!.referencesPerWalk).toBe(3);
    const plain = applicationSpeedup('pvdmt', nested, unmeasured)!;
    expect(applicationSpeedup('pvdmt', nested, input)).toBeCloseTo((plain * shadowPagingSeconds) / nestedPagingSeconds);
    expect(applicationSpeedup('radix', nested, input)).toBe(1);
  });

  it('has one, two and three references for pvDMT-like direct look-ups, and formulas only where the artifact has', () => {
    expect(designsWithFormula('native')).toEqual(['radix', 'fpt', 'ecpt', 'asap', 'dmt']);
    expect(designsWithFormula('virtualized')).toEqual(['radix', 'fpt', 'ecpt', 'asap', 'agile', 'dmt', 'pvdmt']);
    expect(designsWithFormula('nested')).toEqual(['radix', 'pvdmt']);
  });

  it('gives zeros and no speedup without walks', () => {
    expect(formulaResults({ histogram: [] }, { setup: 'native' }).dmt).toEqual({
      cyclesPerWalk: 0,
      speedup: undefined,
      referencesPerWalk: 0,
    });
  });
});

describe('perf files', () => {
  const kinds = ['dtlb_load_misses', 'dtlb_store_misses', 'itlb_misses'];
  const text = [
    'duration\t57.28',
    ...kinds.flatMap((kind, i) => [
      `${kind}.walk_completed\t${[5, 3, 2][i]}`,
      `${kind}.walk_pending\t${[600, 300, 100][i]}`,
      `${kind}.walk_active\t1`,
    ]),
    'cycles:ukhHG\t1000',
    '',
  ].join('\n');

  it('are summed over loads, stores and fetches', () => {
    expect(parsePerfShort(text, 'perf-never.short')).toEqual({ ...perf, durationSeconds: 57.28 });
  });

  it('are refused with the line or the name that is wrong', () => {
    expect(() => parsePerfShort(text.replace('\t1000', ' 1000'), 'f')).toThrow(/f, line 11: malformed perf file/);
    expect(() => parsePerfShort(text.replace('1000', 'many'), 'f')).toThrow(/f, line 11/);
    expect(() => parsePerfShort(text.replace('cycles:ukhHG', 'cycles'), 'f')).toThrow(/a line for cycles:ukhHG/);
    expect(() => parsePerfShort('', 'f')).toThrow(/dtlb_load_misses.walk_pending/);
  });
});
