import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { exitStatusOf, perform } from '../studies/perform.ts';
import { studies } from '../studies/registry.ts';
import { parseAxis, pointsOf } from '../sweep/points.ts';
import { positiveInteger } from '../terminal/arguments.ts';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, type OutputOptions } from '../terminal/output.ts';
import { addTranslateOptions, collected, configurationOf, type TranslateOptions } from '../translate/options.ts';
import { translate } from '../translate/study.ts';
import { tellDryRun } from './translate.ts';

interface Options extends TranslateOptions, OutputOptions {
  readonly axis: readonly string[];
  readonly workers?: number;
  readonly out?: string;
  readonly dryRun?: boolean;
}

export function register(command: Command): void {
  addOutputOptions(
    addTranslateOptions(command)
      .option('--axis <path=values>', 'a configuration path and its values; repeat for more axes', collected, [])
      .option('--workers <n>', 'worker threads (default: one per core)', positiveInteger)
      .option('--out <folder>', 'run folder to write')
      .option('--dry-run', 'print accesses, expected time, memory and disk, from a trial of the first point'),
  ).action(async (options: Options) => {
    const axes = await Promise.all(options.axis.map(parseAxis));
    const { trace: _, ...rest } = options;
    const base = await configurationOf(axes.some(({ path }) => path === 'trace') ? rest : options);
    if (options.dryRun) {
      const points = pointsOf(base, axes);
      await translate.prepare?.(points[0]?.configuration ?? {});
      const first = translate.resolve(points[0]?.configuration);
      const seeds = Number(first.seeds ?? 1);
      const { workers = availableParallelism(), out } = options;
      return tellDryRun(first, { simulations: points.length * seeds, workers, writes: out !== undefined }, options);
    }
    const outcome = await perform(
      studies.get('sweep'),
      { study: 'translate', base, axes },
      {
        ...options,
        title: `Sweep over ${axes.map(({ path }) => path).join(', ')}`,
        command: process.argv.slice(2),
        unit: 'points',
      },
    );
    await emit({ document: outcome.stats, tables: outcome.tables }, options);
    process.exitCode ||= exitStatusOf(outcome);
  });
  addExamples(command, [
    'strata sweep --trace gen:gups,size=64MiB,accesses=1e5 --axis setup=native,virtualized --axis page=4k,thp',
    'strata sweep --axis trace=gen:gups,gen:chase --limit 1e5 --csv',
  ]);
}
