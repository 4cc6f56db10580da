import { StrataError } from '../../machine/errors.ts';
import type { FormulaDesign, FormulaResult, FormulaSetup } from './formulas.ts';

/** Sums of processor counters over a run, loads, stores and instruction fetches together. */
export interface PerfCounts {
  /**
   * Cycles of walks. `walk_pending` adds one per cycle for each walker at work, as in `perf-*.short` files; `walk_active`, and
   * `walk_duration` before it, one per cycle in which any is.
   */
  readonly walkCycles: { readonly event: WalkCycleEvent; readonly count: number };
  readonly walksCompleted: number;
  readonly cycles: number;
  readonly durationSeconds?: number;
}

export type WalkCycleEvent = 'walk_pending' | 'walk_active' | 'walk_duration';

/** What is derived from perf counters. */
export interface PerfFigures {
  /** Share of the run spent in page walks, 0 to 1. */
  readonly walkOverhead: number;
  /** Cycles over walks; of `walk_active` a lower bound, since it counts walks side by side once. */
  readonly walkLatencyCycles: number;
}

/** Page walkers per core (artifact, processor). */
export const walkersPerCore = 2;

/** Most that the event can add per cycle. */
export function walkersIn(event: WalkCycleEvent): number {
  return event === 'walk_pending' ? walkersPerCore : 1;
}

export function perfFigures({ walkCycles: { event, count }, walksCompleted, cycles }: PerfCounts): PerfFigures {
  return { walkOverhead: count / (walkersIn(event) * cycles), walkLatencyCycles: count / walksCompleted };
}

export interface ApplicationSpeedupInput {
  readonly perf: PerfCounts;
  readonly setup: FormulaSetup;
  /** Measured runtimes of the virtualized runs with 4 KiB pages; their quotient enters pvDMT's nested speedup. */
  readonly shadowPagingSeconds?: number;
  readonly nestedPagingSeconds?: number;
}

/** Speedup of the whole application: the walk share of the runtime scaled by the design's cycles over radix's; undefined without walks. */
export function applicationSpeedup(
  design: FormulaDesign,
  results: Partial<Record<FormulaDesign, FormulaResult>>,
  { perf, setup, shadowPagingSeconds, nestedPagingSeconds }: ApplicationSpeedupInput,
): number | undefined {
  const cycles = results[design]?.cyclesPerWalk;
  const radixCycles = results.radix?.cyclesPerWalk;
  if (cycles === undefined || radixCycles === undefined || radixCycles === 0) return undefined;
  const { walkOverhead } = perfFigures(perf);
  const speedup = 1 / (1 - walkOverhead + (walkOverhead * cycles) / radixCycles);
  const measured = shadowPagingSeconds !== undefined && nestedPagingSeconds !== undefined;
  return design === 'pvdmt' && setup === 'nested' && measured
    ? (speedup * shadowPagingSeconds) / nestedPagingSeconds
    : speedup;
}

/** As the processor prints it: `1.05x`. */
export function formatSpeedup(speedup: number): string {
  return `${speedup.toFixed(2)}x`;
}

const walkKinds = ['dtlb_load_misses', 'dtlb_store_misses', 'itlb_misses'];

/**
 * Reads a `perf-*.short` file: one `name<TAB>value` per line.
 * @param file name for messages
 * @throws StrataError `compat.perf-file`
 */
export function parsePerfShort(content: string, file: string): PerfCounts {
  const values = new Map<string, number>();
  for (const [index, text] of content.split(/\r?\n/).entries()) {
    if (text.trim() === '') continue;
    const [name, value, ...rest] = text.split('\t');
    const number = Number(value);
    if (value === undefined || value.trim() === '' || rest.length > 0 || !(number >= 0))
      throw malformed(`${file}, line ${index + 1}`, 'a name, a tab and a number', JSON.stringify(text.slice(0, 60)));
    values.set(name!.trim(), number);
  }
  const value = (name: string) => {
    const found = values.get(name);
    if (found === undefined) throw malformed(file, `a line for ${name}`, 'none');
    return found;
  };
  const sum = (event: string) => walkKinds.reduce((total, kind) => total + value(`${kind}.${event}`), 0);
  const counts = {
    walkCycles: { event: 'walk_pending' as const, count: sum('walk_pending') },
    walksCompleted: sum('walk_completed'),
    cycles: value('cycles:ukhHG'),
  };
  const duration = values.get('duration');
  return duration === undefined ? counts : { ...counts, durationSeconds: duration };
}

function malformed(where: string, expected: string, found: string): StrataError {
  return new StrataError({ code: 'compat.perf-file', what: 'malformed perf file', where, expected, found });
}
