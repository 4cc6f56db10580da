import { flatten } from '@strata/model/machine';
import {
  formats,
  generatorSpec,
  generators,
  generatorText,
  openTrace,
  parseSettings,
  type TraceReader,
} from '@strata/traces';
import { type Command, Option } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { interruptible } from '../terminal/interrupt.ts';
import { addOutputOptions, emit, note, type OutputOptions } from '../terminal/output.ts';
import { createProgress, type Progress } from '../terminal/progress.ts';
import { formatBytes, parseCount } from '../terminal/quantities.ts';
import { type Row, tableOf } from '../terminal/table.ts';
import { accessesFor, headRows } from '../trace/head.ts';
import { addReadingOptions, openOptionsOf, type ReadingOptions } from '../trace/options.ts';
import { type Survey, survey } from '../trace/survey.ts';
import { type Conversion, convert, targetFor, targets } from '../trace/targets.ts';

type Options = ReadingOptions & OutputOptions;
type WriteOptions = Options & { readonly to?: string };

export function register(command: Command): void {
  registerInfo(command);
  registerValidate(command);
  registerHead(command);
  registerConvert(command);
  registerGenerate(command);
  registerGenerators(command);
  registerFormats(command);
}

function registerInfo(command: Command): void {
  const info = verb(
    command,
    'info <trace>',
    'what a trace holds: counts, threads, footprint, what was dropped, warnings',
  );
  info.action(async (path: string, options: Options) => {
    const { reader, result } = await readAll(path, options, 'reading', survey);
    await emit(
      { document: infoDocument(path, reader, result), tables: [tableOf('info', infoRows(path, reader, result))] },
      options,
    );
  });
  addExamples(info, [
    'strata trace info gen:gups,size=64MiB,accesses=1e5',
    'strata trace info gen:zipf,accesses=1e5 --json',
  ]);
}

function registerValidate(command: Command): void {
  const validate = verb(
    command,
    'validate <trace>',
    'read a trace to its end; exit code 2 and the place where it is broken',
  );
  validate.action(async (path: string, options: Options) => {
    const { reader } = await readAll(path, options, 'checking', drain);
    const { accesses, format, warnings } = reader.summary;
    const row = { trace: path, format, accesses, valid: true };
    await emit({ document: { ...row, warnings }, tables: [tableOf('validate', [row])] }, options);
  });
  addExamples(validate, [
    'strata trace validate gen:chase,accesses=1e5',
    'strata trace validate gen:btree,accesses=1e5 --limit 1000 --json',
  ]);
}

function registerHead(command: Command): void {
  const head = verb(command, 'head <trace> [count]', 'the first accesses (10)');
  head
    .option('--events', 'show what is not an access too')
    .action(async (path: string, count = '10', options: Options & { events?: boolean }) => {
      const limit = parseCount(count, 'count');
      const progress = progressOf('reading', options);
      const rows = await interruptible(async (signal) => {
        const opened = openOptionsOf(options, signal, progress);
        const reader = await openTrace(path, {
          ...opened,
          limit: Math.min(accessesFor(limit, opened.sample), opened.limit ?? Number.MAX_SAFE_INTEGER),
          events: options.events === true,
        });
        return headRows(reader, opened.skip ?? 0, opened.sample).finally(() => reader.close());
      }).finally(() => progress.end());
      await emit({ document: { trace: path, accesses: rows }, tables: [tableOf('head', rows)] }, options);
    });
  addExamples(head, [
    'strata trace head gen:gups 4',
    'strata trace head gen:bfs,instructions=true 8 --skip 1000 --csv',
  ]);
}

function registerConvert(command: Command): void {
  const verbConvert = addTarget(verb(command, 'convert <trace> <output>', 'write a trace in another format'));
  verbConvert.action((path: string, output: string, options: WriteOptions) => write(path, output, options));
  addExamples(verbConvert, [
    'strata trace convert gen:gups,accesses=1e5 gups.strata',
    'strata trace convert gups.strata gups.parquet --limit 1000',
  ]);
}

