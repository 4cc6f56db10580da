import { type CompatConfig, compatConfig } from './config.ts';
import type { HistogramRow, Label } from './histogram.ts';

/** The designs that the artifact's processor evaluates, in its order. They are closed forms over one histogram: none is simulated. */
export const formulaDesigns = ['radix', 'fpt', 'ecpt', 'asap', 'agile', 'dmt', 'pvdmt'] as const;
export type FormulaDesign = (typeof formulaDesigns)[number];
export type FormulaSetup = 'native' | 'virtualized' | 'nested';
/** `thp` drops the last level's columns of the same 4 KiB walks. */
export type FormulaPage = '4k' | 'thp';
export type Latencies = CompatConfig['latencies'];

export interface FormulaResult {
  /** Mean over all walks. */
  readonly cyclesPerWalk: number;
  /** Of page walks over radix; undefined when this design's walks cost nothing. */
  readonly speedup: number | undefined;
  /** Mean number of the formula's columns that are references, answered by a cache or by memory. */
  readonly referencesPerWalk: number;
}

/** A step that reads memory, through whatever cache; not one that a page-walk cache answers or skips. */
export function isReference(label: Label): boolean {
  return label === 'MEMORY' || label === 'L1' || label === 'L2' || label === 'LLC';
}

/** Cost of a row as a function of what each column costs. `at(i, j)`: host level j of guest level i; `entry(i)`: the guest entry; `data(j)`: host level j of the data page. */
interface Columns {
  entry(guestLevel: number): number;
  at(guestLevel: number, hostLevel: number): number;
  data(hostLevel: number): number;
}

type Formula = (columns: Columns, leaf: number, extra: number, together: Together) => number;
/** How levels read side by side combine: the slower path for cycles, the sum for references. */
type Together = (walked: number, ...prefetched: number[]) => number;

const slowest: Together = Math.max;
const all: Together = (...values) => values.reduce((sum, value) => sum + value, 0);

function sumUpTo(last: number, value: (level: number) => number): number {
  let sum = 0;
  for (let level = 1; level <= last; level++) sum += value(level);
  return sum;
}

/** ASAP prefetches levels 3 and 4 at the start of the walk and walks levels 1 and 2 meanwhile. */
function prefetched(leaf: number, value: (level: number) => number, together: Together): number {
  const deep = leaf === 4 ? [value(3), value(4)] : [value(3)];
  return together(value(1) + value(2), ...deep);
}

/** Section 3.1 of the specification. `leaf` is the level that holds the leaf entry: 4 for 4 KiB pages, 3 for 2 MiB. */
const nativeFormulas: Partial<Record<FormulaDesign, Formula>> = {
  radix: ({ entry }, leaf) => sumUpTo(leaf, entry),
  fpt: ({ entry }, leaf) => entry(leaf - 2) + entry(leaf),
  ecpt: ({ entry }, leaf, extra) => entry(leaf) + extra,
  asap: ({ entry }, leaf, _, together) => prefetched(leaf, entry, together),
  dmt: ({ entry }, leaf) => entry(leaf),
};

const virtualizedFormulas: Partial<Record<FormulaDesign, Formula>> = {
  radix: ({ entry, at, data }, leaf) =>
    sumUpTo(leaf, (guest) => sumUpTo(leaf, (host) => at(guest, host)) + entry(guest)) + sumUpTo(leaf, data),
  fpt: ({ entry, at, data }, leaf) => {
    const upper = leaf - 2;
    const guestLevel = (guest: number) => at(guest, upper) + at(guest, leaf) + entry(guest);
    return guestLevel(upper) + guestLevel(leaf) + data(upper) + data(leaf);
  },
  ecpt: ({ entry, at, data }, leaf, extra) => at(leaf, leaf) + entry(leaf) + data(leaf) + extra,
  asap: ({ entry, at, data }, leaf, _, together) => {
    const guestLevel = (guest: number) => prefetched(leaf, (host) => at(guest, host), together) + entry(guest);
    return prefetched(leaf, guestLevel, together) + prefetched(leaf, data, together);
  },
  agile: ({ entry, data }, leaf) => sumUpTo(leaf, entry) + sumUpTo(leaf, data),
  dmt: ({ entry, at, data }, leaf) => at(leaf, leaf) + entry(leaf) + data(leaf),
  pvdmt: ({ entry, data }, leaf) => entry(leaf) + data(leaf),
};

/** The third dimension exists only here: radix is that of a virtualized run made inside the outer guest, pvDMT gets half as much again. */
const nestedFormulas: Partial<Record<FormulaDesign, Formula>> = {
  radix: virtualizedFormulas.radix!,
  pvdmt: ({ entry, data }, leaf) => ((entry(leaf) + data(leaf)) * 3) / 2,
};

const formulasOf = { native: nativeFormulas, virtualized: virtualizedFormulas, nested: nestedFormulas } as const;

/** The designs for which the processor has a formula in that set-up. */
export function designsWithFormula(setup: FormulaSetup): FormulaDesign[] {
  return formulaDesigns.filter((design) => formulasOf[setup][design] !== undefined);
}

export interface FormulaOptions {
  readonly setup: FormulaSetup;
  readonly page?: FormulaPage;
  readonly latencies?: Latencies;
}

/** Averages of every design's closed form over the walks of a histogram. Empty histograms give zeros and no speedups. */
export function formulaResults(
  { histogram }: { readonly histogram: readonly HistogramRow[] },
  { setup, page = '4k', latencies = compatConfig().latencies }: FormulaOptions,
): Partial<Record<FormulaDesign, FormulaResult>> {
  const leaf = page === '4k' ? 4 : 3;
  const extra = setup === 'native' ? latencies.ecptNativeCycles : latencies.ecptVirtualizedCycles;
  const cycles: Record<Label, number> = {
    MEMORY: latencies.memoryCycles,
    L1: latencies.l1Cycles,
    L2: latencies.l2Cycles,
    LLC: latencies.llcCycles,
    PWC: latencies.walkCacheCycles,
    ZERO: 0,
  };
  const walks = histogram.reduce((sum, { count }) => sum + count, 0);
  const mean = (formula: Formula, cost: (label: Label) => number, added: number, together: Together) =>
    walks === 0
      ? 0
      : histogram.reduce(
          (sum, row) => sum + row.count * formula(columnsOf(row.labels, setup, cost), leaf, added, together),
          0,
        ) / walks;
  const cyclesOf = (formula: Formula) => mean(formula, (label) => cycles[label], extra, slowest);
  const radixCycles = cyclesOf(formulasOf[setup].radix!);
  return Object.fromEntries(
    designsWithFormula(setup).map((design) => {
      const formula = formulasOf[setup][design]!;
      const cyclesPerWalk = cyclesOf(formula);
      const referencesPerWalk = mean(formula, (label) => (isReference(label) ? 1 : 0), 0, all);
      const speedup = cyclesPerWalk === 0 ? undefined : radixCycles / cyclesPerWalk;
      return [design, { cyclesPerWalk, speedup, referencesPerWalk } satisfies FormulaResult];
    }),
  );
}

function columnsOf(labels: readonly Label[], setup: FormulaSetup, cost: (label: Label) => number): Columns {
  if (setup === 'native') {
    const none = () => 0;
    return { entry: (level) => cost(labels[level - 1]!), at: none, data: none };
  }
  return {
    at: (guest, host) => cost(labels[5 * (guest - 1) + host - 1]!),
    entry: (guest) => cost(labels[5 * (guest - 1) + 4]!),
    data: (host) => cost(labels[20 + host - 1]!),
  };
}
