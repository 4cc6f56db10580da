import { type Configuration, isMapping } from '../config/load.ts';
import type { Study, StudyInput } from '../studies/study.ts';
import { runCompatMode } from './compat-mode.ts';
import { type InputValues, resolveFlat, split } from './configuration.ts';
import { runCorrect } from './correct-run.ts';
import { figuresOf, headline, tablesOf } from './document.ts';
import { notModelled } from './limits.ts';
import { loadPlugin } from './plugin.ts';
import { seedsDocument, seedsTable, withoutRandomness } from './seeds.ts';
import { seedRuns } from './spread.ts';

/** One simulation of CPU address translation: a trace, a set-up, designs side by side. */
export const translate: Study = {
  name: 'translate',
  summary: 'one trace under one set-up, designs side by side',
  async prepare(given) {
    if (isMapping(given) && typeof given.plugin === 'string') await loadPlugin(given.plugin);
  },
  resolve: resolveFlat,
  inputs(configuration) {
    const { input } = split(configuration);
    return (['trace', 'tables', 'hostTables', 'perf', 'memoryEvents', 'plugin'] as const)
      .map((role): StudyInput => ({ role, path: input[role] }))
      .filter(({ path }) => path !== '');
  },
  async execute(configuration, context) {
    const { input, rest } = split(configuration);
    const run = input.mode === 'compat' ? runCompatMode : runCorrect;
    const first = Number(rest.seed ?? 0);
    const runs = await seedRuns(input, rest, context, run);
    const { document } = runs[0]!;
    // An interrupted simulation saw less of the trace than the others.
    const whole = runs.filter(({ interrupted }) => !interrupted).map((one) => one.document);
    const seeds =
      whole.length > 1
        ? seedsDocument(
            whole.map((_, at) => first + at),
            whole,
          )
        : undefined;
    return {
      stats: { ...document, ...(seeds === undefined ? {} : { seeds }) },
      headline: headline(document, configuration),
      tables: [...tablesOf(document), ...(seeds === undefined ? [] : [seedsTable(seeds)])],
      figures: figuresOf(document),
      claims: [],
      warnings: [
        ...withoutMeaning(input, rest),
        ...new Set(runs.flatMap(({ warnings }) => warnings)),
        ...(seeds === undefined ? [] : withoutRandomness(seeds)),
      ],
      notModelled: notModelled[input.mode],
      ...(document.assumptions === undefined ? {} : { assumptions: document.assumptions }),
      interrupted: runs.some(({ interrupted }) => interrupted),
    };
  },
};

/** What was asked for and changes nothing in this mode and set-up: said rather than passed over. */
function withoutMeaning({ mode, quirks, hostTables }: InputValues, { setup, designs }: Configuration): string[] {
  const optioned =
    isMapping(designs) && Object.values(designs).some((one) => isMapping(one) && Object.keys(one).length > 0);
  return [
    ...(hostTables !== '' && setup === 'native'
      ? ['the host tables are not read: there is no VM in the native set-up.']
      : []),
    ...(quirks !== 'all' && mode === 'correct' ? ['quirks belong to compat mode; correct mode has none.'] : []),
    ...(optioned && mode === 'compat' ? ['parameters of designs have no effect on the formulas of compat mode.'] : []),
  ];
}
