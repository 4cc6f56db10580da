import { type Command, InvalidArgumentError, Option } from 'commander';
import { type BuildOptions, buildTrace, parseQuirks } from '../io/build.ts';
import { compatDocument, compatTables, type RunInput, runCompat } from '../io/run.ts';
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

interface RunFlags extends OutputOptions, RunInput {
  readonly mode: 'compat' | 'correct';
}

function registerRun(command: Command): void {
  addOutputOptions(
    command
      .requiredOption('--trace <file>', '..._iotlb_trace.bin, or gen:iperf3,tenants=1024,packets=50,...')
      .option('--config <file>', 'caches: a .cfg file, or base or hypertrio', 'base')
      .option('--queue <entries>', 'pending translation buffer, in translations', positive, 1)
      .option('--gbps <rate>', 'link rate', positiveReal, 200)
      .addOption(
        new Option('--replacement <policy>', 'of the device TLB').choices(['lru', 'lfu', 'oracle']).default('lru'),
      )
      .option('--in-order', 'queues first in, first out', false)
      .option('--selective', 'allocate only for as many tenants as a cache has partitions', false)
      .addOption(modeOption()),
  ).action(async ({ mode, ...options }: RunFlags) => {
    const result = await withProgress('simulating', 'translations', options, (context) => runCompat(options, context));
    const tables = compatTables(result);
    await emit(
      {
        document: { ...compatDocument(options, result), mode },
        tables,
        text: tables.map((table) => renderTable(table, bold)).join('\n\n'),
      },
      options,
    );
  });
  addExamples(command, [
    'strata io run --trace gen:iperf3,tenants=64,packets=50 --config hypertrio --queue 32 --mode compat',
    'strata io run --trace gen:websearch,tenants=16,packets=100,order=rand --replacement oracle --mode compat --json',
  ]);
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
