import { StrataError } from '@strata/model/machine';
import { profiles, wakeKind } from '@strata/model/nesting';
import { type Input, openInput } from '../input/input.ts';
import { createEventTextReader } from './event-text.ts';
import { readPerfStat } from './perf-stat.ts';
import { createExitTally, type ExitFormat, type ExitRecording } from './recording.ts';
import { readExitCsv, readKvmStat, readPerfKvmStat, skippedWarning } from './reports.ts';
import { createRingBufferReader, parseEventFormats } from './ring-buffer.ts';

export const exitFormats: readonly { readonly name: ExitFormat; readonly summary: string }[] = [
  { name: 'perf-kvm-stat', summary: 'perf kvm stat report (--event=vmexit, msr, mmio, ioport)' },
  { name: 'perf-script', summary: 'perf script of kvm:* events' },
  { name: 'trace-cmd', summary: 'trace-cmd report' },
  { name: 'ftrace', summary: "the kernel's trace or trace_pipe as text" },
  { name: 'ring-buffer', summary: 'per_cpu/cpuN/trace_pipe_raw pages, with --event-formats' },
  { name: 'kvm-stat', summary: 'kvm_stat -1, -l, or -c -l (CSV)' },
  { name: 'perf-stat', summary: "perf stat -e 'kvm:*', printed or -x," },
  { name: 'csv', summary: 'reason,count[,total_ns|avg_ns][,vcpu][,window_s][,ops]' },
];

export interface ImportOptions {
  /** Recognised from the content when absent. */
  readonly format?: ExitFormat;
  /** Text of the event format files, for `ring-buffer`. */
  readonly eventFormats?: string;
  /** Exit kinds that a CSV may name beside those of the profiles that Strata knows. */
  readonly kinds?: readonly string[];
  readonly signal?: AbortSignal;
  /** Give what was read when `signal` aborts, marked `interrupted`, rather than throw. Texts and pages of events only. */
  readonly partial?: boolean;
  /** Called after each block with the share of the file read. */
  readonly onProgress?: (share: number | undefined) => void;
}

/** Reports are read whole; a text of events is not a report. */
const largestReportBytes = 64 * 1_048_576;

/**
 * Exits from a recording of any known format, compressed or not. Event formats are streamed in bounded memory.
 * @throws StrataError `trace.*` for what cannot be opened, `nest.unknown-format`, `nest.no-exits`, and what a format's reader finds
 */
export async function importExits(path: string, options: ImportOptions = {}): Promise<ExitRecording> {
  const input = await openInput(path, options.signal === undefined ? {} : { signal: options.signal });
  try {
    const format = options.format ?? recognise(input.head);
    if (format === undefined) throw unknown(path, input.head);
    const recording = await read(format, input, path, options);
    if (recording.interrupted === true && recording.events === 0) options.signal?.throwIfAborted();
    if (recording.total === 0 && recording.events === 0 && recording.lost === 0)
      throw new StrataError({
        code: 'nest.no-exits',
        what: `no event could be read as ${format}`,
        where: path,
        found: `${recording.lines} lines`,
        mend: 'Check the file, or name its format with --format.',
      });
    return { ...recording, compression: input.compression };
  } finally {
    await input.close();
  }
}

async function read(format: ExitFormat, input: Input, path: string, options: ImportOptions): Promise<ExitRecording> {
  if (format === 'ring-buffer') return readRingBuffer(input, path, options);
  if (format === 'perf-script' || format === 'trace-cmd' || format === 'ftrace')
    return readEvents(format, input, options);
  const text = await wholeText(input, path);
  if (format === 'perf-kvm-stat') return readPerfKvmStat(text);
  if (format === 'kvm-stat') return readKvmStat(text);
  if (format === 'perf-stat') return readPerfStat(text);
  return readExitCsv(text, path, knownKinds(options.kinds));
}

async function readEvents(format: ExitFormat, input: Input, options: ImportOptions): Promise<ExitRecording> {
  const tally = createExitTally();
  const reader = createEventTextReader(tally);
  const interrupted = await pushAll(input, options, (chunk) => reader.push(chunk));
  const { lines, skipped, unknownLosses } = reader.end();
  const warnings = [...skippedWarning(skipped, lines), ...unknownLossesWarning(unknownLosses)];
  return marked(interrupted, tally.finish({ format, compression: [], lines, skipped, warnings }));
}

/** Returns whether the reading was interrupted before the end. */
async function pushAll(input: Input, options: ImportOptions, push: (chunk: Uint8Array) => void): Promise<boolean> {
  try {
    for await (const chunk of input.chunks) {
      options.signal?.throwIfAborted();
      push(chunk);
      options.onProgress?.(input.progress());
    }
    return false;
  } catch (error) {
    if (options.partial === true && options.signal?.aborted === true) return true;
    throw error;
  }
}

function marked(interrupted: boolean, recording: ExitRecording): ExitRecording {
  if (!interrupted) return recording;
  const warning = 'Interrupted: only what was read up to then is counted.';
  return { ...recording, interrupted: true, warnings: [...recording.warnings, warning] };
}

