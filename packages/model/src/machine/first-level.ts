import { cacheRandoms, cacheShapesOf, type HierarchyConfig } from './cache-hierarchy.ts';
import { createPrintedTagStore } from './print/store.ts';
import type { Random } from './random.ts';
import { policies } from './replacement/policies.ts';

/** What can be said of the first level of a hierarchy without knowing what page walkers read. */
export interface FirstLevel {
  /** A fetch of `core`: true on a hit in the instruction cache; on a miss the line is placed. */
  fetch(core: number, line: number): boolean;
  /** Fetching a line again right after fetching it changes nothing in the instruction cache. */
  readonly fetchRepeats: boolean;
  /** Accessing a line again right after accessing it hits the data cache and changes nothing there. */
  readonly dataRepeats: boolean;
}

/** @param random as for `createHierarchy`: the instruction caches draw as its own would */
export function createFirstLevel(config: HierarchyConfig, random: Random): FirstLevel {
  const shapes = cacheShapesOf(config);
  const { l1i, l1d } = shapes;
  const stores = cacheRandoms(shapes, random).l1i.map((draws) => createPrintedTagStore(l1i.geometry, draws));
  const { sharedByCores } = l1i;
  // In a cache of one set a prefetch of the next line comes between.
  const isUndisturbed = config.prefetcher === 'none' || l1d.geometry.sets > 1;
  return {
    fetch(core, line) {
      const store = stores[Math.floor(core / sharedByCores)]!;
      if (store.lookup(line) >= 0) return true;
      store.insert(line);
      return false;
    },
    fetchRepeats: policies.get(l1i.geometry.policy).repeatsChangeNothing,
    dataRepeats: isUndisturbed && policies.get(l1d.geometry.policy).repeatsChangeNothing,
  };
}
