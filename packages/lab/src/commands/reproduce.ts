import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { claimsTable } from '../claims/verdict.ts';
import { parts, reproduce } from '../reproduce/reproduce.ts';
import { exitStatusOf, perform } from '../studies/perform.ts';
import type { Outcome } from '../studies/study.ts';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, bold, emit, type OutputOptions } from '../terminal/output.ts';
import { renderTable } from '../terminal/table.ts';

interface Options extends OutputOptions {
  readonly only?: string;
  readonly out?: string;
  readonly limit?: string;
}

export function register(command: Command): void {
  addOutputOptions(
    command
      .option('--only <part>', `one part: ${parts.names.join(', ')}`)
      .option('--out <folder>', 'run folder to write (default: runs/reproduce-DATE)'),
  ).action(async (options: Options) => {
    const out = options.out ?? freshName('runs', 'reproduce');
    const outcome = await perform(reproduce, options.only === undefined ? {} : { only: options.only }, {
      ...options,
      out,
      title: 'What Strata reproduces',
      command: process.argv.slice(2),
    });
    await emit(
      {
        document: { ...outcome.stats, run: out },
        tables: [claimsTable(outcome.claims), ...outcome.tables],
        text: textOf(outcome, out),
      },
      options,
    );
    process.exitCode ||= exitStatusOf(outcome);
  });
  addExamples(command, ['strata reproduce --only translation', 'strata reproduce --only translation --json']);
}

/** runs/reproduce-2026-11-20, and -2, -3 the same day. */
function freshName(folder: string, stem: string): string {
  const base = join(folder, `${stem}-${new Date().toISOString().slice(0, 10)}`);
  let name = base;
  for (let again = 2; existsSync(name); again++) name = `${base}-${again}`;
  return name;
}

function textOf(outcome: Outcome, out: string): string {
  const table = claimsTable(outcome.claims);
  const columns = table.columns
    .filter(({ name }) => ['statement', 'published', 'measured', 'verdict'].includes(name))
    .map((column) => (column.name === 'measured' ? { ...column, decimals: 2 } : column));
  const counted = (wanted: string) => outcome.claims.filter(({ verdict }) => verdict === wanted).length;
  const open = counted('open');
  return [
    ...(outcome.interrupted ? ['interrupted: complete only as far as it went\n'] : []),
    renderTable({ ...table, columns }, bold),
    `\n${counted('holds')} of ${outcome.claims.length} claims hold${open === 0 ? '' : `, ${open} open`}.`,
    `Report:  ${join(out, 'report.html')}`,
    'Next:    npx strata translate run --help      your own trace, ten lines of output',
    '         npx strata query "select * from claims"',
    `         npx strata verify ${out}`,
  ].join('\n');
}
