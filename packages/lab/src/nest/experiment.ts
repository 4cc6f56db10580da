import { StrataError, suggestion } from '@strata/model/machine';
import {
  allSetUps,
  type Configuration,
  configurations,
  overheadOf,
  planSetUp,
  type SetUp,
  scoreRuns,
  workloadNamed,
} from '@strata/model/nesting';
import { readArtifactResults, type TestRuns } from '@strata/traces/nesting';
import type { Command } from 'commander';
import { addExamples } from '../terminal/help.ts';
import { addOutputOptions, emit, note, type OutputOptions } from '../terminal/output.ts';
import { type Row, renderTable, type Table } from '../terminal/table.ts';
import { wholeNumber } from './options.ts';

interface PlanOptions extends OutputOptions {
  readonly level?: string;
  readonly config?: string;
}

interface ScoreOptions extends OutputOptions {
  readonly native?: string;
}

/** The DVH artifact's experiment: its eleven set-ups and its scoring rule. */
export function registerExperiment(parent: Command): void {
  const plan = parent
    .command('plan')
    .description("the DVH artifact's set-ups: kernel, parameters, sizes of each level");
  plan
    .option('--level <n>', 'level that is measured, 0 to 3; all eleven set-ups when absent')
    .option('--config <name>', configurations.join(', '), 'base');
  addExamples(addOutputOptions(plan), ['strata nest plan --level 3 --config dvh', 'strata nest plan']).action(
    async (options: PlanOptions) => {
      const setUps =
        options.level === undefined
          ? allSetUps()
          : [planSetUp(wholeNumber(options.level, '--level'), configurationNamed(options.config ?? 'base'))];
      const table = planTable(setUps);
      const notes = setUps.length === 1 ? setUps[0]!.notes : [];
      await emit(
        {
          document: setUps.length === 1 ? { ...setUps[0]! } : { setUps },
          tables: [table],
          text: [renderTable(table), ...(notes.length > 0 ? ['', ...notes] : [])].join('\n'),
        },
        options,
      );
    },
  );

  const score = parent
    .command('score')
    .argument('<results>', "a folder in the artifact's layout, or the output of its results script")
    .description('average the iterations of each run, take the best run');
  score.option('--native <results>', 'results of the native set-up (L0-1), for overheads');
  addExamples(addOutputOptions(score), [
    'strata nest score packages/lab/fixtures/nest/artifact-results.txt',
    'strata nest score packages/lab/fixtures/nest/artifact-results.txt --json',
  ]).action(async (path: string, options: ScoreOptions) => {
    const tests = await readArtifactResults(path);
    const native = options.native === undefined ? undefined : await readArtifactResults(options.native);
    for (const { test, dropped } of tests)
      for (const run of dropped)
        note(`strata: ${test}: run ${run} is left out: the first run has another number of iterations.`, options);
    const rows = tests.map((runs) => scoreRow(runs, native));
    await emit(
      {
        document: { tests: Object.fromEntries(rows.map(({ test, ...row }) => [test, row])) },
        tables: [scoreTable(rows)],
      },
      options,
    );
  });
}

/** @throws StrataError `usage.unknown-config` */
export function configurationNamed(word: string): Configuration {
  const alias: Readonly<Record<string, Configuration>> = {
    pv: 'base',
    baseline: 'base',
    pt: 'passthrough',
    vp: 'dvh-vp',
    'dvh-pv': 'dvh-vp',
  };
  const name = Object.hasOwn(alias, word) ? alias[word] : word;
  const known = configurations.find((configuration) => configuration === name);
  if (known === undefined)
    throw new StrataError({
      code: 'usage.unknown-config',
      what: `unknown configuration ${word}`,
      where: '--config',
      mend: suggestion(word, configurations),
    });
  return known;
}

function planTable(setUps: readonly SetUp[]): Table {
  const rows: Row[] = setUps.flatMap(({ id, configuration, levels }) =>
    levels.map(({ level, kernel, parameters, qemu, vcpus, memoryGB }) => ({
      setUp: id,
      configuration,
      level: `L${level}`,
      kernel,
      parameters: parameters.join(' '),
      qemu: qemu ?? null,
      vcpus: vcpus ?? null,
      memoryGB: memoryGB ?? null,
    })),
  );
  return {
    name: 'plan',
    columns: [
      { name: 'setUp', type: 'text', title: 'set-up' },
      { name: 'configuration', type: 'text' },
      { name: 'level', type: 'text' },
      { name: 'kernel', type: 'text' },
      { name: 'parameters', type: 'text' },
      { name: 'qemu', type: 'text', title: 'QEMU' },
      { name: 'vcpus', type: 'integer', title: 'vCPUs' },
      { name: 'memoryGB', type: 'integer', title: 'GB' },
    ],
    rows,
  };
}

interface ScoreRow {
  readonly test: string;
  readonly score: number;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly runMeans: readonly number[];
  readonly iterations: number;
  readonly dropped: readonly string[];
  readonly overhead?: number;
}

function scoreRow({ test, runs, dropped }: TestRuns, native: readonly TestRuns[] | undefined): ScoreRow {
  const workload = workloadNamed(test);
  const better = workload?.better ?? 'higher';
  const { best, runMeans } = scoreRuns(runs, better);
  const base = native?.find((known) => known.test === test);
  return {
    test,
    score: best,
    unit: workload?.unit ?? '',
    better,
    runMeans,
    iterations: runs[0]!.length,
    dropped,
    ...(base !== undefined && { overhead: overheadOf(scoreRuns(base.runs, better).best, best, better) }),
  };
}

function scoreTable(rows: readonly ScoreRow[]): Table {
  return {
    name: 'scores',
    columns: [
      { name: 'test', type: 'text' },
      { name: 'score', type: 'real', decimals: 4 },
      { name: 'unit', type: 'text' },
      { name: 'better', type: 'text' },
      { name: 'runs', type: 'integer' },
      { name: 'iterations', type: 'integer' },
      { name: 'overhead', type: 'real', title: 'overhead (native = 1)', decimals: 3 },
    ],
    rows: rows.map(({ runMeans, dropped: _, ...row }) => ({
      ...row,
      runs: runMeans.length,
      overhead: row.overhead ?? null,
    })),
  };
}
