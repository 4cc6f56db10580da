import { SEGMENT_FREE, segmentKinds, segmentStates } from './arena/arena.ts';
import { BYTES_PER_HANDLE } from './handles/handle-table.ts';
import type { Heap } from './objects/heap.ts';
import type { AgentStats } from './remote-store.ts';

/** What a far memory has done since its opening, and how it stands. Counts are exact to 2^53; bytes are object data. */
export interface FarMemoryStats {
  /** Accesses that found their object in local memory; without `countHits` only those that left the fast path. */
  readonly hits: number;
  /** Accesses that had to wait for the far side, and those of them that joined a read under way. */
  readonly misses: number;
  readonly coalesced: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Objects moved because they were hot; dropped because the far side had them; written back. */
  readonly evacuated: number;
  readonly cleanDropped: number;
  readonly dirtyWritten: number;
  readonly writeFailures: number;
  /** Objects that were written to during their write-back, and moved instead of evicted. */
  readonly rescued: number;
  readonly evacuationRounds: number;
  /** Longest time that evacuation held the event loop, in ms. */
  readonly longestTickMs: number;
  /** Sum of the times that accesses waited for local memory, in ms. */
  readonly waitMs: number;
  readonly prefetch: {
    readonly issued: number;
    readonly useful: number;
    readonly late: number;
    readonly wasted: number;
  };
  /** Objects that exist, and local bytes of their table entries. */
  readonly objects: number;
  readonly metadataBytes: number;
  readonly localBytes: number;
  readonly freeSegments: number;
  /** Segments in use; `age` is how many were closed after it. */
  readonly segments: readonly SegmentStats[];
  readonly agents: readonly AgentStats[];
}

export interface SegmentStats {
  readonly live: number;
  readonly age: number;
  readonly pins: number;
  readonly state: (typeof segmentStates)[number];
  readonly kind: (typeof segmentKinds)[number];
}

export function collectStats({ arena, table, store, counters }: Heap): FarMemoryStats {
  const remote = store.stats();
  const segments: SegmentStats[] = [];
  for (let segment = 0; segment < arena.segments; segment++) {
    if (arena.states[segment] === SEGMENT_FREE) continue;
    segments.push({
      live: arena.liveBytes[segment]!,
      age: arena.closedSegments() - arena.ages[segment]!,
      pins: arena.pins[segment]!,
      state: segmentStates[arena.states[segment]!]!,
      kind: segmentKinds[arena.kinds[segment]!]!,
    });
  }
  return {
    // What waited for its object finds it afterwards; that is no hit.
    hits: Math.max(0, counters.hits.reduce((sum, lane) => sum + lane, 0) - counters.misses),
    misses: counters.misses,
    coalesced: counters.coalesced,
    bytesIn: remote.bytesIn,
    bytesOut: remote.bytesOut,
    evacuated: counters.evacuated,
    cleanDropped: counters.cleanDropped,
    dirtyWritten: counters.dirtyWritten,
    writeFailures: counters.writeFailures,
    rescued: counters.rescued,
    evacuationRounds: counters.rounds,
    longestTickMs: counters.longestTickMs,
    waitMs: counters.waitMs,
    prefetch: {
      issued: counters.prefetchIssued,
      useful: counters.prefetchUseful,
      late: counters.prefetchLate,
      wasted: counters.prefetchWasted,
    },
    objects: table.inUse(),
    metadataBytes: table.highWater() * BYTES_PER_HANDLE,
    localBytes: arena.segmentBytes * arena.segments,
    freeSegments: arena.freeSegments(),
    segments,
    agents: remote.agents,
  };
}
