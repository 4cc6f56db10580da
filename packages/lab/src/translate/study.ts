import { isMapping } from '../config/load.ts';
import type { Study, StudyInput } from '../studies/study.ts';
import { runCompatMode } from './compat-mode.ts';
import { resolveFlat, split } from './configuration.ts';
import { runCorrect } from './correct-run.ts';
import { figuresOf, headline, tablesOf } from './document.ts';
import { notModelled } from './limits.ts';
import { loadPlugin } from './plugin.ts';

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
    return (['trace', 'tables', 'hostTables', 'perf', 'plugin'] as const)
      .map((role): StudyInput => ({ role, path: input[role] }))
      .filter(({ path }) => path !== '');
  },
  async execute(configuration, context) {
    const { input, rest } = split(configuration);
    const run = input.mode === 'compat' ? runCompatMode : runCorrect;
    const { document, warnings, interrupted } = await run(input, rest, context);
    return {
      stats: isMapping(document) ? document : {},
      headline: headline(document, configuration),
      tables: tablesOf(document),
      figures: figuresOf(document),
      claims: [],
      warnings,
      notModelled: notModelled[input.mode],
      interrupted,
    };
  },
};
