import type { Vpn } from '../../machine/address.ts';
import { Counted, LineCache, notFound } from './cache.ts';
import type { CompatConfig } from './config.ts';
import { Step } from './histogram.ts';
import type { Quirks } from './quirks.ts';

/** Page-walk cache statistics of one level. */
export interface WalkCacheStats {
  readonly lookups: number;
  /** Look-ups that skipped part of a walk or would have, had no deeper level hit. */
  readonly hits: number;
  readonly misses: number;
  /** Look-ups that found their entry but were answered "not found", since the entry was the one used last (quirk Q1); part of `misses`. */
  readonly repeatedMisses: number;
}

const cachedLevels = 3;

/** The page-walk caches of one dimension: one per table level 1 (root) to 3, shared by all cores and processes. */
export class WalkCaches {
  private readonly levels: readonly LineCache[];
  private readonly pagesPerEntry: Float64Array;
  private readonly fillsOnProbe: boolean;
  private readonly repeatIsNotFound: boolean;

  constructor(config: CompatConfig, quirks: Quirks) {
    this.fillsOnProbe = quirks.Q3;
    this.repeatIsNotFound = quirks.Q1;
    const reach = quirks.Q2 ? config.walkCacheReach : 1;
    // Index 0 = root level, whose entries span 2^27 pages.
    this.pagesPerEntry = Float64Array.of(reach * 2 ** 27, reach * 2 ** 18, reach * 2 ** 9);
    this.levels = [config.walkCacheLevel1, config.walkCacheLevel2, config.walkCacheLevel3].map(
      ({ entries, ways }) => new LineCache({ entries, ways, level: Step.walkCache, repeatIsNotFound: quirks.Q1 }),
    );
  }

  /** Looks all levels up and returns the deepest that hits, 1 to 3; 0 when none does. */
  deepest(vpn: Vpn): number {
    let deepest = 0;
    for (let level = 1; level <= cachedLevels; level++) {
      const cache = this.levels[level - 1]!;
      const key = Math.floor(vpn / this.pagesPerEntry[level - 1]!);
      const answer = this.fillsOnProbe ? cache.request(key, Counted.demand) : cache.probe(key);
      if (answer !== notFound) deepest = level;
    }
    return deepest;
  }

  /** Told when a walk that skipped `deepest` levels is complete (without quirk Q3 the caches are filled now). */
  complete(vpn: Vpn, deepest: number): void {
    if (this.fillsOnProbe) return;
    for (let level = deepest + 1; level <= cachedLevels; level++)
      this.levels[level - 1]!.fill(Math.floor(vpn / this.pagesPerEntry[level - 1]!));
  }

  /** Index 0 = root level. */
  snapshot(): WalkCacheStats[] {
    return this.levels.map(({ counters, repeats }) => {
      const stats = counters.snapshot();
      const repeatedMisses = this.repeatIsNotFound ? repeats : 0;
      return {
        lookups: stats.hits + stats.misses,
        hits: stats.hits - repeatedMisses,
        misses: stats.misses + repeatedMisses,
        repeatedMisses,
      };
    });
  }

  endWarmup(): void {
    for (const cache of this.levels) {
      cache.counters.endWarmup();
      cache.repeats = 0;
    }
  }
}
