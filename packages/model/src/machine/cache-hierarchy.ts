import type { Line } from './address.ts';
import { type BiasedStore, type CacheBias, createBiasedStore, createPressure } from './biased-store.ts';
import { geometryOf, type MachineConfig } from './machine-config.ts';
import type { Random } from './random.ts';
import { createTagStore } from './set-associative.ts';
import type { Geometry, TagStore } from './tag-store.ts';

/** Where an access was answered; the same numbers as `Where` of the translation part. */
export const HitLevel = { memory: 0, l1: 1, l2: 2, llc: 3 } as const;
export type HitLevel = (typeof HitLevel)[keyof typeof HitLevel];

/** What a cache has counted since the last reset; prefetches are not demand. */
export interface CacheCounts {
  readonly dataHits: number;
  readonly dataMisses: number;
  readonly walkHits: number;
  readonly walkMisses: number;
  readonly prefetchHits: number;
  readonly prefetchMisses: number;
}

export const cacheNames = ['l1i', 'l1d', 'l2', 'llc'] as const;
export type CacheName = (typeof cacheNames)[number];

/**
 * The caches of all cores: L1I, L1D, L2, and a last level. Non-inclusive: every level on the way of a miss is filled, an eviction touches
 * no other level. No write-back, no coherence: a store is a load.
 */
export interface CacheHierarchy {
  /** A load, store or instruction fetch of `core`. Returns where it was answered. */
  access(core: number, line: Line, isFetch: boolean): HitLevel;
  /** A fetch that a first level kept elsewhere has missed (`createFirstLevel`). */
  fetchMissed(core: number, line: Line): HitLevel;
  /** A read by the page walker of `core`, beginning at the cache that `walkerReads` names. */
  walk(core: number, line: Line): HitLevel;
  /** Latency in cycles by `HitLevel`, for data and page walks. */
  readonly latencyCycles: readonly number[];
  /** Latency in cycles by `HitLevel`, for instruction fetches. */
  readonly fetchLatencyCycles: readonly number[];
  /** Sums over all instances of a cache. */
  counts(): Readonly<Record<CacheName, CacheCounts>>;
  /** Counters to zero; what the caches hold stays. */
  resetCounts(): void;
  /** Empties the caches; counters stay. */
  clear(): void;
  /** A last-level TLB miss, for caches that lean under pressure; absent where none does. */
  missed?(): void;
  /** So many accesses were answered by a first level kept elsewhere, for the same; absent alike. */
  passed?(accesses: number): void;
  /**
   * Some of the accesses to come, for the sake of speed: changes and counts nothing. Absent where it would gain nothing.
   * @param lines room for them
   * @param begin the first `count` of them, at least 1, are known
   */
  readonly ahead?: { readonly lines: Float64Array; begin(count: number): void };
}

export type HierarchyConfig = Pick<
  MachineConfig,
  'cores' | 'l1i' | 'l1d' | 'l2' | 'llc' | 'memoryLatencyCycles' | 'prefetcher' | 'walkerReads'
>;

/** One cache of the machine, all its instances. */
export interface CacheShape {
  readonly name: CacheName;
  readonly geometry: Geometry;
  readonly sharedByCores: number;
  readonly instances: number;
}

/** @throws StrataError `machine.impossible-geometry` */
export function cacheShapesOf(config: HierarchyConfig): Readonly<Record<CacheName, CacheShape>> {
  const shapeOf = (name: CacheName): CacheShape => {
    const shared = config[name].sharedByCores;
    const sharedByCores = shared === 0 ? config.cores : Math.min(shared, config.cores);
    const instances = Math.ceil(config.cores / sharedByCores);
    return { name, geometry: geometryOf(config[name], `machine.${name}`), sharedByCores, instances };
  };
  return { l1i: shapeOf('l1i'), l1d: shapeOf('l1d'), l2: shapeOf('l2'), llc: shapeOf('llc') };
}

/** The draws of each instance of each cache, in a fixed order, so that interpreted and printed hierarchies draw alike. */
export function cacheRandoms(
  shapes: Readonly<Record<CacheName, CacheShape>>,
  random: Random,
): Record<CacheName, Random[]> {
  const draws = (name: CacheName) => Array.from({ length: shapes[name].instances }, () => random.fork());
  return { l1i: draws('l1i'), l1d: draws('l1d'), l2: draws('l2'), llc: draws('llc') };
}

