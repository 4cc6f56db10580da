import type { Line } from './address.ts';
import type { MachineConfig } from './machine-config.ts';

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
}

export type HierarchyConfig = Pick<
  MachineConfig,
  'cores' | 'l1i' | 'l1d' | 'l2' | 'llc' | 'memoryLatencyCycles' | 'prefetcher' | 'walkerReads'
>;
