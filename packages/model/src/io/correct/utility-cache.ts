import { type CacheCounts, type CacheShape, keyOf, type TranslationCache } from './translation-cache.ts';
import { WideDomains } from './wide-addresses.ts';

/** One set in so many has shadow tags: what a partition would hit if it had all ways. */
const sampledSets = 4;

/**
 * Utility-based partitions (Qureshi and Patt, MICRO 2006): every partition keeps shadow tags of some sets as if it had the whole cache, and
 * counts the hits by recency. Each interval the ways go, one by one, to whom the next way gains most hits; a fill takes the place of the
 * least recent entry of a partition that has more than its share.
 */
export class UtilityCache implements TranslationCache {
  #hit = 0;
  #miss = 0;
  #conflict = 0;
  #uses = 0;
  #lookups = 0;
  readonly #sets: number;
  readonly #ways: number;
  readonly #partitions: number;
  readonly #interval: number;
  readonly #spread: boolean;
  readonly #keys: Float64Array;
  readonly #payloads: Float64Array;
  readonly #lastUse: Float64Array;
  readonly #domains: Int32Array;
  readonly #wide = new WideDomains();
  /** Ways of each partition in every set. */
  readonly quotas: Int32Array;
  /** Shadow tags: per partition and sampled set the keys by recency, most recent first. */
  readonly #shadow: Float64Array;
  /** Hits of each partition at each depth of recency since the last decision, halved there. */
  readonly #gains: Float64Array;

  constructor({ entries, ways, partitions }: CacheShape, interval: number, spread: boolean) {
    this.#sets = ways === 0 ? 0 : Math.max(1, Math.floor(entries / ways));
    this.#ways = ways;
    this.#partitions = Math.min(partitions, Math.max(1, ways));
    this.#interval = interval;
    this.#spread = spread;
    const slots = this.#sets * ways;
    this.#keys = new Float64Array(slots).fill(-1);
    this.#payloads = new Float64Array(slots);
    this.#lastUse = new Float64Array(slots);
    this.#domains = new Int32Array(slots);
    this.quotas = new Int32Array(this.#partitions);
    for (let way = 0; way < ways; way++) this.quotas[way % this.#partitions]!++;
    this.#shadow = new Float64Array(this.#partitions * Math.ceil(this.#sets / sampledSets) * ways).fill(-1);
    this.#gains = new Float64Array(this.#partitions * ways);
  }

  lookup(domain: number, region: number, level: number): number {
    const key = keyOf(domain, region, level, this.#spread, this.#wide);
    if (this.#sets > 0) {
      this.#observe(domain % this.#partitions, key);
      if (++this.#lookups % this.#interval === 0) this.#decide();
      const slot = this.#slotOf(key);
      if (slot >= 0) {
        this.#hit++;
        this.#lastUse[slot] = ++this.#uses;
        return this.#payloads[slot]!;
      }
    }
    this.#miss++;
    return -1;
  }

  peek(domain: number, region: number, level: number): number {
    const slot = this.#slotOf(keyOf(domain, region, level, this.#spread, this.#wide));
    return slot < 0 ? -1 : this.#payloads[slot]!;
  }

  fill(domain: number, region: number, level: number, payload: number): void {
    if (this.#sets === 0) return;
    const key = keyOf(domain, region, level, this.#spread, this.#wide);
    let slot = this.#slotOf(key);
    if (slot < 0) {
      slot = this.#victim(key % this.#sets, domain % this.#partitions);
      if (this.#keys[slot] !== -1) this.#conflict++;
      this.#keys[slot] = key;
      this.#domains[slot] = domain;
    }
    this.#payloads[slot] = payload;
    this.#lastUse[slot] = ++this.#uses;
  }

  invalidate(domain: number, region: number, level: number): boolean {
    const slot = this.#slotOf(keyOf(domain, region, level, this.#spread, this.#wide));
    if (slot >= 0) this.#keys[slot] = -1;
    return slot >= 0;
  }

  invalidateDomain(domain: number): void {
    for (let slot = 0; slot < this.#keys.length; slot++) if (this.#domains[slot] === domain) this.#keys[slot] = -1;
  }

  clear(): void {
    this.#keys.fill(-1);
  }

  counts(): CacheCounts {
    return { hit: this.#hit, miss: this.#miss, conflict: this.#conflict };
  }

  #slotOf(key: number): number {
    if (this.#sets === 0) return -1;
    const first = (key % this.#sets) * this.#ways;
    for (let slot = first; slot < first + this.#ways; slot++) if (this.#keys[slot] === key) return slot;
    return -1;
  }

  /** An empty slot; else the least recent of the partition's own if it has its share, or of those that have more than theirs. */
  #victim(set: number, partition: number): number {
    const first = set * this.#ways;
    let own = 0;
    for (let slot = first; slot < first + this.#ways; slot++) {
      if (this.#keys[slot] === -1) return slot;
      if (this.#domains[slot]! % this.#partitions === partition) own++;
    }
    const takesOwn = own >= this.quotas[partition]!;
    let victim = -1;
    for (let slot = first; slot < first + this.#ways; slot++) {
      const holder = this.#domains[slot]! % this.#partitions;
      const isCandidate = takesOwn ? holder === partition : this.#held(first, holder) > this.quotas[holder]!;
      if (isCandidate && (victim < 0 || this.#lastUse[slot]! < this.#lastUse[victim]!)) victim = slot;
    }
    return victim;
  }

  #held(first: number, partition: number): number {
    let held = 0;
    for (let slot = first; slot < first + this.#ways; slot++)
      if (this.#domains[slot]! % this.#partitions === partition) held++;
    return held;
  }

  #observe(partition: number, key: number): void {
    const set = key % this.#sets;
    if (set % sampledSets !== 0) return;
    const ways = this.#ways;
    const rows = Math.ceil(this.#sets / sampledSets);
    const first = (partition * rows + set / sampledSets) * ways;
    let depth = 0;
    while (depth < ways && this.#shadow[first + depth] !== key) depth++;
    if (depth < ways) this.#gains[partition * ways + depth]!++;
    this.#shadow.copyWithin(first + 1, first, first + Math.min(depth, ways - 1));
    this.#shadow[first] = key;
  }

  /** The look-ahead algorithm of the publication, every partition keeping one way at least. */
  #decide(): void {
    const ways = this.#ways;
    this.quotas.fill(1);
    let left = ways - this.#partitions;
    while (left > 0) {
      let best = 0;
      let bestGain = -1;
      let bestWays = 1;
      for (let partition = 0; partition < this.#partitions; partition++) {
        let sum = 0;
        for (let more = 1; more <= left; more++) {
          sum += this.#gains[partition * ways + this.quotas[partition]! + more - 1]!;
          if (sum / more <= bestGain) continue;
          bestGain = sum / more;
          best = partition;
          bestWays = more;
        }
      }
      this.quotas[best]! += bestWays;
      left -= bestWays;
    }
    for (let at = 0; at < this.#gains.length; at++) this.#gains[at]! /= 2;
  }
}
