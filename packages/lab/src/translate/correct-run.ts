import { createSimulation, resolveTranslationConfig } from '@strata/model/translation';
import type { Configuration } from '../config/load.ts';
import type { StudyContext } from '../studies/study.ts';
import { readWalkCounters, withApplicationSpeedups } from './application.ts';
import type { InputValues } from './configuration.ts';
import type { TranslateDocument } from './document.ts';
import { designsWith } from './plugin.ts';
import { prepareSpaces } from './spaces.ts';
import { eachBlock } from './trace-input.ts';

/** What a run of either mode comes back with. */
export interface TranslateRun {
  readonly document: TranslateDocument;
  readonly warnings: readonly string[];
  readonly interrupted: boolean;
}

/** Simulates the machine. */
export async function runCorrect(
  input: InputValues,
  rest: Configuration,
  context: StudyContext,
): Promise<TranslateRun> {
  const designs = designsWith(input.plugin);
  const config = resolveTranslationConfig(rest, designs);
  const counters = input.perf === '' ? undefined : await readWalkCounters(input.perf);
  const prepared = await prepareSpaces(input, config);
  const simulation = createSimulation(config, (process) => prepared.of(process), designs);
  const warnings = await eachBlock(input, {}, context, (block) => simulation.feed(block));
  const result = simulation.finish();
  return {
    document: counters === undefined ? result : withApplicationSpeedups(result, counters),
    warnings: [...(counters?.warnings ?? []), ...prepared.warnings, ...warnings],
    interrupted: context.signal.aborted,
  };
}
