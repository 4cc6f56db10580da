import {
  type ActivityCounts,
  assumptionsOf,
  createActiveSimulation,
  createSampledSimulation,
  createSimulation,
  resolveTranslationConfig,
  type Simulation,
  type TranslationConfig,
  type TranslationResult,
} from '@strata/model/translation';
import type { Configuration } from '../config/load.ts';
import { createEventFeed } from '../elastic/event-feed.ts';
import { readEvents } from '../elastic/event-file.ts';
import type { StudyContext } from '../studies/study.ts';
import { readWalkCounters, withApplicationSpeedups } from './application.ts';
import { type InputValues, isSampled, samplePlanOf } from './configuration.ts';
import type { TranslateDocument } from './document.ts';
import { designsWith } from './plugin.ts';
import { type SamplesDocument, sampleNotes, samplesDocument } from './samples.ts';
import { type PreparedSpaces, prepareSpaces } from './spaces.ts';
import { ofTables } from './tables-input.ts';
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
  const prepared = await ofTables(prepareSpaces(input, config));
  const { simulation, samples, activity } = counting(input, config, prepared);
  const resized =
    input.memoryEvents === '' || prepared.machine === undefined
      ? undefined
      : createEventFeed(
          await readEvents(input.memoryEvents),
          input.memoryEventsPace,
          prepared.machine,
          simulation.feed,
        );
  const warnings = await eachBlock(input, {}, context, resized?.feed ?? simulation.feed);
  const result = simulation.finish();
  const sampled = samples?.();
  const acted = activity();
  const measured = counters === undefined ? result : withApplicationSpeedups(result, counters);
  const document = {
    ...measured,
    ...(acted === undefined ? {} : { activity: acted }),
    assumptions: Object.fromEntries(
      Object.entries(config.designs).map(([name, options]) => [name, assumptionsOf(designs.get(name), options)]),
    ),
    ...(resized === undefined ? {} : { resized: resized.counts }),
  };
  return {
    document: sampled === undefined ? document : { ...document, samples: sampled },
    warnings: [
      ...(sampled === undefined || context.signal.aborted ? [] : sampleNotes(sampled)),
      ...(context.signal.aborted ? [] : warmUpWarnings(config, result)),
      ...leftOutWarnings(result),
      ...(counters?.warnings ?? []),
      ...prepared.warnings,
      ...warnings,
    ],
    interrupted: context.signal.aborted,
  };
}

/** The simulation of the whole trace, or of samples of it, with what operating systems do meanwhile. */
function counting(
  input: InputValues,
  config: TranslationConfig,
  prepared: PreparedSpaces,
): {
  readonly simulation: Pick<Simulation, 'feed' | 'finish'>;
  readonly samples?: () => SamplesDocument;
  readonly activity: () => ActivityCounts | undefined;
} {
  const designs = designsWith(input.plugin);
  const isWhole = !isSampled(input);
  const spaces = (process: number) => prepared.of(process);
  const plain = createSimulation(isWhole ? config : { ...config, warmup: 0 }, spaces, designs);
  const active = prepared.modelled === undefined ? undefined : createActiveSimulation(config, prepared.modelled, plain);
  const whole = active ?? plain;
  const activity = () => active?.activity();
  if (isWhole) return { simulation: whole, activity };
  const plan = samplePlanOf(input, config.warmup);
  const simulation = createSampledSimulation(plan, whole);
  return { simulation, samples: () => samplesDocument(plan, simulation.statistics()), activity };
}

/** A warm-up that takes the whole trace leaves zeros that look like results. */
function warmUpWarnings({ warmup }: TranslationConfig, { trace }: TranslationResult): string[] {
  const counted = trace.references + trace.notMapped + trace.notCanonical;
  if (warmup === 0 || counted > 0) return [];
  const count = (value: number) => value.toLocaleString('en-US');
  return [
    `NOTHING WAS MEASURED: the warm-up of ${count(warmup)} accesses took the whole trace of ${count(trace.warmupReferences)}. Give a smaller --warmup or a longer trace.`,
  ];
}

/** Accesses that no walk can translate: often the tables are those of another process, or of another run of the same one. */
function leftOutWarnings({ trace }: TranslationResult): string[] {
  const { references, notMapped, notCanonical } = trace;
  const all = references + notMapped + notCanonical;
  const share = (count: number) => `${count.toLocaleString('en-US')} of ${all.toLocaleString('en-US')} accesses`;
  const warnings: string[] = [];
  if (notMapped > 0)
    warnings.push(
      `${references === 0 ? 'NOTHING WAS MEASURED: ' : ''}${share(notMapped)} are to pages that the tables do not map, and are left out. Tables and trace must come from one run of one process; without --tables the tables are built from the trace.`,
    );
  if (notCanonical > 0)
    warnings.push(`${share(notCanonical)} are to addresses beyond what the tables' levels reach, and are left out.`);
  return warnings;
}
