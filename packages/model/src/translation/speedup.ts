import { type BaselineQuality, type DesignResult, ratio } from './result.ts';

export type DesignFigures = Omit<DesignResult, 'speedup' | 'speedupWithMaintenance' | 'baseline'>;

/** Sets every design against the baseline, and says how good that baseline was. */
export function withBaseline(
  figures: readonly (readonly [name: string, figures: DesignFigures])[],
  baselineName: string,
): Record<string, DesignResult> {
  const baseline = new Map(figures).get(baselineName)!;
  const quality: BaselineQuality = {
    design: baselineName,
    cyclesPerWalk: baseline.cyclesPerWalk,
    referencesPerWalk: baseline.referencesPerWalk,
    walkCacheHitRates: Object.fromEntries(
      Object.entries(baseline.walkCaches).map(([cache, { hitRate }]) => [cache, hitRate]),
    ),
  };
  const allCycles = (of: DesignFigures) => of.walkCycles + of.maintenanceCycles;
  return Object.fromEntries(
    figures.map(([name, own]) => [
      name,
      {
        ...own,
        speedup: ratio(baseline.walkCycles, own.walkCycles),
        speedupWithMaintenance: ratio(allCycles(baseline), allCycles(own)),
        baseline: quality,
      },
    ]),
  );
}
