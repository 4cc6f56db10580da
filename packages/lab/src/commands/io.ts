import { availableParallelism } from 'node:os';
import { ioWorkloads, protectionSchemes } from '@strata/model/io';
import { StrataError } from '@strata/model/machine';
import type { TableUnit } from '@strata/traces/tables';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type BuildOptions, buildTrace, parseQuirks } from '../io/build.ts';
import { type CompatDescriptor, type Descriptor, explainCompat, explainTranslation } from '../io/explain.ts';
import { parameterHelp } from '../io/parameters.ts';
import {
  compatDocument,
  compatTables,
  correctDocument,
  correctTables,
  defaultScheme,
  loadIoConfiguration,
  type RunInput,
  runCompat,
  runCorrect,
} from '../io/run.ts';
import { parseIoAxis } from '../io/settings.ts';
import {
  type Knee,
  kneeShare,
  kneesOf,
  type Plateau,
  plateausOf,
  rowOfPoint,
  type SweepPoint,
  sweep,
  sweepDesigns,
} from '../io/sweep.ts';
import { addExamples } from '../terminal/help.ts';
import { interruptible } from '../terminal/interrupt.ts';
import { addOutputOptions, bold, emit, note, type OutputOptions } from '../terminal/output.ts';
import { createProgress, type Progress } from '../terminal/progress.ts';
import { renderTable, tableOf } from '../terminal/table.ts';

export function register(command: Command): void {
  registerBuild(
    command.command('build').description('merge the logs of virtual machines into one trace of many tenants'),
  );
  registerRun(command.command('run').description('simulate the translations of a trace at a link rate'));
  registerSweep(command.command('sweep').description('tenants x designs, and where each design stops keeping up'));
  registerExplain(command.command('explain').description('one DMA step by step: each cache, each read, nanoseconds'));
}

interface BuildFlags extends OutputOptions {
  readonly log: readonly string[];
  readonly tenants: number;
  readonly order: BuildOptions['order'];
  readonly burst: number;
  readonly out: string;
  readonly mode: BuildOptions['mode'];
  readonly devices?: number;
  readonly repeat?: boolean;
  readonly quirks?: string;
}

function registerBuild(command: Command): void {
  addOutputOptions(
    command
      .requiredOption('--log <file...>', 'logs of the original collector, or of a stock QEMU (vtd_*, amdvi_*)')
      .requiredOption('--tenants <count>', 'tenants in the trace', positive)
      .addOption(new Option('--order <order>', 'whose turn is next').choices(['rr', 'rand', 'orig']).default('rr'))
      .option('--burst <packets>', "packets of a tenant's turn", positive, 1)
      .requiredOption('--out <prefix>', 'writes PREFIX_iotlb_trace.bin, PREFIX_cc_data.bin, PREFIX_slpt_data.bin')
      .addOption(modeOption())
      .option('--devices <count>', 'devices per log (from _vm_N_ in the name, else 24)', positive)
      .option('--repeat', 'take the logs again, as further machines, until there are tenants enough')
      .option('--quirks <list>', "the original's defects to keep: none, or names (all in compat, none in correct)"),
  ).action(async ({ log, repeat, quirks, ...options }: BuildFlags) => {
    const on = quirks === undefined ? undefined : parseQuirks(quirks);
    const built = await withProgress('parsing', 'lines', options, (context) =>
      buildTrace({ ...options, logs: log, repeat: repeat ?? false, quirks: on }, context),
    );
    for (const warning of built.warnings) note(`strata: warning: ${warning}`, options);
    const { tenants, translations, consec, contexts, tables, files } = built;
    await emit(
      {
        document: { mode: options.mode, ...built },
        tables: [tableOf('build', [{ tenants, translations, consec, contexts, tables, trace: files.translations }])],
      },
      options,
    );
  });
  addExamples(command, [
    'strata io build --log packages/lab/fixtures/vtd-two-tenants.log --tenants 2 --order rr --out two',
    'strata io run --trace two_iotlb_trace.bin --config base --queue 1 --mode compat',
  ]);
}

type RunFlags = OutputOptions &
  Omit<RunInput, 'queue' | 'gbps'> & {
    readonly queue?: number;
    readonly gbps?: number;
    readonly mode: 'compat' | 'correct';
    readonly scheme?: string;
    readonly set?: readonly string[];
    readonly memoryEvents?: string;
    readonly tables?: string;
    readonly unit?: 'auto' | TableUnit;
  };

