import type { Setup } from './design.ts';

/** Hits and misses of one structure. `hitRate` = hits / (hits + misses); null when it was never asked. */
export interface HitCounts {
  readonly hits: number;
  readonly misses: number;
  readonly hitRate: number | null;
}

/** What the trace brought, after warm-up unless said otherwise. */
export interface TraceCounts {
  /** Accesses simulated and counted. */
  readonly references: number;
  readonly loads: number;
  readonly stores: number;
  readonly fetches: number;
  readonly prefetches: number;
  /** Cache lines those accesses touch; an access across a line boundary touches two. */
  readonly lines: number;
  /** Accesses before the counting began. They fill caches, TLBs and tables; every count of this result starts after them. */
  readonly warmupReferences: number;
  /** Left out: the page is in no table (imported tables only). */
  readonly notMapped: number;
  /** Left out: the address is not canonical for the number of levels, so hardware would fault. */
  readonly notCanonical: number;
  readonly threads: number;
  readonly processes: number;
  /** Times that a core went on with another thread of the trace than before; 0 where every thread has a core of its own. */
  readonly contextSwitches: number;
}

/** Walk latency in cycles, exact. */
export interface LatencyDistribution {
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** Ascending; every latency that occurred, with the number of walks that had it. */
  readonly distribution: readonly { readonly cycles: number; readonly count: number }[];
}

/** How often one step of a walk was read, and where it was answered. */
export interface StepCounts {
  /** `guest L4`, `host L3 for guest L4`, ... */
  readonly label: string;
  readonly references: number;
  readonly memory: number;
  readonly l1: number;
  readonly l2: number;
  readonly llc: number;
}

/** One data cache, the demands of the program and the references of walks apart. */
export interface CacheCounts {
  readonly data: HitCounts;
  readonly walk: HitCounts;
}

/** What a speedup was measured against; printed wherever the speedup is. */
export interface BaselineQuality {
  readonly design: string;
  readonly cyclesPerWalk: number | null;
  readonly referencesPerWalk: number | null;
  /** Hit rate of each walk cache of the baseline. */
  readonly walkCacheHitRates: Readonly<Record<string, number | null>>;
}

export interface DesignResult {
  readonly options: Readonly<Record<string, unknown>>;
  readonly walks: number;
  /** Sum of the latencies of all walks: references waited for and look-ups beside the caches. */
  readonly walkCycles: number;
  /** walkCycles / walks */
  readonly cyclesPerWalk: number | null;
  /** baseline.cyclesPerWalk / cyclesPerWalk, maintenance left out */
  readonly speedup: number | null;
  /** (baseline walkCycles + baseline maintenanceCycles) / (walkCycles + maintenanceCycles) */
  readonly speedupWithMaintenance: number | null;
  readonly baseline: BaselineQuality;
  /** References waited for, one after the other. */
  readonly references: number;
  /** References beside those: several at once, or prefetches. */
  readonly probes: number;
  /** references / walks */
  readonly referencesPerWalk: number | null;
  /** Share of walks served without falling back, 0 to 1. */
  readonly coverage: number | null;
  /** Bytes of all tables the design walks, at the end; null when it does not say. */
  readonly tableBytes: number | null;
  /** Cycles spent on keeping its tables (exits, rehashing, migration); not part of walkCycles. */
  readonly maintenanceCycles: number;
  /** Bytes of the design's tables copied to keep them in place: areas that move, lines of hash tables that give way. */
  readonly bytesMigrated: number;
  /** Requests for contiguous memory that the design made and that failed; beside `spaces[].fragmentationIndex`. */
  readonly allocationFailures: number;
  /** Null without walks. */
  readonly walkLatency: LatencyDistribution | null;
  readonly steps: readonly StepCounts[];
  readonly walkCaches: Readonly<Record<string, HitCounts>>;
  /** Summed over cores. */
  readonly caches: Readonly<Record<'l1i' | 'l1d' | 'l2' | 'llc', CacheCounts>>;
  readonly counters: Readonly<Record<string, number>>;
}

/** One address space at the end of the run. */
export interface SpaceResult {
  /** 0 = the process. */
  readonly dimension: number;
  readonly levels: 4 | 5;
  /** 4 KiB pages mapped. */
  readonly mappedPages: number;
  /** Page-table nodes times 4096. */
  readonly tableBytes: number;
  /** Bytes of pages that its operating system copied, since the start: collapses, migrations, copy-on-write. Null: imported. */
  readonly bytesMigrated: number | null;
  /** Requests of 2 MiB that its operating system made and that failed, since the start. Null: imported. */
  readonly allocationFailures: number | null;
  /** Linux's unusable free space index at 2 MiB of the memory below, now: 0 to 1. */
  readonly unusableIndex: number | null;
  /** Linux's external fragmentation index at 2 MiB of the memory below, now: -1 while such a block is free. */
  readonly fragmentationIndex: number | null;
}

/** What a simulation in correct mode yields. Plain data: `JSON.stringify` gives the document of `strata translate run --json`. */
export interface TranslationResult {
  readonly mode: 'correct';
  readonly setup: Setup;
  readonly seed: number;
  readonly trace: TraceCounts;
  /** Last-level TLB misses, each of which every design walked for. */
  readonly walks: number;
  /** 1000 * walks / trace.references */
  readonly walksPerThousandAccesses: number | null;
  /** Of the baseline. */
  readonly referencesPerWalk: number | null;
  /** Shared by all designs; summed over cores. `l2` counts only what missed in the first level. */
  readonly tlb: Readonly<Record<'l1i' | 'l1d' | 'l2', HitCounts>> & { readonly shootdowns: number };
  /** Of the baseline. */
  readonly walkCaches: Readonly<Record<string, HitCounts>>;
  /** Walk latencies of the baseline. */
  readonly histogram: readonly { readonly cycles: number; readonly count: number }[];
  readonly spaces: readonly SpaceResult[];
  readonly designs: Readonly<Record<string, DesignResult>>;
}

export function hitCounts(hits: number, misses: number): HitCounts {
  return { hits, misses, hitRate: ratio(hits, hits + misses) };
}

/** `part / whole`; null where there is nothing to divide by, since JSON has no NaN. */
export function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}

/** @param counts walks by latency in cycles, in any order */
export function latencyDistribution(counts: Iterable<readonly [number, number]>): LatencyDistribution | null {
  const rows = [...counts]
    .filter(([, count]) => count > 0)
    .sort(([a], [b]) => a - b)
    .map(([cycles, count]) => ({ cycles, count }));
  const first = rows[0];
  const last = rows.at(-1);
  if (first === undefined || last === undefined) return null;
  const walks = rows.reduce((sum, { count }) => sum + count, 0);
  const cycles = rows.reduce((sum, row) => sum + row.cycles * row.count, 0);
  const quantile = (share: number): number => {
    let below = 0;
    for (const row of rows) {
      below += row.count;
      if (below >= share * walks) return row.cycles;
    }
    return last.cycles;
  };
  return {
    min: first.cycles,
    mean: cycles / walks,
    p50: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
    max: last.cycles,
    distribution: rows,
  };
}
