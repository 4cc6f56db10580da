import { flatten, parseHexAddress, StrataError } from '@strata/model/machine';
import { designs } from '@strata/model/translation';
import { type Command, Option } from 'commander';
import type { Configuration } from '../config/load.ts';
import { exitStatusOf, perform } from '../studies/perform.ts';
import type { Outcome } from '../studies/study.ts';
import { addExamples } from '../terminal/help.ts';
import { interruptible } from '../terminal/interrupt.ts';
import { addOutputOptions, bold, emit, note, type OutputOptions } from '../terminal/output.ts';
import { type Row, renderTable, type Table, tableOf } from '../terminal/table.ts';
import { registerCompare, registerSensitivity } from '../translate/comparison-verbs.ts';
import { type DryRunOptions, dryRun, dryRunRows } from '../translate/dry-run.ts';
import { explain, explainedTable, explanationSummary } from '../translate/explain.ts';
import { withOfferedDesigns } from '../translate/offered.ts';
import { addTranslateOptions, configurationOf, pageChoices, type TranslateOptions } from '../translate/options.ts';
import { translate } from '../translate/study.ts';
import { refuseWithoutEffect } from '../translate/without-effect.ts';

export function register(command: Command): void {
  registerRun(command.command('run').description('simulate a trace under one set-up, designs side by side'));
  registerCompare(command.command('compare').description('designs side by side under several set-ups, one table'));
  registerSensitivity(
    command.command('sensitivity').description('which assumption about the baseline changes which ranking'),
  );
  registerExplain(command.command('explain').description('every reference of one page walk, step by step'));
  registerDesigns(command.command('designs').description('the designs with their parameters'));
}

interface RunOptions extends TranslateOptions, OutputOptions {
  readonly out?: string;
  readonly dryRun?: boolean;
}

function registerRun(command: Command): void {
  addOutputOptions(
    addTranslateOptions(command)
      .option('--out <folder>', 'run folder to write')
      .option('--dry-run', 'print accesses, expected time, memory and disk, from a short trial'),
  ).action(async (options: RunOptions) => {
    const asked = await configurationOf(options);
    await translate.prepare?.(asked);
    const { configuration: given, leftOut } = withOfferedDesigns(asked);
    const configuration = translate.resolve(given);
    refuseWithoutEffect(options, asked, configuration);
    for (const sentence of leftOut) note(`strata: warning: ${sentence}`, options);
    if (options.dryRun) return tellDryRun(configuration, { writes: options.out !== undefined }, options);
    const outcome = await perform(translate, given, {
      ...options,
      title: `Address translation, ${String(configuration.setup)}`,
      command: process.argv.slice(2),
    });
    await emit({ document: outcome.stats, tables: outcome.tables, text: textOf(outcome) }, options);
    process.exitCode ||= exitStatusOf(outcome);
  });
  addExamples(command, [
    'strata translate run --trace gen:gups,size=64MiB,accesses=1e5 --setup virtualized --designs radix,shadow',
    'strata translate run --trace gen:zipf,size=1GiB,accesses=1e5 --setup native --page thp --json',
  ]);
}

/** What a simulation, or a sweep of them, would take. */
export async function tellDryRun(
  configuration: Configuration,
  given: DryRunOptions,
  options: OutputOptions,
): Promise<void> {
  const dry = await interruptible((signal) => dryRun(configuration, signal, given));
  await emit({ document: { dryRun: dry }, tables: [tableOf('dry_run', dryRunRows(dry))] }, options);
}

function textOf({ headline = '', tables, interrupted }: Outcome): string {
  // Steps and latencies have hundreds of rows: they are in the run folder.
  const shown = tables.filter(({ name }) => name === 'designs' || name === 'structures' || name === 'seeds');
  return [
    ...(interrupted ? ['interrupted: complete only as far as it went'] : []),
    headline,
    ...shown.map((table) => renderTable(withoutColumns(table, ['setup', 'mode']), bold)),
  ].join('\n\n');
}