function checkTablesMode({ mode, tables }: Pick<RunFlags, 'mode' | 'tables'>): void {
  if (mode === 'correct' || tables === undefined) return;
  throw new StrataError({
    code: 'io.correct-only',
    what: "page tables, which the original's model does not walk: it charges 50 ns per level whatever they are",
    where: '--tables',
    mend: 'Leave them out, or use --mode correct.',
  });
}

const defaultQueue = 1;
const defaultGbps = 200;

function filled<T extends Pick<RunFlags, 'queue' | 'gbps'>>(flags: T): T & { queue: number; gbps: number } {
  return { ...flags, queue: flags.queue ?? defaultQueue, gbps: flags.gbps ?? defaultGbps };
}

async function correctInput<T extends RunFlags>(flags: T) {
  const { trace, config, queue, gbps } = flags;
  const configuration = await loadIoConfiguration(config);
  const scheme = flags.scheme ?? (await defaultScheme(trace, configuration));
  const given = { ...(queue !== undefined && { queueEntries: queue }), ...(gbps !== undefined && { gbps }) };
  return { ...filled(flags), scheme, ...(configuration && { configuration, given }) };
}

function registerRun(command: Command): void {
  addOutputOptions(
    addRunOptions(command)
      .addOption(modeOption())
      .option(
        '--memory-events <file>',
        'resize the VM of the first tenant meanwhile (correct): the CSV of strata elastic events --vfio',
      ),
  ).action(async (options: RunFlags) => {
    checkTablesMode(options);
    if (options.mode === 'compat' && options.memoryEvents !== undefined)
      throw new StrataError({
        code: 'io.correct-only',
        what: 'the original simulators know no resizing',
        where: '--memory-events',
        mend: 'Leave it out, or use --mode correct.',
      });
    const { document, tables, warnings } = await withProgress(
      'simulating',
      'translations',
      options,
      async (context) => {
        if (options.mode === 'correct') {
          const input = await correctInput(options);
          const run = await runCorrect(input, context);
          return { document: correctDocument(input, run), tables: correctTables(run.result), warnings: run.warnings };
        }
        const input = filled(options);
        const result = await runCompat(input, context);
        return { document: compatDocument(input, result), tables: compatTables(result), warnings: [] };
      },
    );
    for (const warning of warnings) note(`strata: warning: ${warning}`, options);
    await emit({ document, tables }, options);
  });
  addExamples(command, [
    'strata io run --trace gen:iperf3,tenants=64,packets=50 --config hypertrio --queue 32 --mode compat',
    'strata io run --trace gen:websearch,tenants=16,packets=100,order=rand --queue 32 --scheme strict --set walkers=4 --json',
    'strata io run --trace gen:nic,tenants=2,queues=4,mtu=1500,sizes=imix,arrivals=poisson --queue 32 --scheme deferred --set scheme.batch=64',
  ]);
}

function addRunOptions(command: Command): Command {
  return command
    .requiredOption(
      '--trace <file>',
      '..._iotlb_trace.bin; in correct mode a log as it is; gen:iperf3,tenants=1024,packets=50,...; and there gen:nic,queues=8,...',
    )
    .option(
      '--config <file>',
      'caches: a .cfg file, or base or hypertrio; in correct mode also a YAML or JSON file (strata config schema io)',
      'base',
    )
    .addOption(
      new Option('--queue <entries>', 'pending translation buffer, in translations')
        .argParser(positive)
        .default(undefined, `${defaultQueue}, or the configuration's`),
    )
    .addOption(
      new Option('--gbps <rate>', 'link rate')
        .argParser(positiveReal)
        .default(undefined, `${defaultGbps}, or the configuration's`),
    )
    .addOption(
      new Option('--replacement <policy>', 'of the device TLB').choices(['lru', 'lfu', 'oracle']).default('lru'),
    )
    .option('--in-order', 'queues first in, first out', false)
    .option('--selective', 'allocate only for as many tenants as a cache has partitions', false)
    .addOption(
      new Option('--scheme <name>', 'how the driver protects buffers (correct)')
        .choices([...protectionSchemes.names])
        .default(undefined, 'recorded for logs, else persistent-pools'),
    )
    .option(
      '--tables <file>',
      'page tables to walk (correct): a dump as of strata translate --tables, or context entries with their tables',
    )
    .addOption(new Option('--unit <unit>', 'unit of the columns of a table dump').choices(['auto', 'bytes', 'pfn']))
    .option(
      '--set <key=value...>',
      'parameters (correct): walkers=4, dimensions=2, iotlb.entries=64, ats=false; of the scheme: scheme.batch=64',
    )
    .addHelpText('after', parameterHelp);
}

