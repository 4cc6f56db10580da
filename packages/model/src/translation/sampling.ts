import { type AccessBlock, AccessKind, rowsOfBlock } from '../machine/accesses.ts';
import { StrataError } from '../machine/errors.ts';
import type { TranslationResult } from './result.ts';
import type { Simulation } from './simulate.ts';
import { sumResults } from './sum-results.ts';

/**
 * Systematic sampling (Wunderlich et al., SMARTS, ISCA 2003): of each `period` accesses the first `warmup` are simulated without being counted,
 * the next `length` are counted, and the rest is left out. What is cached stays as it was over the accesses left out.
 */
export interface SamplePlan {
  readonly length: number;
  readonly period: number;
  readonly warmup: number;
}

/** A figure over samples; moments, so that memory does not grow with their number. */
export interface Moments {
  /** Samples that have the figure: one without walks has no cycles per walk. */
  readonly count: number;
  readonly mean: number;
  /** Unbiased; 0 for a single sample. */
  readonly variance: number;
  readonly min: number;
  readonly max: number;
}

export const sampledFigures = ['cyclesPerWalk', 'speedup', 'referencesPerWalk'] as const;
export type SampledFigure = (typeof sampledFigures)[number];

export interface SampleStatistics {
  /** Samples that were counted to their end. */
  readonly complete: number;
  /** Accesses left out between samples. */
  readonly leftOut: number;
  readonly walksPerThousandAccesses: Moments | undefined;
  /** By design and figure. */
  readonly designs: Readonly<Record<string, Readonly<Record<SampledFigure, Moments | undefined>>>>;
}

export interface SampledSimulation {
  feed(block: AccessBlock): void;
  /** All samples as one, an unfinished last one included. */
  finish(): TranslationResult;
  statistics(): SampleStatistics;
}

type Phase = 'warmup' | 'counted' | 'leftOut';

/**
 * @param simulation a fresh one without a warm-up of its own
 * @throws StrataError `config.sample` when the plan does not fit its period
 */
export function createSampledSimulation(plan: SamplePlan, simulation: Simulation): SampledSimulation {
  checkPlan(plan);
  const lengths: Readonly<Record<Phase, number>> = {
    warmup: plan.warmup,
    counted: plan.length,
    leftOut: plan.period - plan.warmup - plan.length,
  };
  const next: Readonly<Record<Phase, Phase>> = { warmup: 'counted', counted: 'leftOut', leftOut: 'warmup' };
  const walksPerThousand = createMoments();
  const designs = new Map<string, Record<SampledFigure, ReturnType<typeof createMoments>>>();
  let phase: Phase = 'warmup';
  let left = lengths.warmup;
  let complete = 0;
  let leftOut = 0;
  let warmedUp = 0;
  let sum: TranslationResult | undefined;

  function enterNext(): void {
    if (phase === 'counted') endSample();
    phase = next[phase];
    left = lengths[phase];
    if (phase === 'counted') simulation.restartCounts();
  }

  function endSample(): void {
    const sample = simulation.finish();
    complete++;
    sum = sum === undefined ? sample : sumResults(sum, sample);
    walksPerThousand.add(sample.walksPerThousandAccesses);
    for (const [name, result] of Object.entries(sample.designs)) {
      let moments = designs.get(name);
      if (moments === undefined) {
        moments = { cyclesPerWalk: createMoments(), speedup: createMoments(), referencesPerWalk: createMoments() };
        designs.set(name, moments);
      }
      for (const figure of sampledFigures) moments[figure].add(result[figure]);
    }
  }

  function book(accesses: number): void {
    left -= accesses;
    if (phase === 'leftOut') leftOut += accesses;
    if (phase === 'warmup') warmedUp += accesses;
  }

  return {
    feed(block) {
      for (let from = 0; from < block.length; ) {
        // A phase may be of no length.
        while (left === 0) enterNext();
        const { to, accesses } = stretch(block, from, left);
        if (phase !== 'leftOut') simulation.feed(rowsOfBlock(block, from, to));
        book(accesses);
        from = to;
      }
    },
    finish() {
      if (phase === 'counted' && left === 0) enterNext();
      const isCut = phase === 'counted' && left < lengths.counted;
      if (sum === undefined && !isCut) simulation.restartCounts();
      const rest = sum === undefined || isCut ? simulation.finish() : undefined;
      const all = sum === undefined || rest === undefined ? (sum ?? rest) : sumResults(sum, rest);
      return { ...all!, trace: { ...all!.trace, warmupReferences: warmedUp } };
    },
    statistics: () => ({
      complete,
      leftOut,
      walksPerThousandAccesses: walksPerThousand.moments(),
      designs: Object.fromEntries(
        [...designs].map(([name, { cyclesPerWalk, speedup, referencesPerWalk }]) => [
          name,
          {
            cyclesPerWalk: cyclesPerWalk.moments(),
            speedup: speedup.moments(),
            referencesPerWalk: referencesPerWalk.moments(),
          },
        ]),
      ),
    }),
  };
}

/** @throws StrataError `config.sample` */
export function checkPlan({ length, period, warmup }: SamplePlan): void {
  if (length >= 1 && warmup + length <= period) return;
  throw new StrataError({
    code: 'config.sample',
    what: 'the samples do not fit their period',
    where: 'sample',
    expected: 'at least one access counted, and warm-up and counted accesses within the period',
    found: `${warmup} to warm up and ${length} counted of every ${period}`,
    mend: 'Give a longer period, such as --sample 1e5/1e7 (100,000 of every 10 million) with --warmup 1e5.',
  });
}

/** Rows from `from` up to and including the one that holds the last of `accesses`, or the rest of the block. */
function stretch(block: AccessBlock, from: number, accesses: number): { to: number; accesses: number } {
  let met = 0;
  for (let row = from; row < block.length; row++)
    if (block.kind[row]! <= AccessKind.prefetch && ++met === accesses) return { to: row + 1, accesses: met };
  return { to: block.length, accesses: met };
}

/** Mean and variance as they come (Welford). */
function createMoments() {
  let count = 0;
  let mean = 0;
  let squares = 0;
  let min = Infinity;
  let max = -Infinity;
  return {
    add(value: number | null): void {
      if (value === null) return;
      count++;
      const distance = value - mean;
      mean += distance / count;
      squares += distance * (value - mean);
      min = Math.min(min, value);
      max = Math.max(max, value);
    },
    moments: (): Moments | undefined =>
      count === 0 ? undefined : { count, mean, variance: count > 1 ? squares / (count - 1) : 0, min, max },
  };
}