function registerGenerate(command: Command): void {
  const generate = addTarget(verb(command, 'generate <generator> <output>', 'write a synthetic workload as a trace'));
  generate
    .option('--set <key=value...>', 'parameters of the generator (strata trace generators NAME)')
    .action((name: string, output: string, options: WriteOptions & { set?: string[] }) => {
      const values = parseSettings(name, options.set ?? []);
      return write(generatorText(name, values), output, options);
    });
  addExamples(generate, [
    'strata trace generate gups gups.strata --set size=64MiB accesses=1e5',
    'strata trace generate hash-join join.parquet --set accesses=1e4 seed=7 --json',
  ]);
}

function registerGenerators(command: Command): void {
  const list = addOutputOptions(
    command.command('generators [name]').description('the generators of workloads, or the parameters of one'),
  );
  list.action(async (name: string | undefined, options: OutputOptions) => {
    const rows = name === undefined ? generatorRows() : parameterRows(name);
    await emit(
      { document: { [name === undefined ? 'generators' : 'parameters']: rows }, tables: [tableOf('generators', rows)] },
      options,
    );
  });
  addExamples(list, ['strata trace generators', 'strata trace generators zipf --json']);
}

function registerFormats(command: Command): void {
  const list = addOutputOptions(command.command('formats').description('the formats that can be read and written'));
  list.action(async (options: OutputOptions) => {
    const rows = [
      ...[...formats].map(({ name, summary }) => ({ name, use: 'read', summary })),
      ...[...targets].map(({ name, summary }) => ({ name, use: 'write', summary })),
    ];
    await emit({ document: { formats: rows }, tables: [tableOf('formats', rows)] }, options);
  });
  addExamples(list, ['strata trace formats', 'strata trace formats --csv']);
}

function verb(command: Command, usage: string, description: string): Command {
  const made = command
    .command(usage)
    .description(`${description}; a trace is a file, - for a pipe, a drmemtrace folder, or gen:NAME,KEY=VALUE,...`);
  return addOutputOptions(addReadingOptions(made));
}

function addTarget(command: Command): Command {
  return command.addOption(
    new Option('--to <format>', 'format to write; by the ending of the output, else native').choices([
      ...targets.names,
    ]),
  );
}

/** Opens a trace, has it read to its end under progress and Ctrl-C, and tells its warnings. */
async function readAll<T>(
  path: string,
  options: Options,
  label: string,
  work: (reader: TraceReader, onBlock: (rows: number) => void) => Promise<T>,
): Promise<{ reader: TraceReader; result: T }> {
  const progress = progressOf(label, options);
  return interruptible(async (signal) => {
    const reader = await openTrace(path, { ...openOptionsOf(options, signal, progress), events: true });
    try {
      const result = await work(reader, (rows) => {
        signal.throwIfAborted();
        progress.update({ done: rows, share: reader.progress() });
      });
      progress.end();
      tellWarnings(reader.summary.warnings, options);
      return { reader, result };
    } finally {
      progress.end();
      await reader.close();
    }
  });
}

async function drain(reader: TraceReader, onBlock: (rows: number) => void): Promise<void> {
  let rows = 0;
  for await (const block of reader.blocks()) {
    rows += block.length;
    onBlock(rows);
  }
}

async function write(path: string, output: string, options: WriteOptions): Promise<void> {
  const target = targetFor(output, options.to);
  const progress = progressOf('converting', options);
  const conversion = await interruptible((signal) =>
    convert(path, output, target, { ...openOptionsOf(options, signal, progress), signal }, (reader) => {
      signal.throwIfAborted();
      progress.update({ done: reader.summary.accesses, share: reader.progress() });
    }),
  ).finally(() => progress.end());
  tellWarnings(conversion.summary.warnings, options);
  for (const [reason, count] of conversion.dropped)
    note(
      `strata: not written, since ${target.name} cannot hold it: ${reason} (${count.toLocaleString('en-US')})`,
      options,
    );
  await emit(
    {
      document: conversionDocument(path, output, conversion),
      tables: [tableOf('convert', conversionRows(output, conversion))],
    },
    options,
  );
}

