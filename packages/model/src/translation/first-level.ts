import type { FirstLevel } from '../machine/first-level.ts';
import { type AccessStream, Touch } from './access-stream.ts';

/** What first levels answered for every design alike, since counting began. */
export interface FirstLevelCounts {
  readonly l1i: { hits: number; misses: number };
  /** Repeated accesses, which hit. */
  readonly l1d: { hits: number };
}

/** Leaves out of a stream what the first levels of all designs answer alike. */
export interface FirstLevelFilter {
  readonly counts: FirstLevelCounts;
  /**
   * Goes through the elements from `from` on; the stream is as long as what is left afterwards.
   * @param hasFetches whether there may be fetches among them
   */
  run(stream: AccessStream, from: number, hasFetches: boolean): void;
  resetCounts(): void;
}

/** Where fewer than one in so many elements is left out, looking for repeated accesses costs more than it saves, */
const worthwhile = 8;
/** and is not tried again before so many runs. Fetches always have to be looked at: designs do not keep the instruction cache. */
const restingRuns = 15;

/**
 * Every design has caches of its own, but no walk reads the instruction cache: its contents, and what it answers, are the same for all
 * designs, so it is asked once. And an access to the line that the same core has just accessed hits the data cache, whatever the design,
 * and changes nothing there. Most accesses are such, and a design sees the others only.
 */
export function createFirstLevelFilter({ fetch, fetchRepeats, dataRepeats }: FirstLevel): FirstLevelFilter {
  const counts = { l1i: { hits: 0, misses: 0 }, l1d: { hits: 0 } };
  // In arrays: V8 allocates a number for every write to a variable that functions share.
  const fetched = Float64Array.of(-1, -1);
  /** Accesses left out since the last element. */
  const pending = new Float64Array(1);
  let resting = 0;
  return {
    counts,
    run(stream, from, hasFetches) {
      const { line, walk, core, touch, process, leftOut, length } = stream;
      if (!hasFetches && resting > 0) {
        resting--;
        leftOut.fill(0, from, length);
        leftOut[from] = pending[0]!;
        pending[0] = 0;
        return;
      }
      let lastFetch = fetched[0]!;
      let lastFetchCore = fetched[1]!;
      let skipped = pending[0]!;
      let kept = from;
      let fetchHits = 0;
      let fetchMisses = 0;
      let dataHits = 0;
      // Changes of tables come between two runs; what designs do about them is theirs.
      let lastData = -1;
      let lastDataCore = -1;
      for (let index = from; index < length; index++) {
        const at = line[index]!;
        const by = core[index]!;
        const walked = walk[index]!;
        let what: number = Touch.data;
        if (touch[index] === Touch.fetch) {
          if (fetchRepeats && at === lastFetch && by === lastFetchCore) what = Touch.answered;
          else {
            what = fetch(by, at) ? Touch.answered : Touch.fetchMissed;
            lastFetch = at;
            lastFetchCore = by;
          }
          if (what === Touch.answered) fetchHits++;
          else fetchMisses++;
          // Walks read the data cache.
          if (walked >= 0) lastData = -1;
        } else if (dataRepeats && walked < 0 && at === lastData && by === lastDataCore) {
          what = Touch.answered;
          dataHits++;
        } else {
          lastData = at;
          lastDataCore = by;
        }
        if (walked < 0 && what === Touch.answered) {
          skipped++;
          continue;
        }
        if (kept !== index) {
          line[kept] = at;
          walk[kept] = walked;
          core[kept] = by;
          process[kept] = process[index]!;
        }
        touch[kept] = what;
        leftOut[kept] = skipped;
        skipped = what === Touch.answered ? 1 : 0;
        kept++;
      }
      stream.length = kept;
      resting = (length - kept) * worthwhile < length - from ? restingRuns : 0;
      fetched[0] = lastFetch;
      fetched[1] = lastFetchCore;
      pending[0] = skipped;
      counts.l1i.hits += fetchHits;
      counts.l1i.misses += fetchMisses;
      counts.l1d.hits += dataHits;
    },
    resetCounts() {
      counts.l1i.hits = 0;
      counts.l1i.misses = 0;
      counts.l1d.hits = 0;
    },
  };
}
