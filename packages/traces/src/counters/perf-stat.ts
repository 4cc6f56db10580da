import { StrataError } from '@strata/model/machine';
import { type PerfCounts, parsePerfShort } from '@strata/model/translation/compat';

/** Counters of page walks, as a processor measured them. */
export interface WalkCounters extends PerfCounts {
  readonly format: 'perf-short' | 'perf-stat' | 'perf-stat-csv';
  /** What a user must know before trusting figures from them. */
  readonly warnings: readonly string[];
}

const walkKinds = ['dtlb_load_misses', 'dtlb_store_misses', 'itlb_misses'] as const;
const cycleNames = ['cycles', 'cpu-cycles', 'cpu_clk_unhalted.thread'];
const wanted = [...walkKinds.flatMap((kind) => [`${kind}.walk_pending`, `${kind}.walk_completed`]), ...cycleNames];

/** What to type to get a file that this reads. */
export const perfStatCommand = `perf stat -o walks.txt -e ${walkKinds.map((kind) => `${kind}.walk_pending,${kind}.walk_completed`).join(',')},cycles PROGRAM`;

/**
 * Reads walk counters: a `perf-*.short` file of the DMT artifact, what `perf stat` prints, or its `-x` form; with `-I`, `-A` or on
 * hybrid processors the lines of one event are added up.
 * @param file name for messages
 * @throws StrataError `perf.malformed`, `perf.missing-event`, `perf.not-counted`, `perf.impossible`
 */
export function parseWalkCounters(content: string, file: string): WalkCounters {
  const lines = content.split(/\r?\n/);
  const counters = lines.some((line) => /^\s*(?:duration|[\w.-]+\.walk_\w+)\t/.test(line))
    ? { ...parsePerfShort(content, file), format: 'perf-short' as const, warnings: [] }
    : parsePerfStat(lines, file);
  // Two walkers at most, so more pending cycles than twice the cycles cannot be.
  if (!(counters.cycles > 0) || counters.walkPendingCycles >= 2 * counters.cycles)
    throw new StrataError({
      code: 'perf.impossible',
      what: 'the counters contradict each other',
      where: file,
      expected: 'cycles above 0, and fewer cycles with walks pending than two walkers have',
      found: `${counters.walkPendingCycles} pending, ${counters.cycles} cycles`,
      mend: 'Measure all events in the same run of the same program.',
    });
  return counters;
}

function parsePerfStat(lines: readonly string[], file: string): WalkCounters {
  const sums = new Map<string, number>();
  let isCsv = false;
  let durationSeconds: number | undefined;
  for (const [index, line] of lines.entries()) {
    const elapsed = /^\s*([\d.,]+)\s+seconds time elapsed/.exec(line);
    if (elapsed !== null) durationSeconds = Number(elapsed[1]!.replace(',', '.'));
    if (/^\s*#/.test(line)) continue;
    const count = countIn(line);
    if (count === undefined) continue;
    isCsv ||= count.isCsv;
    if (/^<not (counted|supported)>$/.test(count.text)) throw notCounted(count.event, count.text, file, index + 1);
    const value = wholeNumber(count.text);
    if (value === undefined)
      throw new StrataError({
        code: 'perf.malformed',
        what: `the count of ${count.event} cannot be read`,
        where: `${file}, line ${index + 1}`,
        expected: 'a whole number, with or without separators of thousands',
        found: JSON.stringify(count.text.slice(0, 40)),
      });
    sums.set(count.event, (sums.get(count.event) ?? 0) + value);
  }
  return { ...countsOf(sums, file), format: isCsv ? 'perf-stat-csv' : 'perf-stat', ...optional(durationSeconds) };
}

interface Count {
  readonly event: string;
  readonly text: string;
  readonly isCsv: boolean;
}

const separators = [',', ';', '\t', '|'];

/** The wanted event in a line of `perf stat`, and the text that counts it; undefined on any other line. */
function countIn(line: string): Count | undefined {
  for (const separator of separators) {
    // value, unit, event, ...; before them a time (-I), a processor (-A) or both.
    const fields = line.split(separator).map((field) => field.trim());
    const at = fields.findIndex((field) => eventName(field) !== undefined);
    if (at >= 2) return { event: eventName(fields[at]!)!, text: fields[at - 2]!, isCsv: true };
  }
  // Remarks name other events: `# 12.3% frontend cycles idle`.
  const text = line.replace(/#.*$/, '');
  const words = text.trim().split(/\s+/);
  const at = words.findIndex((word) => eventName(word) !== undefined);
  if (at < 1) return undefined;
  const event = eventName(words[at]!)!;
  const before = text.slice(0, text.indexOf(words[at]!)).trim();
  const not = /<not (counted|supported)>$/.exec(before);
  if (not !== null) return { event, text: not[0], isCsv: false };
  // A time, a processor and a count stand apart by more than one blank; some languages group thousands by one.
  return { event, text: before.split(/\s{2,}/).at(-1)!, isCsv: false };
}

/** `cpu_core/dtlb_load_misses.walk_pending/`, `dtlb_load_misses.walk_pending:u` and the plain name are one event. */
function eventName(text: string): string | undefined {
  const match = /^(?:\w+\/)?([\w.-]+?)(?:\/\w*)?(?::\w+)?$/.exec(text);
  const name = match?.[1]?.toLowerCase();
  return name !== undefined && wanted.includes(name) ? name : undefined;
}

/** Thousands may be grouped by comma, point, apostrophe or any blank, as the user's language has it. */
function wholeNumber(text: string): number | undefined {
  const isGrouped = /^\d{1,3}([.,'’\s\u00a0\u202f])\d{3}(?:\1\d{3})*$/.test(text);
  return isGrouped || /^\d+$/.test(text) ? Number(text.replace(/\D/g, '')) : undefined;
}

function countsOf(
  sums: ReadonlyMap<string, number>,
  file: string,
): PerfCounts & { readonly warnings: readonly string[] } {
  const cycles = cycleNames.map((name) => sums.get(name)).find((value) => value !== undefined);
  if (cycles === undefined) throw missing('cycles', file);
  if (!sums.has('dtlb_load_misses.walk_pending')) throw missing('dtlb_load_misses.walk_pending', file);
  const sum = (event: string) => walkKinds.reduce((total, kind) => total + (sums.get(`${kind}.${event}`) ?? 0), 0);
  const absent = wanted.filter((name) => name.includes('.walk_') && !sums.has(name));
  return {
    walkPendingCycles: sum('walk_pending'),
    walksCompleted: sum('walk_completed'),
    cycles,
    warnings: absent.length === 0 ? [] : [`${file}: not measured, and taken for 0: ${absent.join(', ')}.`],
  };
}

function optional(durationSeconds: number | undefined): Pick<PerfCounts, 'durationSeconds'> {
  return durationSeconds === undefined ? {} : { durationSeconds };
}

function missing(event: string, file: string): StrataError {
  return new StrataError({
    code: 'perf.missing-event',
    what: `no count of ${event}`,
    where: file,
    expected: 'a perf-*.short file, or the output of perf stat (-x included)',
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
