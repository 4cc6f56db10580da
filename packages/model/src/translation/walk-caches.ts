import type { Geometry, TagStore } from '../machine/tag-store.ts';
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
 * @param createStore an empty store of that shape
 */
export function createWalkCaches(
  cores: number,
  walker: { readonly core: number },
  createStore: (geometry: Geometry) => TagStore,
): WalkCacheSet {
  const shared = new Map<string, SharedCache>();
  return {
    of(name, geometry, process) {
      let cache = shared.get(name);
      if (cache === undefined) {
        cache = new SharedCache(cores, () => createStore(geometry));
        shared.set(name, cache);
      }
      return new ProcessCache(cache, walker, process * processUnit);
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

class SharedCache {
  hits = 0;
  misses = 0;
  readonly stores: readonly TagStore[];
  /** Payload by slot, per core. */
  readonly payloads: readonly Float64Array[];

  constructor(cores: number, createStore: () => TagStore) {
    this.stores = Array.from({ length: cores }, createStore);
    this.payloads = this.stores.map(({ slots }) => new Float64Array(slots));
  }
}

class ProcessCache implements WalkCache {
  private readonly shared: SharedCache;
  private readonly walker: { readonly core: number };
  private readonly tag: number;

  constructor(shared: SharedCache, walker: { readonly core: number }, tag: number) {
    this.shared = shared;
    this.walker = walker;
    this.tag = tag;
  }

  lookup(key: number): number {
    const { shared } = this;
    const { core } = this.walker;
    const slot = shared.stores[core]!.lookup(key + this.tag);
    if (slot < 0) {
      shared.misses++;
      return -1;
    }
    shared.hits++;
    return shared.payloads[core]![slot]!;
  }

  peek(key: number): number {
    const { core } = this.walker;
    const slot = this.shared.stores[core]!.peek(key + this.tag);
    return slot < 0 ? -1 : this.shared.payloads[core]![slot]!;
  }

  insert(key: number, payload: number): void {
    const { core } = this.walker;
    const store = this.shared.stores[core]!;
    const held = store.peek(key + this.tag);
    this.shared.payloads[core]![held < 0 ? store.insert(key + this.tag) : held] = payload;
  }

  invalidate(key: number): number {
    let dropped = 0;
    for (const store of this.shared.stores) if (store.remove(key + this.tag)) dropped++;
    return dropped;
  }

  clear(): void {
    for (const store of this.shared.stores) {
      for (let slot = 0; slot < store.slots; slot++) {
        const key = store.keyAt(slot);
        if (key >= this.tag && key < this.tag + processUnit) store.remove(key);
      }
    }
  }
}
