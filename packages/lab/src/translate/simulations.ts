import type { Setup } from '@strata/model/translation';
import type { Configuration } from '../config/load.ts';
import type { Outcome, StudyContext } from '../studies/study.ts';
import { simulatePoints } from '../sweep/pool.ts';
import { split } from './configuration.ts';
import type { TranslateRun } from './correct-run.ts';
import type { TranslateDocument } from './document.ts';
import { seeded } from './spread.ts';
import { translate } from './study.ts';

/** One simulation of a comparison, or as many as it has seeds. */
export interface Point {
  readonly setup: Setup;
  /** Resolved. */
  readonly configuration: Configuration;
}

/**
 * Simulates every point with each of its seeds, on as many threads as the context allows; what comes back is the same for any number of
 * them. After an interrupt a point has the runs that were begun, and may have none.
 */
export async function simulateAll(points: readonly Point[], context: StudyContext): Promise<TranslateRun[][]> {
  const simulations = points.flatMap(({ setup, configuration }, point) => {
    const { input, rest } = split(configuration);
    return seeded(input, rest).map((one) => ({
      point,
      coordinates: { setup, ...(input.seeds > 1 ? { seed: one.rest.seed } : {}) },
      configuration: { ...one.input, ...one.rest, seeds: 1 },
    }));
  });
  const outcomes = await outcomesOf(simulations, context);
  return points.map((_, point) =>
    simulations.flatMap((simulation, index) => {
      const outcome = simulation.point === point ? outcomes[index] : undefined;
      return outcome === undefined ? [] : [runOf(outcome)];
    }),
  );
}

interface Simulation {
  readonly coordinates: Readonly<Record<string, unknown>>;
  readonly configuration: Configuration;
}

function outcomesOf(
  simulations: readonly Simulation[],
  context: StudyContext,
): Promise<readonly (Outcome | undefined)[]> {
  const { workers, signal, progress } = context;
  // What comes through a pipe can be read by this thread only.
  const isPiped = simulations.some(({ configuration }) => configuration.trace === '-');
  if (workers === 1 || simulations.length === 1 || isPiped) return oneByOne(simulations, context);
  return simulatePoints(
    translate.name,
    simulations.map((simulation, index) => ({ ...simulation, index })),
    {
      workers,
      signal,
      onProgress: ({ units, share }) => progress.update({ done: units, share }),
    },
  );
}

async function oneByOne(simulations: readonly Simulation[], context: StudyContext): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { configuration } of simulations) {
    if (context.signal.aborted) break;
    outcomes.push(await translate.execute(configuration, context));
  }
  return outcomes;
}

function runOf({ stats, warnings, interrupted }: Outcome): TranslateRun {
  if (!isDocument(stats)) throw new Error('a translation came back without its document');
  return { document: stats, warnings, interrupted };
}

/** What the study calls its statistics. */
function isDocument(stats: object): stats is TranslateDocument {
  return 'setup' in stats && 'walks' in stats && 'designs' in stats;
}