export function latenciesOf(config: HierarchyConfig, first: 'l1i' | 'l1d'): number[] {
  const { memoryLatencyCycles, l2, llc } = config;
  return [memoryLatencyCycles, config[first].latencyCycles, l2.latencyCycles, llc.latencyCycles];
}

/** Kinds of accesses that a cache tells apart; each has a counter of hits and one of misses. */
const Kind = { data: 0, walk: 2, prefetch: 4 } as const;
type Kind = (typeof Kind)[keyof typeof Kind];
export const countersPerCache = 6;

/** @param counters for each cache in the order of `cacheNames`: hits and misses of data, walks, prefetches */
export function namedCounts(counters: Float64Array): Record<CacheName, CacheCounts> {
  const of = (cache: number): CacheCounts => {
    const at = (i: number) => counters[cache * countersPerCache + i]!;
    return {
      dataHits: at(0),
      dataMisses: at(1),
      walkHits: at(2),
      walkMisses: at(3),
      prefetchHits: at(4),
      prefetchMisses: at(5),
    };
  };
  return { l1i: of(0), l1d: of(1), l2: of(2), llc: of(3) };
}

/**
 * The hierarchy, interpreted: written to be read. `createPrintedHierarchy` does the same faster.
 * @param bias caches that keep some lines longer than their policy would
 * @throws StrataError `machine.impossible-geometry`
 */
export function createHierarchy(config: HierarchyConfig, random: Random, bias?: CacheBias): CacheHierarchy {
  const shapes = cacheShapesOf(config);
  const randoms = cacheRandoms(shapes, random);
  const counters = new Float64Array(cacheNames.length * countersPerCache);
  const pressure = bias && createPressure(bias.missesPerThousand);
  const leaning: readonly string[] = bias?.caches ?? [];
  const caches = cacheNames.map((name) => {
    const { geometry, sharedByCores } = shapes[name];
    const createStore = (draws: Random): BiasedStore =>
      bias !== undefined && pressure !== undefined && leaning.includes(name)
        ? createBiasedStore(geometry, draws, bias.attempts, pressure)
        : unbiased(createTagStore(geometry, draws));
    return { sharedByCores, instances: randoms[name].map(createStore) };
  });
  const [l1i, l1d, l2, llc] = [0, 1, 2, 3] as const;

  /** True on a hit; on a miss the line is placed. */
  function touch(cache: number, core: number, line: Line, kind: Kind): boolean {
    const { sharedByCores, instances } = caches[cache]!;
    const store = instances[Math.floor(core / sharedByCores)]!;
    const hit = store.touch(line, bias?.keeps(line, kind === Kind.walk) ?? false);
    counters[cache * countersPerCache + kind + (hit ? 0 : 1)]! += 1;
    return hit;
  }

  function below(core: number, line: Line, kind: Kind): HitLevel {
    if (touch(l2, core, line, kind)) return HitLevel.l2;
    return touch(llc, core, line, kind) ? HitLevel.llc : HitLevel.memory;
  }

  function throughL1d(core: number, line: Line, kind: Kind): HitLevel {
    if (touch(l1d, core, line, kind)) return HitLevel.l1;
    const level = below(core, line, kind);
    if (config.prefetcher === 'nextline' && !touch(l1d, core, line + 1, Kind.prefetch))
      below(core, line + 1, Kind.prefetch);
    return level;
  }

  return {
    access(core, line, isFetch) {
      pressure?.access(1);
      if (!isFetch) return throughL1d(core, line, Kind.data);
      return touch(l1i, core, line, Kind.data) ? HitLevel.l1 : below(core, line, Kind.data);
    },
    fetchMissed(core, line) {
      pressure?.access(1);
      return below(core, line, Kind.data);
    },
    walk: (core, line) =>
      config.walkerReads === 'l1d' ? throughL1d(core, line, Kind.walk) : below(core, line, Kind.walk),
    latencyCycles: latenciesOf(config, 'l1d'),
    fetchLatencyCycles: latenciesOf(config, 'l1i'),
    counts: () => namedCounts(counters),
    resetCounts: () => {
      counters.fill(0);
    },
    clear() {
      for (const { instances } of caches) for (const store of instances) store.clear();
    },
    ...(pressure === undefined ? {} : { missed: pressure.miss, passed: pressure.access }),
  };
}

function unbiased(store: TagStore): BiasedStore {
  return {
    touch(line) {
      if (store.lookup(line) >= 0) return true;
      store.insert(line);
      return false;
    },
    clear: store.clear,
  };
}
