/** What happened since the opening. Plain numbers, exact to 2^53. */
export interface Counters {
  /** The sum of its lanes, chosen by handle: hits in a row would wait for each other's count in one. */
  readonly hits: Float64Array;
  misses: number;
  coalesced: number;
  evacuated: number;
  cleanDropped: number;
  dirtyWritten: number;
  writeFailures: number;
  rescued: number;
  prefetchIssued: number;
  prefetchUseful: number;
  prefetchLate: number;
  prefetchWasted: number;
  waitMs: number;
  rounds: number;
  longestTickMs: number;
}

/** A power of two. */
const HIT_LANES = 8;
export const HIT_LANE_MASK: number = HIT_LANES - 1;

export function createCounters(): Counters {
  return {
    hits: new Float64Array(HIT_LANES),
    misses: 0,
    coalesced: 0,
    evacuated: 0,
    cleanDropped: 0,
    dirtyWritten: 0,
    writeFailures: 0,
    rescued: 0,
    prefetchIssued: 0,
    prefetchUseful: 0,
    prefetchLate: 0,
    prefetchWasted: 0,
    waitMs: 0,
    rounds: 0,
    longestTickMs: 0,
  };
}
