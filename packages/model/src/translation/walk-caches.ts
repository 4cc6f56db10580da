import type { PayloadStore } from '../machine/payload-store.ts';
import type { Geometry } from '../machine/tag-store.ts';
import type { WalkCache } from './design.ts';
import { type HitCounts, hitCounts } from './result.ts';

/** Keys of a design are below this; the process number stands above. 40-bit frames and 43-bit prefixes of pages both fit. */
const processUnit = 2 ** 46;
/** Processes whose entries can be told apart in 53-bit keys. */
export const processLimit = 128;

/** The walk caches of one design: one store per name and core, shared by the processes, whose entries are told apart by a tag. */
export interface WalkCacheSet {
  /** The cache of that name as `process` sees it. */
  of(name: string, geometry: Geometry, process: number): WalkCache;
  counts(): Record<string, HitCounts>;
  resetCounts(): void;
}

/**
 * @param walker whose `core` is the one that walks
 * @param createStore an empty store of that shape for each core
 */
export function createWalkCaches(
  cores: number,
  walker: { readonly core: number },
  createStore: (geometry: Geometry, cores: number) => PayloadStore,
): WalkCacheSet {
  const shared = new Map<string, SharedCache>();
  return {
    of(name, geometry, process) {
      let cache = shared.get(name);
      if (cache === undefined) {
        cache = { hits: 0, misses: 0, store: createStore(geometry, cores) };
        shared.set(name, cache);
      }
      return new ProcessCache(cache, cores, walker, process * processUnit);
    },
    counts: () => Object.fromEntries([...shared].map(([name, { hits, misses }]) => [name, hitCounts(hits, misses)])),
    resetCounts() {
      for (const cache of shared.values()) {
        cache.hits = 0;
        cache.misses = 0;
      }
    },
  };
}

interface SharedCache {
  hits: number;
  misses: number;
  readonly store: PayloadStore;
}

class ProcessCache implements WalkCache {
  private readonly shared: SharedCache;
  private readonly store: PayloadStore;
  private readonly cores: number;
  private readonly walker: { readonly core: number };
  private readonly tag: number;

  constructor(shared: SharedCache, cores: number, walker: { readonly core: number }, tag: number) {
    this.shared = shared;
    this.store = shared.store;
    this.cores = cores;
    this.walker = walker;
    this.tag = tag;
  }

  lookup(key: number): number {
    const payload = this.store.get(this.walker.core, key + this.tag);
    if (payload < 0) this.shared.misses++;
    else this.shared.hits++;
    return payload;
  }

  peek(key: number): number {
    return this.store.peek(this.walker.core, key + this.tag);
  }

  insert(key: number, payload: number): void {
    this.store.set(this.walker.core, key + this.tag, payload);
  }

  invalidate(key: number): number {
    let dropped = 0;
    for (let core = 0; core < this.cores; core++) if (this.store.remove(core, key + this.tag)) dropped++;
    return dropped;
  }

  clear(): void {
    for (let core = 0; core < this.cores; core++) this.store.removeRange(core, this.tag, this.tag + processUnit);
  }
}
