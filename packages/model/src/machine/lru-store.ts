import type { Geometry, TagStore } from './tag-store.ts';

/**
 * `createTagStore` under least-recently-used replacement as one class for all geometries: the many small stores of a page walker (walk
 * caches, nested TLBs) share the code that the compiler inlines, where a printed store each would be a call to yet another function.
 */
export class LruStore implements TagStore {
  readonly sets: number;
  readonly ways: number;
  readonly slots: number;
  private readonly keys: Float64Array;
  /** Time of the last use; 0 = empty. */
  private readonly stamps: Float64Array;
  private readonly hasMask: boolean;
  private clock = 0;

  constructor({ sets, ways }: Geometry) {
    this.sets = sets;
    this.ways = ways;
    this.slots = sets * ways;
    this.keys = new Float64Array(this.slots).fill(-1);
    this.stamps = new Float64Array(this.slots);
    this.hasMask = Number.isInteger(Math.log2(sets));
  }

  lookup(key: number): number {
    const slot = this.peek(key);
    if (slot >= 0) this.stamps[slot] = ++this.clock;
    return slot;
  }

  peek(key: number): number {
    const { keys, ways } = this;
    const row = this.rowOf(key);
    for (let slot = row; slot < row + ways; slot++) if (keys[slot] === key) return slot;
    return -1;
  }

  insert(key: number): number {
    const { stamps, ways } = this;
    const row = this.rowOf(key);
    let oldest = row;
    for (let slot = row + 1; slot < row + ways; slot++) if (stamps[slot]! < stamps[oldest]!) oldest = slot;
    this.keys[oldest] = key;
    stamps[oldest] = ++this.clock;
    return oldest;
  }

  remove(key: number): boolean {
    const slot = this.peek(key);
    if (slot < 0) return false;
    this.keys[slot] = -1;
    this.stamps[slot] = 0;
    return true;
  }

  keyAt(slot: number): number {
    return this.keys[slot]!;
  }

  clear(): void {
    this.keys.fill(-1);
    this.stamps.fill(0);
  }

  /** First slot of the key's set. `%` on large numbers is a library call. */
  private rowOf(key: number): number {
    const { sets } = this;
    const set = this.hasMask ? key & (sets - 1) : (key - Math.floor(key / sets) * sets) | 0;
    return set * this.ways;
  }
}
