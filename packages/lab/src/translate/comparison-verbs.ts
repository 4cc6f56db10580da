import type { Command } from 'commander';
import type { Configuration } from '../config/load.ts';
import { exitStatusOf, perform } from '../studies/perform.ts';
import type { Outcome, Study } from '../studies/study.ts';
import { positiveInteger } from '../terminal/arguments.ts';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, bold, emit, note, type OutputOptions } from '../terminal/output.ts';
import { renderTable } from '../terminal/table.ts';
import { allSetups, compare } from './compare.ts';
import { withOfferedDesigns } from './offered.ts';
import { addTranslateOptions, configurationOf, type TranslateOptions } from './options.ts';
import { sensitivity } from './sensitivity.ts';
import { variations } from './variations.ts';

const setups = [...allSetups, 'all'];

interface ComparisonOptions extends TranslateOptions, OutputOptions {
  readonly out?: string;
  readonly perfStat?: string;
  readonly walkOverhead?: string;
  readonly vary?: string;
  readonly workers?: number;
}

export function registerCompare(command: Command): void {
  addOutputOptions(
    addTranslateOptions(command, setups)
      .option('--perf-stat <file>', 'text of perf stat, for the speedup of the application')
      .option('--walk-overhead <share>', 'share of cycles in page walks under radix, 0 to 1, instead of --perf-stat')
      .option('--workers <n>', 'worker threads (default: one per core); the result is the same', positiveInteger)
      .option('--out <folder>', 'run folder to write'),
  ).action((options: ComparisonOptions) => {
    const { perfStat, walkOverhead } = options;
    return runStudy(compare, options, 'Translation designs compared', {
      ...(perfStat === undefined ? {} : { perfStat }),
      ...(walkOverhead === undefined ? {} : { walkOverhead: Number(walkOverhead) }),
    });
  });
  addExamples(command, [
    'strata translate compare --trace gen:gups,size=64MiB,accesses=1e5 --setup all --designs all',
    'strata translate compare --trace gen:zipf,size=256MiB,accesses=1e5 --setup virtualized --walk-overhead 0.35 --json',
  ]);
}

export function registerSensitivity(command: Command): void {
  addOutputOptions(
    addTranslateOptions(command, setups)
      .option('--vary <names>', `what to vary, separated by commas: ${variations.names.join(', ')} (default: all)`)
      .option('--workers <n>', 'worker threads (default: one per core); the result is the same', positiveInteger)
      .option('--out <folder>', 'run folder to write'),
  ).action((options: ComparisonOptions) =>
    runStudy(sensitivity, options, 'Sensitivity of translation designs', {
      ...(options.vary === undefined ? {} : { vary: options.vary }),
    }),
  );
  addExamples(command, [
    'strata translate sensitivity --trace gen:gups,size=64MiB,accesses=2e4 --designs radix,dmt,pvdmt --vary no-walk-caches,large-nested-tlb',
    'strata translate sensitivity --trace gen:gups,size=64MiB,accesses=2e4 --vary no-walk-caches,huge-pages --json',
  ]);
}

async function runStudy(study: Study, options: ComparisonOptions, title: string, more: Configuration): Promise<void> {
  const given: Configuration = { ...(await configurationOf(options)), ...more };
  await study.prepare?.(given);
  // Over all set-ups it goes without saying that some designs have not every one.
  const setup = given.setup ?? (study === sensitivity ? 'virtualized' : 'all');
  const { leftOut } = setup === 'all' ? { leftOut: [] } : withOfferedDesigns({ ...given, setup });
  for (const sentence of leftOut) note(`strata: warning: ${sentence}`, options);
  const outcome = await perform(study, given, { ...options, title, command: process.argv.slice(2) });
  await emit({ document: outcome.stats, tables: outcome.tables, text: textOf(outcome) }, options);
  process.exitCode ||= exitStatusOf(outcome);
}

function textOf({ headline = '', tables, interrupted }: Outcome): string {
  const [first, ...others] = tables;
  // What was found comes first, the numbers behind it below.
  return [
    ...(interrupted ? ['interrupted: complete only as far as it went'] : []),
    headline,
    ...others.filter(({ rows }) => rows.length > 0).map((table) => renderTable(table, bold)),
    ...(first === undefined ? [] : [renderTable(first, bold)]),
  ].join('\n\n');
}
