import type { Command } from 'commander';
import { basesOf, claimsTable, reasonsOf } from '../claims/verdict.ts';
import { evaluateClaims } from '../reproduce/reproduce.ts';
import { addExamples } from '../terminal/help.ts';
import { interruptible } from '../terminal/interrupt.ts';
import { addOutputOptions, bold, emit, note, type OutputOptions } from '../terminal/output.ts';
import { createProgress } from '../terminal/progress.ts';
import { renderTable } from '../terminal/table.ts';

interface Options extends OutputOptions {
  readonly only?: string;
}

export function register(command: Command): void {
  addOutputOptions(command.option('--only <part>', 'claims of one part')).action(async (options: Options) => {
    const progress = createProgress({
      label: 'claims',
      unit: 'accesses',
      quiet: options.quiet ?? false,
      always: options.progress ?? false,
    });
    const verdicts = await interruptible((signal) =>
      evaluateClaims(options.only, { signal, progress, workers: 1, note: (text) => note(`strata: ${text}`, options) }),
    ).finally(() => progress.end());
    const table = claimsTable(verdicts);
    const shown = table.columns.filter(({ name }) =>
      ['statement', 'published', 'measured', 'verdict', 'basis'].includes(name),
    );
    const terminal = { ...table, columns: shown };
    await emit(
      {
        document: { claims: table.rows },
        tables: [table],
        text: [renderTable(terminal, bold), ...reasonsOf(verdicts), ...basesOf(verdicts)].join('\n\n'),
      },
      options,
    );
    if (verdicts.some(({ verdict }) => verdict === 'does not hold')) process.exitCode ||= 1;
  });
  addExamples(command, ['strata claims', 'strata claims --only translation --json']);
}
