import { StrataError, suggestion } from '@strata/model/machine';
import { type ExitFormat, type ExitRecording, exitFormats, importExits, readText } from '@strata/traces/nesting';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { interruptible } from '../terminal/interrupt.ts';
import { addOutputOptions, emit, note, type OutputOptions } from '../terminal/output.ts';
import { renderTable, type Table } from '../terminal/table.ts';

export interface RecordingOptions extends OutputOptions {
  readonly format?: string;
  readonly eventFormats?: string;
}

export function addRecordingOptions(command: Command): Command {
  return command
    .option('--format <name>', `one of ${exitFormats.map(({ name }) => name).join(', ')}; recognised when absent`)
    .option('--event-formats <file>', 'events/*/*/format of the machine that recorded, for ring-buffer pages');
}

/**
 * @param kinds exit kinds of the user's own profile
 * @param partial what was read when Ctrl-C came is worth having
 * @throws StrataError what the importer finds
 */
export async function recordingOf(
  path: string,
  options: RecordingOptions,
  kinds: readonly string[] = [],
  partial = false,
): Promise<ExitRecording> {
  const format = exitFormats.find(({ name }) => name === options.format)?.name as ExitFormat | undefined;
  if (options.format !== undefined && format === undefined)
    throw new StrataError({
      code: 'nest.unknown-format',
      what: `unknown format ${options.format}`,
      where: '--format',
      mend: suggestion(
        options.format,
        exitFormats.map(({ name }) => name),
      ),
    });
  const eventFormats = options.eventFormats === undefined ? undefined : await readText(options.eventFormats);
  return interruptible(async (signal) =>
    importExits(path, {
      signal,
      kinds,
      partial,
      ...(format && { format }),
      ...(eventFormats !== undefined && { eventFormats }),
    }),
  );
}

export function registerImport(parent: Command): void {
  const command = parent
    .command('import')
    .argument('<file>', 'a recording, compressed or not')
    .description('count exits by reason in what perf, trace-cmd, ftrace or kvm_stat recorded');
  addExamples(addOutputOptions(addRecordingOptions(command)), [
    'strata nest import packages/lab/fixtures/nest/web-server.perf-kvm-stat.txt',
    'strata nest import packages/lab/fixtures/nest/web-server.perf-kvm-stat.txt --json',
  ]).action(async (file: string, options: RecordingOptions) => {
    const recording = await recordingOf(file, options, [], true);
    for (const warning of recording.warnings) note(`strata: ${warning}`, options);
    const table = reasonTable(recording);
    await emit(
      {
        document: documentOf(recording),
        tables: [table],
        text: `${recording.format}: ${recording.total.toLocaleString('en-US')} exits, ${recording.lost.toLocaleString('en-US')} events lost\n\n${renderTable(table)}\n\n${kindsSentence(recording)}`,
      },
      options,
    );
  });
}

function documentOf(recording: ExitRecording): Record<string, unknown> {
  const { reasons, kinds, guestUs, ...rest } = recording;
  return {
    ...rest,
    ...(guestUs !== undefined && { guestUs: Math.round(guestUs * 1_000) / 1_000 }),
    reasons: Object.fromEntries(reasons),
    kinds: Object.fromEntries(kinds),
  };
}

function kindsSentence({ kinds, unknownMsrs }: ExitRecording): string {
  const counts = [...kinds].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${kind} ${shown(count)}`);
  const unknown = unknownMsrs > 0 ? [`MSR exits of unknown purpose ${shown(unknownMsrs)}`] : [];
  return `As kinds of the model: ${[...counts, ...unknown].join(', ')}`;
}

function shown(count: number): string {
  return count.toLocaleString('en-US');
}

function reasonTable({ reasons, total }: ExitRecording): Table {
  return {
    name: 'reasons',
    columns: [
      { name: 'reason', type: 'text' },
      { name: 'count', type: 'integer' },
      { name: 'share', type: 'real', title: '%' },
      { name: 'timeUs', type: 'real', title: 'time (µs)' },
    ],
    rows: [...reasons]
      .sort(([, a], [, b]) => b.count - a.count)
      .map(([reason, { count, timeUs }]) => ({
        reason,
        count,
        share: (100 * count) / Math.max(1, total),
        timeUs: timeUs ?? null,
      })),
  };
}
