import type { DeviceStats } from './cache.ts';
import type { CompatConfig } from './config.ts';
import type { HistogramRow } from './histogram.ts';
import type { Quirks } from './quirks.ts';
import type { WalkCacheStats } from './walk-caches.ts';

export interface CompatCoreResult {
  /** Threads that ran on the core. */
  readonly threads: number;
  readonly tlbL1i: DeviceStats;
  readonly tlbL1d: DeviceStats;
  readonly tlbL2: DeviceStats;
  readonly l1i: DeviceStats;
  readonly l1d: DeviceStats;
  readonly l2: DeviceStats;
}

/** What the original's report holds, and what it counts without printing. */
export interface CompatResult {
  readonly config: CompatConfig;
  readonly quirks: Quirks;
  /** Rows in the dumps and rows with an address of their own; the host's only where there is one. */
  readonly tableRows: { readonly listed: number; readonly unique: number };
  readonly hostTableRows?: { readonly listed: number; readonly unique: number };
  /** Accesses fed, warm-up included. */
  readonly references: number;
  /** Accesses and everything else that the original counts as a request (`num_requests`). */
  readonly requests: number;
  /** Requests that are markers, which do nothing. */
  readonly markers: number;
  /** Requests for pages that the tables do not map (`num_not_found`); they are dropped. */
  readonly notFound: number;
  /** Requests for guest pages that the host tables do not map; dropped too, and not printed by the original. */
  readonly notFoundInHost: number;
  /** Walks in a range of the range file and outside, warm-up included (`num_range_found`, `num_range_not_found`). */
  readonly rangeFound: number;
  readonly rangeNotFound: number;
  /** Whether the statistics were reset at the end of the warm-up; true when there was none to be had. */
  readonly warmedUp: boolean;
  readonly tlbWarmedUp: boolean;
  /** Walks after the warm-up: the sum of the histogram's counts. */
  readonly walks: number;
  /** Page-table references after the warm-up per walk: steps answered by a cache or by memory. */
  readonly referencesPerWalk: number;
  readonly histogram: readonly HistogramRow[];
  readonly cores: readonly CompatCoreResult[];
  readonly llc: DeviceStats;
  /** Page-walk caches, index 0 = root level. */
  readonly walkCaches: { readonly guest: readonly WalkCacheStats[]; readonly host?: readonly WalkCacheStats[] };
}