function progressOf(label: string, options: OutputOptions): Progress {
  return createProgress({ label, unit: 'accesses', quiet: options.quiet ?? false, always: options.progress ?? false });
}

function tellWarnings(warnings: readonly string[], options: OutputOptions): void {
  for (const warning of warnings) note(`strata: warning: ${warning}`, options);
}

function infoDocument(path: string, { summary }: TraceReader, found: Survey): Record<string, unknown> {
  const { format, dialect, compression, accesses, loads, stores, fetches, prefetches, dropped, warnings } = summary;
  return {
    trace: path,
    format,
    dialect,
    compression,
    accesses,
    counts: { loads, stores, fetches, prefetches },
    ...found,
    dropped: Object.fromEntries(dropped),
    warnings,
  };
}

function infoRows(path: string, { summary }: TraceReader, found: Survey): Row[] {
  const { footprint } = found;
  const atLeast = footprint.isExact ? '' : 'at least ';
  const count = (value: number) => value.toLocaleString('en-US');
  const rows: [string, string][] = [
    ['trace', path],
    ['format', `${summary.format}, ${summary.dialect}`],
    ['compression', summary.compression.join(' in ') || 'none'],
    ['accesses', count(summary.accesses)],
    ['loads', count(summary.loads)],
    ['stores', count(summary.stores)],
    ['fetches', count(summary.fetches)],
    ['prefetches', count(summary.prefetches)],
    ...Object.entries(found.events).map(([name, value]): [string, string] => [`events: ${name}`, count(value)]),
    ['threads', count(found.threads.length)],
    ['processes', count(found.processes.length)],
    ['footprint', `${atLeast}${count(footprint.pages4k)} pages of 4 KiB, ${formatBytes(footprint.pages4k * 4096)}`],
    ['', `${atLeast}${count(footprint.pages2m)} pages of 2 MiB`],
    ['address range', footprint.lowest === undefined ? 'none' : `${footprint.lowest} to ${footprint.highest}`],
    [
      'columns',
      ['address', ...(found.columns.pc ? ['pc'] : []), ...(found.columns.physical ? ['physical'] : [])].join(', '),
    ],
    ...[...summary.dropped].map(([reason, value]): [string, string] => [`dropped: ${reason}`, count(value)]),
  ];
  return rows.map(([property, value]) => ({ property, value }));
}

function conversionDocument(
  path: string,
  output: string,
  { summary, target, bytes, sha256, dropped: lost }: Conversion,
): Record<string, unknown> {
  const { accesses, loads, stores, fetches, prefetches, dropped, warnings } = summary;
  return {
    trace: path,
    output,
    format: target,
    accesses,
    counts: { loads, stores, fetches, prefetches },
    bytes,
    bytesPerAccess: accesses === 0 ? null : bytes / accesses,
    ...(sha256 === undefined ? {} : { sourceSha256: sha256 }),
    dropped: Object.fromEntries(dropped),
    notWritten: Object.fromEntries(lost),
    warnings,
  };
}

function conversionRows(output: string, { summary, target, bytes }: Conversion): Row[] {
  const { accesses } = summary;
  return [{ output, format: target, accesses, bytes, 'bytes per access': accesses === 0 ? null : bytes / accesses }];
}

function generatorRows(): Row[] {
  return [...generators].map(({ name, summary, source }) => ({ name, summary, source }));
}

function parameterRows(name: string): Row[] {
  return flatten(generatorSpec(name)).map(({ path, field }) => ({
    parameter: path,
    default: String(field.default),
    unit: field.unit ?? '',
    summary: field.summary,
  }));
}
