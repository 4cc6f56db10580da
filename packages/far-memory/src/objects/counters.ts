/** What happened since the opening. Plain numbers, exact to 2^53. */
export interface Counters {
  /** One element: a number in a typed array is counted up without a check of its kind. */
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

export function createCounters(): Counters {
  return {
    hits: new Float64Array(1),
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