async function readRingBuffer(input: Input, path: string, options: ImportOptions): Promise<ExitRecording> {
  if (options.eventFormats === undefined)
    throw new StrataError({
      code: 'nest.event-formats',
      what: 'ring-buffer pages need the event formats of the machine that recorded',
      where: path,
      mend: 'Give them with --event-formats FILE (`cat /sys/kernel/tracing/events/kvm*/*/format`).',
    });
  const tally = createExitTally();
  const reader = createRingBufferReader(tally, parseEventFormats(options.eventFormats, 'event formats'), path);
  const interrupted = await pushAll(input, options, (chunk) => reader.push(chunk));
  const { pages, skippedPages, unknownLosses } = reader.end();
  const warnings = [
    ...(skippedPages > 0
      ? [`${skippedPages} of ${pages} ring-buffer pages are damaged or cut off and were skipped.`]
      : []),
    ...unknownLossesWarning(unknownLosses),
  ];
  return marked(
    interrupted,
    tally.finish({ format: 'ring-buffer', compression: [], lines: 0, skipped: skippedPages, warnings }),
  );
}

function unknownLossesWarning(times: number): string[] {
  return times > 0
    ? [`Events were lost ${times} times without their number being recorded: at least one each is counted.`]
    : [];
}

async function wholeText(input: Input, path: string): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input.chunks) {
    bytes += chunk.length;
    if (bytes > largestReportBytes)
      throw new StrataError({
        code: 'nest.too-long',
        what: 'too long for a report',
        where: path,
        expected: `at most ${largestReportBytes} bytes`,
      });
    parts.push(Buffer.from(chunk));
  }
  return Buffer.concat(parts).toString('latin1');
}

/** Lines are looked at only so far: patterns must not crawl over a line without end. */
const recognisedLine = 400;

/** The format by the first bytes of the content. */
export function recognise(head: Uint8Array): ExitFormat | undefined {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  const text = bytes
    .toString('latin1', 0, Math.min(bytes.length, 131_072))
    .split('\n')
    .map((line) => line.slice(0, recognisedLine))
    .join('\n');
  if (text.slice(0, 4_096).includes('\0')) return 'ring-buffer';
  if (
    /^\s*Analyze events for|^\s*(VM-EXIT|MMIO Access|IO Port Access|MSR Access)\s+Samples|\(\s*\+-\s*[\d.]+%\s*\)/m.test(
      text,
    )
  )
    return 'perf-kvm-stat';
  if (/^# tracer:/m.test(text)) return 'ftrace';
  // The CPU is absent where perf recorded one task without -a or --sample-cpu.
  if (/^.+\s(\[\d+\]\s.*|\d+\s+)\d+\.\d+:\s+(\d+\s+)?\w+:\w+:/m.test(text)) return 'perf-script';
  if (/^.+-\d+\s+(\(\s*[\d-]+\)\s+)?\[\d+\]\s+[^\s\d][^\s]{3,5}\s+\d+\.\d+: \w+:/m.test(text)) return 'ftrace';
  if (/^.+-\d+\s+\[\d+\]\s+(\S+\s+)?\d+\.\d+: \w+:/m.test(text)) return 'trace-cmd';
  if (/\d\s+kvm:[\w-]+(?![\w:-])|\d([,;|\t])[^,;|\t\n]*\1kvm:\w+/m.test(text)) return 'perf-stat';
  const first = text
    .slice(0, text.search(/\r?\n|$/))
    .toLowerCase()
    .replaceAll('"', '');
  const cells = first.split(',').map((cell) => cell.trim());
  if (cells.includes('count') && cells.some((cell) => ['reason', 'kind', 'exit_reason'].includes(cell))) return 'csv';
  if (
    /^"?(kvm_exit|kvm_entry|exits|halt_exits)\b/m.test(text) ||
    /(^|[\s,"])(kvm_exit(\(\w+\))?|halt_exits)([\s,"]|$)/.test(text)
  )
    return 'kvm-stat';
  return undefined;
}

function unknown(path: string, head: Uint8Array): StrataError {
  const first = Buffer.from(head).toString('latin1', 0, 80).split(/\r?\n/, 1)[0] ?? '';
  return new StrataError({
    code: 'nest.unknown-format',
    what: 'this is no recording of exits that Strata knows',
    where: path,
    expected: `one of ${exitFormats.map(({ name }) => name).join(', ')}`,
    found: `a file that begins with ${JSON.stringify(first)}`,
    mend: 'Name the format with --format; results of kvm-unit-tests belong to `strata nest calibrate`.',
  });
}

function knownKinds(further: readonly string[] = []): ReadonlySet<string> {
  return new Set([wakeKind, ...further, ...[...profiles].flatMap((profile) => Object.keys(profile.kinds))]);
}

/** @throws StrataError `trace.unreadable` */
export async function readText(path: string): Promise<string> {
  const input = await openInput(path);
  try {
    return await wholeText(input, path);
  } finally {
    await input.close();
  }
}
