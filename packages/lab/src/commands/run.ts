import type { Command } from 'commander';
import { readManifest } from '../runs/manifest.ts';
import { exitStatusOf, perform } from '../studies/perform.ts';
import { studies } from '../studies/registry.ts';
import { positiveInteger } from '../terminal/arguments.ts';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, type OutputOptions } from '../terminal/output.ts';

interface Options extends OutputOptions {
  readonly from: string;
  readonly out?: string;
  readonly workers?: number;
}

export function register(command: Command): void {
  addOutputOptions(
    command
      .requiredOption('--from <manifest>', 'manifest.json of a run folder')
      .option('--out <folder>', 'run folder to write')
      .option('--workers <n>', 'worker threads (default: one per core)', positiveInteger),
  ).action(async (options: Options) => {
    const manifest = readManifest(options.from);
    const outcome = await perform(studies.get(manifest.study), manifest.configuration, {
      ...options,
      title: `${manifest.study}, repeated`,
      command: ['run', '--from', options.from, ...(options.out === undefined ? [] : ['--out', options.out])],
    });
    await emit({ document: outcome.stats, tables: outcome.tables }, options);
    process.exitCode ||= exitStatusOf(outcome);
  });
  addExamples(command, [
    'strata translate run --trace gen:zipf,size=64MiB,accesses=1e5 --seed 7 --out runs/zipf',
    'strata run --from runs/zipf/manifest.json --out runs/zipf-again',
  ]);
}