interface SweepFlags extends OutputOptions {
  readonly tenants: readonly number[];
  readonly designs?: readonly string[];
  readonly workload: string;
  readonly packets: number;
  readonly order: 'rr' | 'rand';
  readonly gbps: number;
  readonly queue: number;
  readonly seed: number;
  readonly mode: 'compat' | 'correct';
  readonly workers?: number;
  readonly set?: readonly string[];
  readonly axis: readonly string[];
}

function registerSweep(command: Command): void {
  addOutputOptions(
    command
      .option('--tenants <list>', 'counts of tenants', counts, [1, 4, 16, 64, 256, 1024])
      .option(
        '--designs <list>',
        'compat: architectures; correct: protection schemes, architectures, or ARCHITECTURE/SCHEME',
        commaList,
      )
      .option('--workload <name>', `one of ${ioWorkloads.names.join(', ')}`, 'iperf3')
      .option('--packets <count>', 'packets per tenant', positive, 50)
      .addOption(new Option('--order <order>', 'whose turn is next').choices(['rr', 'rand']).default('rr'))
      .option('--gbps <rate>', 'link rate', positiveReal, 200)
      .option('--queue <entries>', 'pending translations in correct mode', positive, 32)
      .option('--seed <number>', 'of everything random', positive, 42)
      .option('--set <key=value...>', 'parameters of every point (correct), as of strata io run')
      .option(
        '--axis <key=values>',
        'a parameter of the machine or the scheme and its values (correct); repeat for more: walkers=1,2,4, scheme.batch=16,64',
        (text: string, before: readonly string[]) => [...before, text],
        [] as readonly string[],
      )
      .option('--workers <n>', 'worker threads (default: one per core); the result is the same', positive)
      .addOption(modeOption()),
  ).action(async ({ workers = availableParallelism(), axis, ...options }: SweepFlags) => {
    const axes = axis.map(parseIoAxis);
    const designs = options.designs ?? sweepDesigns(options.mode);
    const points = await withProgress('sweeping', 'points', options, (context) =>
      sweep({ ...options, designs, axes }, { ...context, workers }),
    );
    const knees = kneesOf(points);
    const plateaus = plateausOf(points);
    const { mode, workload, packets, order, gbps, seed } = options;
    const tables = [tableOf('io_sweep', points.map(rowOfPoint))];
    const severalTenants = options.tenants.length > 1;
    const sentences = [...(severalTenants ? knees.map(kneeText) : []), ...plateaus.map(plateauText)];
    await emit(
      {
        document: { mode, workload, packets, order, gbps, seed, points, knees, plateaus },
        tables,
        text: [renderTable(tables[0]!, bold), ...sentences].join('\n'),
      },
      options,
    );
  });
  addExamples(command, [
    'strata io sweep --tenants 1,16,64 --designs base,hypertrio --packets 20 --mode compat',
    'strata io sweep --tenants 1,64 --designs strict,huge-pages --packets 20 --json',
    'strata io sweep --tenants 8 --designs deferred --axis scheme.batch=16,64,256 --axis walkers=1,4 --packets 200',
  ]);
}

function placeText(design: string, axes: SweepPoint['axes']): string {
  return [design, ...Object.entries(axes ?? {}).map(([path, value]) => `${path}=${value}`)].join(', ');
}

function plateauText({ design, along, tenants, axes, bestUtilization, from, to, isFlat }: Plateau): string {
  const best = `${(bestUtilization * 100).toFixed(1)} %`;
  const where = isFlat
    ? `for all values of ${along}`
    : from === to
      ? `at ${along}=${from} only`
      : `from ${along}=${from} to ${to}`;
  return `${placeText(design, axes)}, ${tenants} tenants: at least ${kneeShare * 100} % of its best ${best} ${where}`;
}

function kneeText({ design, axes, bestUtilization, lastGood, firstBad }: Knee): string {
  const best = `${(bestUtilization * 100).toFixed(1)} %`;
  const place = placeText(design, axes);
  return firstBad === null
    ? `${place}: no knee; at least ${kneeShare * 100} % of its best ${best} throughout`
    : `${place}: knee between ${lastGood} and ${firstBad} tenants (below ${kneeShare * 100} % of its best ${best})`;
}

