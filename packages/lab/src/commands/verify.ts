import type { Command } from 'commander';
import { checksTable, holdsUp, verifyRun } from '../runs/verify.ts';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, type OutputOptions } from '../terminal/output.ts';

interface Options extends OutputOptions {
  readonly hashesOnly?: boolean;
}

export function register(command: Command): void {
  addOutputOptions(
    command.argument('<folder>', 'run folder').option('--hashes-only', 'hash files and inputs; do not run again'),
  ).action(async (folder: string, options: Options) => {
    const checks = await verifyRun(folder, options);
    await emit({ document: { folder, holds: holdsUp(checks), checks }, tables: [checksTable(checks)] }, options);
    if (!holdsUp(checks)) process.exitCode = 1;
  });
  addExamples(command, [
    'strata translate run --trace gen:chase,size=16MiB,accesses=1e5 --out runs/chase',
    'strata verify runs/chase',
  ]);
}
