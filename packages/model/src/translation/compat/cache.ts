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
  warmupHits = 0;
  warmupMisses = 0;

  endWarmup(): void {
    this.warmupHits = this.counts[0]!;
    this.warmupMisses = this.counts[1]!;
    this.counts.fill(0);
  }

  /** @param children counters of the caches whose misses come here */
  snapshot(children: readonly DeviceCounters[] = []): DeviceStats {
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
      childHits: children.reduce((sum, child) => sum + child.allHits(), 0),
      warmupHits: this.warmupHits,
      warmupMisses: this.warmupMisses,
    };
  }

  private allHits(): number {
    return this.counts.reduce((sum, count, index) => (index % 2 === 0 ? sum + count : sum), 0);
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

/** Four ways are handled at a time, as the bytes of a 32-bit word. */
const waysPerWord = 4;
const eachByte = 0x01010101;
const highBits = 0x80808080 | 0;

/**
 * A cache of the original simulators: set-associative, non-inclusive, and with their replacement, which only approximates LRU. An
 * entry has an age; touching it makes all entries of the set that are not older one older, and itself 0. The oldest is replaced, the
 * lowest way of several. But a replaced entry counts as of age 1 when it is touched, so the older half of the set does not age on a
 * fill and ties arise.
 *
 * Ways of a set lie side by side, padded to whole words. Eight bits of each line, its mark, are kept apart, so that a search compares
 * four ways at once and reads whole lines only where a mark fits.
 */
export class LineCache {
  readonly counters = new DeviceCounters();
  /** Requests for the line that was handled last, which quirk Q1 answers. */
  repeats = 0;
  private readonly ways: number;
  private readonly stride: number;
  private readonly setMask: number;
  private readonly setBits: number;
  private readonly lines: Float64Array;
  private readonly marks: Uint8Array;
  private readonly markWords: Int32Array;
  private readonly ages: Uint8Array;
  private readonly ageWords: Int32Array;
  /** Ways that the last word of a set really has. */
  private readonly lastWordMask: number;
  private readonly filled: Uint8Array;
  private readonly level: number;
  private readonly repeatAnswer: number;
  private readonly parent: LineCache | undefined;
  private readonly prefetches: boolean;
  private lastLine = -1;
  private lastSlot = 0;

  constructor({ entries, ways, level, parent, prefetches = false, repeatIsNotFound }: LineCacheOptions) {
    const sets = entries / ways;
    this.ways = ways;
    this.stride = waysPerWord * Math.ceil(ways / waysPerWord);
    this.setMask = sets - 1;
    this.setBits = Math.log2(sets);
    this.lines = new Float64Array(sets * this.stride).fill(-1);
    this.marks = new Uint8Array(sets * this.stride);
    this.markWords = new Int32Array(this.marks.buffer);
    this.ages = new Uint8Array(sets * this.stride);
    this.ageWords = new Int32Array(this.ages.buffer);
    const paddingWays = this.stride - ways;
    this.lastWordMask = -1 >>> (8 * paddingWays);
    this.filled = new Uint8Array(sets);
    this.level = level;
    this.repeatAnswer = repeatIsNotFound ? notFound : level;
    this.parent = parent;
    this.prefetches = prefetches;
  }

  /** Requests one line, and gets it from below when it is absent. Returns the level that had it. */
  request(line: number, counted: number): number {
    if (line !== this.lastLine) return this.search(line, counted);
    this.counters.counts[2 * counted]!++;
    this.repeats++;
    this.touch(this.lastSlot);
    return this.repeatAnswer;
  }

  /** Requests lines `first` to `last`; the shortcut for a repeated line is for single ones only. Returns the level of the last (quirk Q9). */
  requestSpan(first: number, last: number, counted: number): number {
    let level = notFound;
    for (let line = first; line <= last; line++) level = this.search(line, counted);
    return level;
  }

  /** As `requestSpan`, but returns the level farthest away. */
  requestSpanFarthest(first: number, last: number, counted: number): number {
    let farthest = this.search(first, counted);
    for (let line = first + 1; line <= last; line++) {
      const level = this.search(line, counted);
      if (farthest !== notFound && (level === notFound || level > farthest)) farthest = level;
    }
    return farthest;
  }

  /** Looks a line up without filling it (page-walk caches without quirk Q3). */
  probe(line: number): number {
    const repeated = line === this.lastLine;
    this.lastLine = line;
    const slot = this.slotOf(line);
    if (slot < 0) {
      this.counters.counts[1]!++;
      return notFound;
    }
    this.lastSlot = slot;
    this.counters.counts[0]!++;
    this.touch(slot);
    if (!repeated) return this.level;
    this.repeats++;
    return this.repeatAnswer;
  }

  /** Puts a line in after a walk (page-walk caches without quirk Q3). */
  fill(line: number): void {
    const slot = this.slotOf(line);
    if (slot >= 0) return;
    const filled = this.replace(line);
    this.touch(filled);
    if (line === this.lastLine) this.lastSlot = filled;
  }

  private search(line: number, counted: number): number {
    let level = this.level;
    let slot = this.slotOf(line);
    const missed = slot < 0;
    if (missed) {
      this.counters.counts[2 * counted + 1]!++;
      level = this.parent === undefined ? notFound : this.parent.request(line, counted);
      slot = this.replace(line);
    } else {
      this.counters.counts[2 * counted]!++;
    }
    this.touch(slot);
    // The prefetch comes before the line is noted as the last one, so the noted line is the one that was asked for.
    if (missed && this.prefetches && counted !== Counted.prefetch) this.request(line + 1, Counted.prefetch);
    this.lastLine = line;
    this.lastSlot = slot;
    return level;
  }

  private slotOf(line: number): number {
    const low = line >>> 0;
    const start = (low & this.setMask) * this.stride;
    const end = start + this.stride;
    const wanted = Math.imul((low >>> this.setBits) & 255, eachByte);
    for (let slot = start; slot < end; slot += waysPerWord) {
      const difference = this.markWords[slot >> 2]! ^ wanted;
      // Nonzero exactly when a byte of `difference` is zero.
      if (((difference - eachByte) & ~difference & highBits) === 0) continue;
      for (let way = slot; way < slot + waysPerWord; way++) if (this.lines[way] === line) return way;
    }
    return -1;
  }

  private replace(line: number): number {
    const low = line >>> 0;
    const set = low & this.setMask;
    const slot = this.filled[set]! < this.ways ? set * this.stride + this.filled[set]!++ : this.oldest(set);
    this.lines[slot] = line;
    this.marks[slot] = low >>> this.setBits;
    this.ages[slot] = 1;
    return slot;
  }

  /** Lowest way of those with the highest age, four ways at a time; padding ways are masked out. */
  private oldest(set: number): number {
    const words = this.ageWords;
    const start = (set * this.stride) >> 2;
    const last = start + (this.stride >> 2) - 1;
    const lastWord = words[last]! & this.lastWordMask;
    let highest = lastWord;
    for (let word = start; word < last; word++) {
      const ages = words[word]!;
      const older = Math.imul((((ages | highBits) - highest) & highBits) >>> 7, 255);
      highest = (ages & older) | (highest & ~older);
    }
    const age = Math.max(highest & 255, (highest >> 8) & 255, (highest >> 16) & 255, (highest >> 24) & 255);
    const wanted = Math.imul(age, eachByte);
    for (let word = start; ; word++) {
      const difference = (word === last ? lastWord : words[word]!) ^ wanted;
      const zeros = (difference - eachByte) & ~difference & highBits;
      // The lowest marked byte is a true zero; the bit number of its high bit gives the way.
      if (zeros !== 0) return word * waysPerWord + ((31 - Math.clz32(zeros & -zeros)) >> 3);
    }
  }

  private touch(slot: number): void {
    const age = this.ages[slot]!;
    if (age === 0) return;
    const start = slot - (slot % this.stride);
    const end = start + this.stride;
    // Ages stay below 128, so in each byte the high bit survives the subtraction exactly where the entry is not older.
    const limit = Math.imul(age | 0x80, eachByte);
    for (let other = start; other < end; other += waysPerWord) {
      const word = other >> 2;
      const ages = this.ageWords[word]!;
      this.ageWords[word] = ages + (((limit - ages) >>> 7) & eachByte);
    }
    this.ages[slot] = 0;
  }
}
