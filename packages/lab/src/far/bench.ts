import { StrataError } from '@strata/model/machine';
import type { Command } from 'commander';
import type { Figure } from '../figures/figure.ts';
import { addExamples } from '../terminal/help.ts';
import { interruptible } from '../terminal/interrupt.ts';
import { addOutputOptions, emit, note, type OutputOptions } from '../terminal/output.ts';
import { formatDuration, parseCount } from '../terminal/quantities.ts';
import { renderTable, tableOf } from '../terminal/table.ts';
import { type Bench, type BenchRow, competitors, targetsOf, type Workload } from './bench/bench.ts';
import { hashTable } from './bench/hash-table.ts';
import { micro } from './bench/micro.ts';
import { shrinkOf } from './bench/scale.ts';
import { taxi } from './bench/taxi.ts';
import { webFrontEnd } from './bench/web.ts';
import { requireFigureName, writeFigure } from './write-figure.ts';

const workloads: readonly Workload[] = [webFrontEnd, taxi, hashTable, micro];
const workloadNames = workloads.map(({ name }) => name);

interface BenchOptions extends OutputOptions {
  readonly against: string;
  readonly workload: string;
  readonly shrink: string;
  readonly requests: string;
  readonly figure?: string;
}

export function registerBench(parent: Command): void {
  const command = parent
    .command('bench')
    .description(
      'measure far memory against what a Node.js developer would take instead, each run for real on this machine',
    )
    .option('--against <names>', `some of ${competitors.join(',')}`, competitors.join(','))
    .option('--workload <names>', `some of ${workloadNames.join(',')}`, workloadNames.join(','))
    .option(
      '--shrink <factor>',
      'divide the data by a power of two, 1 to 64 (1: 2^20 keys, 128 MiB of objects, 2^20 trips), or auto: the least that leaves half of the free memory',
      'auto',
    )
    .option('--requests <count>', 'requests of the web front end', '20000')
    .option('--figure <file>', 'draw the web front end: .svg or .png');
  addExamples(addOutputOptions(command), [
    'strata far bench --against map,lmdb --shrink 64 --requests 200 --workload web',
    'strata far bench --against map --workload micro --shrink 64 --json',
  ]).action(async (options: BenchOptions) => {
    requireFigureName(options.figure);
    const against = new Set(namesOf(options.against, competitors, '--against'));
    const chosen = namesOf(options.workload, workloadNames, '--workload');
    const shrink = shrinkOf(options.shrink);
    const requests = Math.max(1, parseCount(options.requests, '--requests'));
    const todo = workloads.filter(({ name }) => chosen.includes(name));
    const steps = todo.reduce((sum, workload) => sum + workload.steps(against), 0);
    if (shrink > 1 && options.shrink === 'auto')
      note(`far bench: data divided by ${shrink}, to fit free memory`, options);
    const rows: BenchRow[] = [];
    const isInterrupted = await interruptible(async (signal) => {
      const bench: Bench = {
        shrink,
        requests,
        against,
        signal,
        step: stepTeller(steps, (text) => note(text, options)),
        record: (row) => rows.push(row),
      };
      try {
        for (const workload of todo) await workload.run(bench);
      } catch (error) {
        if (!signal.aborted) throw error;
        // With nothing to show, or an agent that is ended under way: the interrupt is what is told.
        if (rows.length === 0) signal.throwIfAborted();
      }
      return signal.aborted;
    });
    if (isInterrupted) note(`strata: interrupted: ${rows.length} figures of the finished steps follow`, options);
    const targets = targetsOf(rows);
    if (options.figure !== undefined) await writeFigure(options.figure, figureOf(rows));
    const table = tableOf(
      'far_bench',
      rows.map((row) => ({ ...row })),
    );
    await emit(
      {
        document: {
          against: [...against],
          workloads: chosen,
          shrink,
          requests,
          node: process.version,
          interrupted: isInterrupted,
          results: rows,
          targets,
        },
        tables: [table],
        text: [
          renderTable(table),
          '',
          'targets, as ratios of this run',
          renderTable(
            tableOf(
              'targets',
              targets.map((target) => ({ ...target })),
            ),
          ),
        ].join('\n'),
      },
      options,
    );
  });
}

/** `far bench: 3 of 20, web front end: map; 12 s, about 70 s left`, from the mean of the steps so far. */
function stepTeller(steps: number, say: (text: string) => void): (what: string) => void {
  const start = performance.now();
  let begun = 0;
  return (what) => {
    const seconds = (performance.now() - start) / 1000;
    const left = begun === 0 ? '' : `, about ${formatDuration((seconds / begun) * (steps - begun))} left`;
    begun++;
    say(`far bench: ${begun} of ${steps}, ${what}; ${formatDuration(seconds)}${left}`);
  };
}

function namesOf<Name extends string>(text: string, known: readonly Name[], where: string): Name[] {
  return text.split(',').map((one) => {
    const found = known.find((name) => name === one.trim());
    if (found !== undefined) return found;
    throw new StrataError({ code: 'usage.name', what: 'unknown name', where, expected: known.join(', '), found: one });
  });
}

function figureOf(rows: readonly BenchRow[]): Figure {
  const isWeb = rows.some(({ workload }) => workload === 'web');
  const shown = rows.filter(({ workload, unit }) => (isWeb ? workload === 'web' : unit !== 'MB'));
  return {
    name: 'far-bench',
    title: 'Far memory against Map, Redis and LMDB',
    caption: 'Measured on this machine; lower is better.',
    width: 'double',
    spec: {
      mark: { type: 'bar' },
      encoding: {
        y: { field: 'system', type: 'nominal', sort: null, title: null },
        yOffset: { field: 'measure', type: 'nominal' },
        x: {
          field: 'value',
          type: 'quantitative',
          title: isWeb ? 'us per request (less is better)' : 'as the table says',
        },
        color: { field: 'measure', type: 'nominal', title: null },
      },
    },
    rows: shown.map((row) => ({ ...row })),
  };
}
