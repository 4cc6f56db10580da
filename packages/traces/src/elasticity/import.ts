import type { Demand } from '@strata/model/elasticity';
import { StrataError } from '@strata/model/machine';
import { openInput } from '../input/input.ts';
import { forEachLine, lineText, quoted } from '../tables/lines.ts';
import { createDemandCsvReader } from './csv.ts';
import { isDemandHeader } from './csv-columns.ts';
import { createKmemReader, type KmemCounts, pageEventOf } from './kmem.ts';
import { createMemoryLogReader, isHostLine, type LogFormat } from './memory-logs.ts';
import type { Placement, Replay } from './placement.ts';
import { createQmpReader } from './qmp.ts';

export type DemandFormat = 'csv' | LogFormat | 'qmp' | 'kmem';

export const demandFormats: readonly { readonly name: DemandFormat; readonly summary: string }[] = [
  {
    name: 'csv',
    summary:
      't_s,used_small_mib,used_huge_mib,total_mib[,rss_mib,mode,run] in any unit and order, GWA-T-12 (Bitbrains), or the artifact: time,rss,small,huge,cached,total',
  },
  { name: 'meminfo', summary: 'copies of /proc/meminfo, a time before each' },
  { name: 'buddyinfo', summary: 'copies of /proc/buddyinfo or /proc/pagetypeinfo, a time before each' },
  { name: 'dommemstat', summary: 'copies of virsh dommemstat' },
  {
    name: 'host',
    summary:
      'what the host holds of the VM: copies of /proc/PID/statm or smaps_rollup, or memory.current BYTES of its cgroup, a time before each',
  },
  {
    name: 'qmp',
    summary: "a QMP transcript with guest-stats of the balloon, or replies of Firecracker's GET /balloon/statistics",
  },
  { name: 'kmem', summary: 'kmem:mm_page_alloc and mm_page_free as perf script, trace-cmd report or ftrace' },
];

export interface DemandImportOptions {
  /** Recognised from the content when absent. */
  readonly format?: DemandFormat;
  /** Size of the VM where the recording lacks it, or instead of what it says. */
  readonly totalMib?: number;
  /** Between two samples of a log without times; default 1. */
  readonly everySeconds?: number;
  /** For kmem traces: who places the pages. Default: the kernel that was recorded. */
  readonly replay?: Replay;
  /** For kmem traces: places pages instead of `replay`; what its host has resident becomes the demand's `recorded`. */
  readonly placement?: Placement;
  readonly signal?: AbortSignal;
}

export interface DemandImport {
  readonly format: DemandFormat;
  /** One per VM or run that the file holds. */
  readonly demands: readonly Demand[];
  /** For kmem traces. */
  readonly counts?: KmemCounts;
  readonly warnings: readonly string[];
}

/**
 * Demand for memory from a recording of any known format, compressed or not, streamed line by line.
 * @throws StrataError `trace.*` for what cannot be opened, `elastic.unknown-format`, `elastic.bad-demand`, `elastic.no-size`
 */
export async function importDemand(path: string, options: DemandImportOptions = {}): Promise<DemandImport> {
  const input = await openInput(path, options.signal === undefined ? {} : { signal: options.signal });
  try {
    const format = options.format ?? recognise(input.head);
    if (format === undefined)
      throw new StrataError({
        code: 'elastic.unknown-format',
        what: 'the format of the demand is not recognised',
        where: path,
        expected: `one of ${demandFormats.map(({ name }) => name).join(', ')}`,
        found: quoted(new TextDecoder('latin1').decode(input.head.subarray(0, 200)).split('\n')[0] ?? ''),
        mend: 'Name it with --format.',
      });
    return await read(format, input.chunks, path, options);
  } finally {
    await input.close();
  }
}