type ExplainFlags = RunFlags & { readonly translation: number };

function registerExplain(command: Command): void {
  addOutputOptions(
    addRunOptions(command)
      .option('--translation <number>', 'which translation of the input, from 0', natural, 0)
      .addOption(modeOption()),
  ).action((options: ExplainFlags) => {
    checkTablesMode(options);
    return options.mode === 'compat' ? explainedCompat(options) : explained(options);
  });
  addExamples(command, [
    'strata io explain --trace gen:iperf3,tenants=4,packets=20 --translation 100',
    'strata io explain --trace gen:iperf3,tenants=64,packets=20 --translation 1000 --mode compat',
    'strata io explain --trace gen:nvme,tenants=4,packets=20 --scheme strict --set dimensions=2 --json',
  ]);
}

async function explained(flags: ExplainFlags): Promise<void> {
  const options = await correctInput(flags);
  const { descriptor, steps } = await withProgress('simulating', 'translations', options, (context) =>
    explainTranslation(options, context),
  );
  const { trace, scheme } = options;
  const totalNs = sumOf(steps);
  const table = tableOf(
    'explain',
    steps.map((step) => ({ ...step })),
  );
  await emit(
    {
      document: { trace, scheme, descriptor, steps, totalNs },
      tables: [table],
      text: `${descriptorText(descriptor)}\n\n${renderTable(table, bold)}\n\n${totalNs.toFixed(1)} ns in all`,
    },
    options,
  );
}

async function explainedCompat(flags: ExplainFlags): Promise<void> {
  const options = filled(flags);
  const { descriptor, steps, reportedNs } = await withProgress('simulating', 'translations', options, (context) =>
    explainCompat(options, context),
  );
  const { trace, config, mode } = options;
  const totalNs = sumOf(steps);
  const table = tableOf(
    'explain',
    steps.map((step) => ({ ...step })),
  );
  const reported =
    reportedNs === null ? 'it never completes' : `the original reports ${reportedNs} ns, without the waits in queues`;
  await emit(
    {
      document: { mode, trace, config, descriptor, steps, totalNs, reportedNs },
      tables: [table],
      text: `${compatText(descriptor)}\n\n${renderTable(table, bold)}\n\n${totalNs} ns in all; ${reported}`,
    },
    options,
  );
}

function sumOf(steps: readonly { readonly nanoseconds: number }[]): number {
  return steps.reduce((sum, { nanoseconds }) => sum + nanoseconds, 0);
}

function compatText({ translation, packet, part, sid, did, iova, pageBytes }: CompatDescriptor): string {
  const owner = `SID 0x${sid.toString(16)}, domain ${did}`;
  return `translation ${translation}: packet ${packet}, ${part}; ${owner}, IOVA ${iova}, page of ${pageBytes} bytes`;
}

function descriptorText({
  translation,
  packet,
  part,
  sid,
  did,
  pasid,
  ring,
  slot,
  iova,
  bytes,
  pageBytes,
}: Descriptor): string {
  const place = [
    ...(packet === null ? [] : [`packet ${packet}`]),
    ...(ring === null ? [] : [`ring ${ring}, slot ${slot}`]),
    part,
  ].join(', ');
  const owner = `SID 0x${sid.toString(16)}, domain ${did}${pasid === null ? '' : `, PASID ${pasid}`}`;
  return `translation ${translation}: ${place}; ${owner}, IOVA ${iova}, ${bytes} bytes, page of ${pageBytes} bytes`;
}

function counts(text: string): number[] {
  return text.split(',').map(positive);
}

function commaList(text: string): string[] {
  return text.split(',').map((word) => word.trim());
}

function natural(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('Give a whole number of at least 0.');
  return value;
}

function modeOption(): Option {
  return new Option('--mode <mode>', "compat: the original's model, bit by bit; correct: the machine")
    .choices(['compat', 'correct'])
    .default('correct');
}

async function withProgress<T>(
  label: string,
  unit: string,
  options: OutputOptions,
  work: (context: { signal: AbortSignal; progress: Progress }) => Promise<T>,
): Promise<T> {
  const progress = createProgress({
    label,
    unit,
    quiet: options.quiet ?? false,
    always: options.progress ?? false,
  });
  return interruptible((signal) => work({ signal, progress })).finally(() => progress.end());
}

function positive(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('Give a whole number of at least 1.');
  return value;
}

function positiveReal(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('Give a number above 0.');
  return value;
}
