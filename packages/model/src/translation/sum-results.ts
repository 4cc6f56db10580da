import { baselineDesign } from './config.ts';
import {
  type CacheCounts,
  type DesignResult,
  type HitCounts,
  hitCounts,
  latencyDistribution,
  ratio,
  type StepCounts,
  type TranslationResult,
} from './result.ts';
import { type DesignFigures, withBaseline } from './speedup.ts';

/**
 * Two stretches of one simulation, counted apart, as one: counts are added up, every derived figure follows from the sums, and what describes
 * the state (tables, threads, options) is as at the end of the second.
 */
export function sumResults(first: TranslationResult, second: TranslationResult): TranslationResult {
  const designs = withBaseline(
    Object.keys(second.designs).map((name) => [name, sumDesigns(first.designs[name]!, second.designs[name]!)]),
    baselineDesign,
  );
  const baseline = designs[baselineDesign]!;
  const walks = first.walks + second.walks;
  const trace = { ...second.trace };
  for (const name of addedUp) trace[name] += first.trace[name];
  return {
    ...second,
    trace,
    walks,
    walksPerThousandAccesses: ratio(1000 * walks, trace.references),
    referencesPerWalk: baseline.referencesPerWalk,
    tlb: {
      l1i: sumHits(first.tlb.l1i, second.tlb.l1i),
      l1d: sumHits(first.tlb.l1d, second.tlb.l1d),
      l2: sumHits(first.tlb.l2, second.tlb.l2),
      shootdowns: first.tlb.shootdowns + second.tlb.shootdowns,
    },
    walkCaches: baseline.walkCaches,
    histogram: baseline.walkLatency?.distribution ?? [],
    designs,
  };
}

/** Threads and processes are the state at the end. */
const addedUp = [
  'references',
  'loads',
  'stores',
  'fetches',
  'prefetches',
  'lines',
  'warmupReferences',
  'notMapped',
  'notCanonical',
  'contextSwitches',
] as const;

function sumDesigns(first: DesignResult, second: DesignResult): DesignFigures {
  const { speedup: _, speedupWithMaintenance: __, baseline: ___, ...state } = second;
  const walks = first.walks + second.walks;
  const walkCycles = first.walkCycles + second.walkCycles;
  const references = first.references + second.references;
  return {
    ...state,
    walks,
    walkCycles,
    cyclesPerWalk: ratio(walkCycles, walks),
    references,
    probes: first.probes + second.probes,
    referencesPerWalk: ratio(references, walks),
    coverage: ratio(coveredWalks(first) + coveredWalks(second), walks),
    maintenanceCycles: first.maintenanceCycles + second.maintenanceCycles,
    bytesMigrated: first.bytesMigrated + second.bytesMigrated,
    allocationFailures: first.allocationFailures + second.allocationFailures,
    walkLatency: latencyDistribution(
      addUp(
        [first, second].flatMap(({ walkLatency }) =>
          (walkLatency?.distribution ?? []).map(({ cycles, count }): [number, number] => [cycles, count]),
        ),
      ),
    ),
    steps: sumSteps(first.steps, second.steps),
    walkCaches: sumByName(first.walkCaches, second.walkCaches, sumHits),
    caches: {
      l1i: sumCaches(first.caches.l1i, second.caches.l1i),
      l1d: sumCaches(first.caches.l1d, second.caches.l1d),
      l2: sumCaches(first.caches.l2, second.caches.l2),
      llc: sumCaches(first.caches.llc, second.caches.llc),
    },
    counters: sumByName(first.counters, second.counters, (a, b) => a + b),
  };
}

/** A whole number, of which the result holds the share. */
function coveredWalks({ coverage, walks }: DesignResult): number {
  return Math.round((coverage ?? 0) * walks);
}

function addUp<K>(entries: Iterable<readonly [K, number]>): Map<K, number> {
  const sums = new Map<K, number>();
  for (const [key, count] of entries) sums.set(key, (sums.get(key) ?? 0) + count);
  return sums;
}

function sumSteps(first: readonly StepCounts[], second: readonly StepCounts[]): StepCounts[] {
  const before = new Map(first.map((step) => [step.label, step]));
  return second.map((step) => {
    const had = before.get(step.label);
    if (had === undefined) return step;
    return {
      label: step.label,
      references: had.references + step.references,
      memory: had.memory + step.memory,
      l1: had.l1 + step.l1,
      l2: had.l2 + step.l2,
      llc: had.llc + step.llc,
    };
  });
}

function sumByName<T>(
  first: Readonly<Record<string, T>>,
  second: Readonly<Record<string, T>>,
  sum: (a: T, b: T) => T,
): Record<string, T> {
  return Object.fromEntries(
    Object.entries(second).map(([name, value]) => {
      const had = first[name];
      return [name, had === undefined ? value : sum(had, value)];
    }),
  );
}

function sumHits(first: HitCounts, second: HitCounts): HitCounts {
  return hitCounts(first.hits + second.hits, first.misses + second.misses);
}

function sumCaches(first: CacheCounts, second: CacheCounts): CacheCounts {
  return { data: sumHits(first.data, second.data), walk: sumHits(first.walk, second.walk) };
}