async function read(
  format: DemandFormat,
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  options: DemandImportOptions,
): Promise<DemandImport> {
  const each = (take: LineTaker) => eachLine(chunks, path, take);
  const size = options.totalMib === undefined ? {} : { totalMib: options.totalMib };
  switch (format) {
    case 'csv': {
      const reader = createDemandCsvReader(path);
      await each(reader.line);
      const demands = reader.finish(size);
      if (demands.length > 0) return { format, demands, warnings: reader.warnings };
      throw new StrataError({ code: 'elastic.bad-demand', what: 'no samples below the header', where: path });
    }
    case 'kmem': {
      const reader = createKmemReader(path, {
        ...size,
        replay: options.replay ?? 'recorded',
        ...(options.placement !== undefined && { placement: options.placement }),
      });
      await each(reader.line);
      const { demand, counts } = reader.finish();
      return { format, demands: [demand], counts, warnings: kmemWarnings(counts) };
    }
    case 'qmp': {
      const reader = createQmpReader(path, { everySeconds: options.everySeconds ?? 1, ...size });
      await each(reader.line);
      return { format, demands: [reader.finish()], warnings: reader.warnings };
    }
    default: {
      const reader = createMemoryLogReader(format, path, { everySeconds: options.everySeconds ?? 1, ...size });
      await each(reader.line);
      return { format, demands: [reader.finish()], warnings: reader.warnings };
    }
  }
}

type LineTaker = (text: string, number: number, isCutOff: boolean) => void;

/** Every line, the last one with whether its line break is missing: a recording that was cut off ends like that. */
async function eachLine(chunks: AsyncIterable<Uint8Array>, path: string, take: LineTaker): Promise<void> {
  let held: { readonly text: string; readonly number: number } | undefined;
  const { ended } = await forEachLine(chunks, path, (bytes, start, end, number) => {
    if (held !== undefined) take(held.text, held.number, false);
    const text = lineText(bytes, start, end);
    held = { text: number === 1 ? text.replace(byteOrderMark, '') : text, number };
  });
  if (held !== undefined) take(held.text, held.number, !ended);
}

/** As a line of bytes shows it. */
const byteOrderMark = '\u00ef\u00bb\u00bf';

function kmemWarnings({ unknownFrees, reallocations, frees, refused }: KmemCounts): string[] {
  const warnings = ['What was in use before the trace began is unknown: the demand is a lower bound.'];
  if (unknownFrees > 0)
    warnings.push(`${unknownFrees} of ${frees} frees are of pages allocated before the trace began.`);
  if (reallocations > 0)
    warnings.push(`${reallocations} pages were allocated twice without a free between: events were lost.`);
  if (refused > 0) warnings.push(`${refused} allocations found no room in the replay and were left out.`);
  return warnings;
}

/** Lines of the head that recognition looks at. */
const recognisedLines = 60;

function recognise(head: Uint8Array): DemandFormat | undefined {
  const lines = new TextDecoder('latin1').decode(head.subarray(0, 65_536)).split('\n', recognisedLines);
  const filled = lines
    .map((line) => line.slice(0, 400).replace(byteOrderMark, '').trimEnd())
    .filter((line) => line.trim() !== '');
  const first = filled.find((line) => !line.startsWith('#')) ?? '';
  if (isDemandHeader(first)) return 'csv';
  if (filled.some((line) => pageEventOf(line) !== undefined)) return 'kmem';
  if (/^(?:->|<-)?\s*\{/.test(first) && filled.some((line) => /"(?:QMP|return|stats|event)"/.test(line))) return 'qmp';
  if (filled.some((line) => /^\s*MemTotal:\s/.test(line))) return 'meminfo';
  if (filled.some((line) => /^\s*Node\s+\d+,\s+zone\s/.test(line))) return 'buddyinfo';
  if (filled.some((line) => /^\s*(?:actual|available|unused)\s+\d+$/.test(line))) return 'dommemstat';
  if (filled.some(isHostLine)) return 'host';
  if (filled.some((line) => /^\s*\{.*"available_memory"/.test(line))) return 'qmp';
  return /[,;\t]/.test(first) && /[a-z]/i.test(first) ? 'csv' : undefined;
}
