import type { Command } from 'commander';
import { queryRuns } from '../runs/query.ts';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, type OutputOptions } from '../terminal/output.ts';

export function register(command: Command): void {
  addOutputOptions(
    command
      .argument('<sql>', 'a query over views named as the tables of the runs, each with a column run')
      .option('--runs <folder>', 'folder of run folders', 'runs'),
  ).action(async (sql: string, options: OutputOptions & { runs: string }) => {
    const table = await queryRuns(options.runs, sql);
    await emit(
      { document: { columns: table.columns.map(({ name }) => name), rows: table.rows }, tables: [table] },
      options,
    );
  });
  addExamples(command, [
    'strata translate run --trace gen:gups,size=64MiB,accesses=1e5 --setup virtualized --out runs/first',
    'strata query "select run, design, cyclesPerWalk from designs order by cyclesPerWalk"',
  ]);
}