/** What the headline already says. */
function withoutColumns(table: Table, names: readonly string[]): Table {
  return { ...table, columns: table.columns.filter(({ name }) => !names.includes(name)) };
}

interface ExplainOptions extends TranslateOptions, OutputOptions {
  readonly va: string;
  readonly design: string;
}

function registerExplain(command: Command): void {
  addOutputOptions(
    command
      .requiredOption('--va <hex>', 'virtual address to translate')
      .requiredOption('--tables <file>', 'page tables of the process (guest tables)')
      .option('--host-tables <file>', 'page tables of the VM at its hypervisor; the model builds them without')
      .addOption(new Option('--unit <unit>', 'unit of the columns of table dumps').choices(['auto', 'bytes', 'pfn']))
      .addOption(
        new Option('--setup <setup>', 'what lies under the process')
          .choices(['native', 'virtualized', 'nested'])
          .default('native'),
      )
      .option('--design <name>', 'design whose walk is explained', 'radix')
      .option('--machine <preset|file>', 'machine preset, or a YAML or JSON file')
      .addOption(
        new Option('--page <policy>', 'thp: full 2 MiB ranges of the tables become huge pages').choices([
          ...pageChoices,
        ]),
      )
      .option('--warm', 'walk once before, so that caches and walk caches are warm'),
  ).action(async (options: ExplainOptions & { warm?: boolean }) => {
    const address = parseHexAddress(options.va);
    if (address === undefined)
      throw new StrataError({
        code: 'usage.address',
        what: 'not an address',
        where: '--va',
        expected: 'hexadecimal such as 0x7f1234567000',
        found: options.va,
      });
    const explanation = await explain(address, options, (text) => note(`strata: warning: ${text}`, options));
    const table = explainedTable(explanation);
    await emit(
      {
        document: { ...explanation },
        tables: [table],
        text: `${renderTable(table, bold)}\n\n${explanationSummary(explanation)}`,
      },
      options,
    );
  });
  addExamples(command, [
    'strata translate explain --va 0x7f1234567123 --tables packages/lab/fixtures/one-page.dump --setup native',
    'strata translate explain --va 0x7f1234567123 --tables packages/lab/fixtures/guest.dump --host-tables packages/lab/fixtures/host.dump --setup virtualized',
  ]);
}

function registerDesigns(command: Command): void {
  addOutputOptions(command).action(async (options: OutputOptions) => {
    await emit(
      {
        document: {
          designs: [...designs].map(({ name, summary, source, setups, assumptions = [], spec, counters }) => ({
            name,
            summary,
            source,
            setups,
            assumptions,
            parameters: flatten(spec).map(({ path, field }) => ({ path, ...field })),
            counters,
          })),
        },
        tables: [designList()],
        text: designText(),
      },
      options,
    );
  });
  addExamples(command, ['strata translate designs', 'strata translate designs --json']);
}

function designList(): Table {
  return {
    name: 'designs',
    columns: [
      { name: 'design', type: 'text' },
      { name: 'setups', type: 'text' },
      { name: 'summary', type: 'text' },
      { name: 'source', type: 'text' },
    ],
    rows: [...designs].map(
      ({ name, setups, summary, source }): Row => ({ design: name, setups: setups.join(', '), summary, source }),
    ),
  };
}

function designText(): string {
  return [...designs]
    .map(({ name, summary, source, setups, assumptions = [], spec }) => {
      const parameters = flatten(spec).map(
        ({ path, field }) =>
          `  --set designs.${name}.${path}=${String(field.default)}\n      ${field.summary}${field.unit ? ` [${field.unit}]` : ''}${field.source ? `\n      ${field.source}` : ''}`,
      );
      const assumed = assumptions.map((sentence) => `  assumed: ${sentence}`);
      return [`${bold(name)}: ${summary}`, `  ${setups.join(', ')}; ${source}`, ...assumed, ...parameters].join('\n');
    })
    .join('\n\n');
}
