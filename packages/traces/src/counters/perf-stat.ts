import { StrataError } from '@strata/model/machine';
import { type PerfCounts, parsePerfShort, type WalkCycleEvent, walkersIn } from '@strata/model/translation/compat';
import { type Count, countIn } from './perf-stat-lines.ts';

/** Counters of page walks, as a processor measured them. */
export interface WalkCounters extends PerfCounts {
  readonly format: 'perf-short' | 'perf-stat' | 'perf-stat-csv' | 'perf-stat-json';
  /** What a user must know before trusting figures from them. */
  readonly warnings: readonly string[];
}

const walkKinds = ['dtlb_load_misses', 'dtlb_store_misses', 'itlb_misses'] as const;
const cycleNames = ['cycles', 'cpu-cycles', 'cpu_clk_unhalted.thread'];
/** That of which cycles of walks are taken, the first that was measured: only `walk_pending` gives a latency that is not a bound. */
const cycleEvents: readonly WalkCycleEvent[] = ['walk_pending', 'walk_active', 'walk_duration'];
const wanted = new Set([
  ...walkKinds.flatMap((kind) => [...cycleEvents, 'walk_completed'].map((event) => `${kind}.${event}`)),
  ...cycleNames,
]);

/** What to type to get a file that this reads. */
export const perfStatCommand = `perf stat -o walks.txt -e ${walkKinds.map((kind) => `${kind}.walk_pending,${kind}.walk_completed`).join(',')},cycles PROGRAM`;

/**
 * Reads walk counters: a `perf-*.short` file of the DMT artifact, what `perf stat` prints, or its `-x` or `--json` form; with `-I`, `-A` or
 * on hybrid processors the lines of one event are added up. Cycles of walks are `walk_pending`, `walk_active` or, of older processors,
 * `walk_duration`.
 * @param file name for messages
 * @throws StrataError `perf.malformed`, `perf.missing-event`, `perf.not-counted`, `perf.impossible`
 */
export function parseWalkCounters(content: string, file: string): WalkCounters {
  const lines = content.split(/\r?\n/);
  const counters = lines.some((line) => /^\s*(?:duration|[\w.-]+\.walk_\w+)\t/.test(line))
    ? { ...parsePerfShort(content, file), format: 'perf-short' as const, warnings: [] }
    : parsePerfStat(lines, file);
  const { event, count } = counters.walkCycles;
  const most = walkersIn(event) * counters.cycles;
  if (!(counters.cycles > 0) || count >= most)
    throw new StrataError({
      code: 'perf.impossible',
      what: 'the counters contradict each other',
      where: file,
      expected: `cycles above 0, and ${event} below ${walkersIn(event) === 1 ? 'them' : 'twice as many: there are two walkers'}`,
      found: `${event} ${count}, cycles ${counters.cycles}`,
      mend: 'Measure all events in the same run of the same program.',
    });
  return counters;
}

function parsePerfStat(lines: readonly string[], file: string): WalkCounters {
  const sums = new Map<string, number>();
  const uncounted = new Map<string, { readonly text: string; readonly line: number }>();
  let form: Count['form'] = 'text';
  let durationSeconds: number | undefined;
  const counts = lines.map((line) => countIn(line, wanted));
  const hasIntervals = counts.some((count) => count?.isInterval === true);
  for (const [index, line] of lines.entries()) {
    const elapsed = /^\s*([\d.,]+)\s+(?:\+-\s+[\d.,]+\s+)?seconds time elapsed/.exec(line);
    if (elapsed !== null) durationSeconds = Number(elapsed[1]!.replace(',', '.'));
    const count = counts[index];
    // With --summary the sums of all intervals follow them.
    if (count === undefined || (hasIntervals && !count.isInterval)) continue;
    const { event, text } = count;
    form = count.form;
    if (/^<not (counted|supported)>$/.test(text)) {
      uncounted.set(event, { text, line: index + 1 });
      continue;
    }
    const value = wholeNumber(text, form);
    if (value === undefined) throw malformed(event, text, `${file}, line ${index + 1}`);
    sums.set(event, (sums.get(event) ?? 0) + value);
  }
  for (const [event, { text, line }] of uncounted) if (!sums.has(event)) throw notCounted(event, text, file, line);
  return {
    ...countsOf(sums, [...uncounted.keys()], file),
    format: form === 'text' ? 'perf-stat' : `perf-stat-${form}`,
    ...(durationSeconds === undefined ? {} : { durationSeconds }),
  };
}

/** Thousands may be grouped by comma, point, apostrophe or any blank, as the user's language has it; JSON has zeros behind a point. */
function wholeNumber(text: string, form: Count['form']): number | undefined {
  const digits = form === 'json' ? text.replace(/[.,]0+$/, '') : text;
  const isGrouped = /^\d{1,3}([.,'’\s\u00a0\u202f])\d{3}(?:\1\d{3})*$/.test(digits);
  return isGrouped || /^\d+$/.test(digits) ? Number(digits.replace(/\D/g, '')) : undefined;
}

function countsOf(
  sums: ReadonlyMap<string, number>,
  uncounted: readonly string[],
  file: string,
): PerfCounts & { readonly warnings: readonly string[] } {
  const cycles = cycleNames.map((name) => sums.get(name)).find((value) => value !== undefined);
  if (cycles === undefined) throw missing('cycles', file);
  const event = cycleEvents.find((name) => sums.has(`dtlb_load_misses.${name}`));
  if (event === undefined) throw missing('dtlb_load_misses.walk_pending', file);
  const sum = (name: string) => walkKinds.reduce((total, kind) => total + (sums.get(`${kind}.${name}`) ?? 0), 0);
  const absent = walkKinds
    .flatMap((kind) => [`${kind}.${event}`, `${kind}.walk_completed`])
    .filter((name) => !sums.has(name));
  return {
    walkCycles: { event, count: sum(event) },
    walksCompleted: sum('walk_completed'),
    cycles,
    warnings: [
      ...(absent.length === 0 ? [] : [`${file}: not measured, and taken for 0: ${absent.join(', ')}.`]),
      ...(uncounted.length === 0 ? [] : [`${file}: not counted all of the time: ${uncounted.join(', ')}.`]),
    ],
  };
}

function malformed(event: string, text: string, where: string): StrataError {
  return new StrataError({
    code: 'perf.malformed',
    what: `the count of ${event} cannot be read`,
    where,
    expected: 'a whole number, with or without separators of thousands',
    found: JSON.stringify(text.slice(0, 40)),
  });
}

function missing(event: string, file: string): StrataError {
  return new StrataError({
    code: 'perf.missing-event',
    what: `no count of ${event}`,
    where: file,
    expected:
      'a perf-*.short file, or the output of perf stat (-x and --json included), with cycles and walk_pending, walk_active or walk_duration',
    mend: `Measure with: ${perfStatCommand}`,
  });
}

function notCounted(event: string, text: string, file: string, line: number): StrataError {
  return new StrataError({
    code: 'perf.not-counted',
    what: `the processor did not count ${event}`,
    where: `${file}, line ${line}`,
    found: text,
    mend: 'Measure on bare metal, or in a VM with a virtual PMU, fewer events at a time; other processors name these events differently.',
  });
}
