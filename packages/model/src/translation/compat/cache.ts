/** What a request counts as in a cache's statistics. `pageTable + n` counts as page-table level n + 1 (six of them). */
export const Counted = { demand: 0, prefetch: 1, pageTable: 2 } as const;
const countedKinds = 8;

/** Statistics of one cache or TLB as the original reports them. */
export interface DeviceStats {
  readonly hits: number;
  readonly misses: number;
  readonly prefetchHits: number;
  readonly prefetchMisses: number;
  /** By page-table level, index 0 = level 1. Native runs: the level. Virtualized runs: level 1 holds the references G4H4, the rest is in `hits` and `misses`. */
  readonly pageTable: readonly { readonly hits: number; readonly misses: number }[];
  /** Requests that the caches above answered. */
  readonly childHits: number;
  readonly warmupHits: number;
  readonly warmupMisses: number;
}

/** Hits (even) and misses (odd) by kind of request, with what the warm-up counted kept aside. */
export class DeviceCounters {
  readonly counts = new Float64Array(2 * countedKinds);
  childHits = 0;
  warmupHits = 0;
  warmupMisses = 0;

  endWarmup(): void {
    this.warmupHits = this.counts[0]!;
    this.warmupMisses = this.counts[1]!;
    this.counts.fill(0);
    this.childHits = 0;
  }

  snapshot(): DeviceStats {
    const { counts } = this;
    return {
      hits: counts[0]!,
      misses: counts[1]!,
      prefetchHits: counts[2]!,
      prefetchMisses: counts[3]!,
      pageTable: Array.from({ length: countedKinds - Counted.pageTable }, (_, level) => ({
        hits: counts[2 * (Counted.pageTable + level)]!,
        misses: counts[2 * (Counted.pageTable + level) + 1]!,
      })),
      childHits: this.childHits,
      warmupHits: this.warmupHits,
      warmupMisses: this.warmupMisses,
    };
  }
}

export interface LineCacheOptions {
  readonly entries: number;
  readonly ways: number;
  /** What a hit is answered with. */
  readonly level: number;
  /** Where misses go; none for the last level and for page-walk caches. */
  readonly parent?: LineCache;
  /** Whether a miss fetches the next line too. */
  readonly prefetches?: boolean;
  /** Quirk Q1. */
  readonly repeatIsNotFound: boolean;
}

/** What a request is answered with when no cache holds the line: memory. */
export const notFound = 0;

/**
 * A cache of the original simulators: set-associative, non-inclusive, and with their replacement, which only approximates LRU. An
 * entry has an age; touching it makes all entries of the set that are not older one older, and itself 0. The oldest is replaced, the
 * lowest way of several. But a replaced entry counts as of age 1 when it is touched, so the older half of the set does not age on a
 * fill and ties arise.
 */
export class LineCache {
  readonly counters = new DeviceCounters();
  readonly #ways: number;
  readonly #mask: number;
  readonly #lines: Float64Array;
  readonly #ages: Uint8Array;
  readonly #level: number;
  readonly #repeatAnswer: number;
  readonly #parent: LineCache | undefined;
  readonly #prefetches: boolean;
  #lastLine = -1;
  #lastSlot = 0;
  /** Requests that quirk Q1 (or its absence) decided: those for the last line. */
  repeats = 0;

  constructor({ entries, ways, level, parent, prefetches = false, repeatIsNotFound }: LineCacheOptions) {
    this.#ways = ways;
    this.#mask = entries / ways - 1;
    this.#lines = new Float64Array(entries).fill(-1);
    this.#ages = new Uint8Array(entries);
    this.#level = level;
    this.#repeatAnswer = repeatIsNotFound ? notFound : level;
    this.#parent = parent;
    this.#prefetches = prefetches;
  }

  /** Requests one line, and gets it from below when it is absent. Returns the level that had it. */
  request(line: number, counted: number): number {
    if (line === this.#lastLine) {
      this.#countHit(counted);
      this.repeats++;
      this.#touch(this.#lastSlot);
      return this.#repeatAnswer;
    }
    return this.#search(line, counted);
  }

  /** Requests lines `first` to `last`; the shortcut for a repeated line is for single ones only. Returns the level of the last (quirk Q9). */
  requestSpan(first: number, last: number, counted: number): number {
    let level = notFound;
    for (let line = first; line <= last; line++) level = this.#search(line, counted);
    return level;
  }

  /** As `requestSpan`, but returns the level farthest away. */
  requestSpanFarthest(first: number, last: number, counted: number): number {
    let farthest = this.#search(first, counted);
    for (let line = first + 1; line <= last; line++) {
      const level = this.#search(line, counted);
      if (farthest !== notFound && (level === notFound || level > farthest)) farthest = level;
    }
    return farthest;
  }

  /** Looks a line up without filling it (page-walk caches without quirk Q3). */
  probe(line: number): number {
    const repeated = line === this.#lastLine;
    this.#lastLine = line;
    const slot = this.#slotOf(line);
    if (slot < 0) {
      this.counters.counts[1]!++;
      return notFound;
    }
    this.#lastSlot = slot;
    this.#countHit(Counted.demand);
    this.#touch(slot);
    if (!repeated) return this.#level;
    this.repeats++;
    return this.#repeatAnswer;
  }

  /** Puts a line in after a walk (page-walk caches without quirk Q3). */
  fill(line: number): void {
    let slot = this.#slotOf(line);
    if (slot < 0) {
      slot = this.#replace(line);
      this.#touch(slot);
    }
    if (line === this.#lastLine) this.#lastSlot = slot;
  }

  #search(line: number, counted: number): number {
    let level = this.#level;
    let slot = this.#slotOf(line);
    const missed = slot < 0;
    if (missed) {
      this.counters.counts[2 * counted + 1]!++;
      level = this.#parent === undefined ? notFound : this.#parent.request(line, counted);
      slot = this.#replace(line);
    } else {
      this.#countHit(counted);
    }
    this.#touch(slot);
    // The prefetch comes before the line is noted as the last one, so the noted line is the one that was asked for.
    if (missed && this.#prefetches && counted !== Counted.prefetch) this.request(line + 1, Counted.prefetch);
    this.#lastLine = line;
    this.#lastSlot = slot;
    return level;
  }

  #countHit(counted: number): void {
    this.counters.counts[2 * counted]!++;
    if (this.#parent !== undefined) this.#parent.counters.childHits++;
  }

  #slotOf(line: number): number {
    const lines = this.#lines;
    const start = ((line >>> 0) & this.#mask) * this.#ways;
    const end = start + this.#ways;
    for (let slot = start; slot < end; slot++) if (lines[slot] === line) return slot;
    return -1;
  }

  #replace(line: number): number {
    const lines = this.#lines;
    const ages = this.#ages;
    const start = ((line >>> 0) & this.#mask) * this.#ways;
    const end = start + this.#ways;
    let oldest = start;
    let age = 0;
    for (let slot = start; slot < end; slot++) {
      if (lines[slot] === -1) {
        oldest = slot;
        break;
      }
      if (ages[slot]! > age) {
        age = ages[slot]!;
        oldest = slot;
      }
    }
    lines[oldest] = line;
    ages[oldest] = 1;
    return oldest;
  }

  #touch(slot: number): void {
    const ages = this.#ages;
    const age = ages[slot]!;
    if (age === 0) return;
    const start = slot - (slot % this.#ways);
    const end = start + this.#ways;
    for (let other = start; other < end; other++) if (ages[other]! <= age) ages[other]!++;
    ages[slot] = 0;
  }
}
