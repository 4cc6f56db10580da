import type { CompatCacheCounts } from '../compat/cache.ts';

/** A set-associative cache of numbered keys, LRU, with invalidation; written to be read. No ways = no cache. */
export class TagCache {
  hit = 0;
  miss = 0;
  conflict = 0;
  readonly #ways: number;
  readonly #sets: number;
  readonly #keys: Float64Array;
  readonly #lastUse: Float64Array;
  #uses = 0;

  constructor(entries: number, ways: number) {
    this.#ways = ways;
    this.#sets = ways === 0 ? 0 : Math.max(1, Math.floor(entries / ways));
    this.#keys = new Float64Array(this.#sets * ways).fill(-1);
    this.#lastUse = new Float64Array(this.#sets * ways);
  }

  /** True on a hit, which makes the key the set's most recent; counted. @param index picks the set */
  lookup(key: number, index: number): boolean {
    const slot = this.#slotOf(key, index);
    if (slot === -1) {
      this.miss++;
      return false;
    }
    this.hit++;
    this.#lastUse[slot] = ++this.#uses;
    return true;
  }

  fill(key: number, index: number): void {
    if (this.#sets === 0 || this.#slotOf(key, index) !== -1) return;
    const first = (index % this.#sets) * this.#ways;
    let victim = first;
    for (let slot = first; slot < first + this.#ways; slot++)
      if (this.#lastUse[slot]! < this.#lastUse[victim]!) victim = slot;
    if (this.#keys[victim] !== -1) this.conflict++;
    this.#keys[victim] = key;
    this.#lastUse[victim] = ++this.#uses;
  }

  invalidate(key: number, index: number): void {
    const slot = this.#slotOf(key, index);
    if (slot === -1) return;
    this.#keys[slot] = -1;
    this.#lastUse[slot] = 0;
  }

  clear(): void {
    this.#keys.fill(-1);
    this.#lastUse.fill(0);
  }

  counts(): Pick<CompatCacheCounts, 'hit' | 'miss' | 'conflict'> {
    return { hit: this.hit, miss: this.miss, conflict: this.conflict };
  }

  #slotOf(key: number, index: number): number {
    if (this.#sets === 0) return -1;
    const first = (index % this.#sets) * this.#ways;
    for (let slot = first; slot < first + this.#ways; slot++) if (this.#keys[slot] === key) return slot;
    return -1;
  }
}
