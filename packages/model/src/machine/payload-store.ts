import type { Geometry, TagStore } from './tag-store.ts';

/** Equal set-associative structures, one per core, that hold a number beside every key: walk caches, nested TLBs, TLBs in memory. */
export interface PayloadStore {
  /** Payload of `key`, and the policy notes a hit; -1 when absent (the policy notes nothing). Keys and payloads: integers 0 to 2^53 - 1. */
  get(instance: number, key: number): number;
  /** The same; the policy notes nothing. */
  peek(instance: number, key: number): number;
  /** Overwrites the payload of a key that is there, which the policy does not note, or places the key. */
  set(instance: number, key: number, payload: number): void;
  /** True when it was there. */
  remove(instance: number, key: number): boolean;
  /** Removes the keys from `from` up to, not including, `end`. */
  removeRange(instance: number, from: number, end: number): void;
  clear(): void;
}

/** Over tag stores of any policy. */
export function createPayloadStore(instances: number, createStore: () => TagStore): PayloadStore {
  const stores = Array.from({ length: instances }, createStore);
  const payloads = stores.map(({ slots }) => new Float64Array(slots));
  return {
    get(instance, key) {
      const slot = stores[instance]!.lookup(key);
      return slot < 0 ? -1 : payloads[instance]![slot]!;
    },
    peek(instance, key) {
      const slot = stores[instance]!.peek(key);
      return slot < 0 ? -1 : payloads[instance]![slot]!;
    },
    set(instance, key, payload) {
      const store = stores[instance]!;
      const held = store.peek(key);
      payloads[instance]![held < 0 ? store.insert(key) : held] = payload;
    },
    remove: (instance, key) => stores[instance]!.remove(key),
    removeRange(instance, from, end) {
      const store = stores[instance]!;
      for (let slot = 0; slot < store.slots; slot++) {
        const key = store.keyAt(slot);
        if (key >= from && key < end) store.remove(key);
      }
    },
    clear() {
      for (const store of stores) store.clear();
    },
  };
}

/**
 * The same under least-recently-used replacement, for speed: a set is the list of its keys by recency with their payloads behind them, side
 * by side in memory; and one class for all geometries, so that the compiler inlines what many small structures share.
 */
export class RecencyStore implements PayloadStore {
  private readonly sets: number;
  private readonly ways: number;
  private readonly isPowerOfTwo: boolean;
  /** By set: its keys, the most recently used first, -1 behind the last; then their payloads. */
  private readonly cells: Float64Array;

  /** @param geometry whose policy is `lru` */
  constructor({ sets, ways }: Geometry, instances: number) {
    this.sets = sets;
    this.ways = ways;
    this.isPowerOfTwo = Number.isInteger(Math.log2(sets));
    this.cells = new Float64Array(instances * sets * ways * 2).fill(-1);
  }

  get(instance: number, key: number): number {
    const { cells, ways } = this;
    const row = this.rowOf(instance, key);
    if (cells[row] === key) return cells[row + ways]!;
    for (let at = row + 1; at < row + ways; at++) {
      if (cells[at] !== key) continue;
      const payload = cells[at + ways]!;
      this.moveBack(row, at);
      cells[row] = key;
      cells[row + ways] = payload;
      return payload;
    }
    return -1;
  }

  peek(instance: number, key: number): number {
    const at = this.find(instance, key);
    return at < 0 ? -1 : this.cells[at + this.ways]!;
  }

  set(instance: number, key: number, payload: number): void {
    const { cells, ways } = this;
    const row = this.rowOf(instance, key);
    let last = row;
    for (; last < row + ways; last++) {
      const held = cells[last]!;
      if (held === key) {
        cells[last + ways] = payload;
        return;
      }
      if (held < 0) break;
    }
    this.moveBack(row, Math.min(last, row + ways - 1));
    cells[row] = key;
    cells[row + ways] = payload;
  }

  remove(instance: number, key: number): boolean {
    const at = this.find(instance, key);
    if (at < 0) return false;
    this.removeAt(this.rowOf(instance, key), at);
    return true;
  }

  /** Returns how many keys were there. */
  removeRange(instance: number, from: number, end: number): number {
    const { cells, sets, ways } = this;
    let removed = 0;
    for (let set = 0; set < sets; set++) {
      const row = (instance * sets + set) * 2 * ways;
      for (let at = row + ways - 1; at >= row; at--) {
        if (cells[at]! < from || cells[at]! >= end) continue;
        this.removeAt(row, at);
        removed++;
      }
    }
    return removed;
  }

  clear(): void {
    this.cells.fill(-1);
  }

  private find(instance: number, key: number): number {
    const { cells, ways } = this;
    const row = this.rowOf(instance, key);
    for (let at = row; at < row + ways; at++) if (cells[at] === key) return at;
    return -1;
  }

  /** Entries from `row` up to, not including, `at` become one use older; what was at `at` is overwritten. */
  private moveBack(row: number, at: number): void {
    const { cells, ways } = this;
    for (let to = at; to > row; to--) {
      cells[to] = cells[to - 1]!;
      cells[to + ways] = cells[to + ways - 1]!;
    }
  }

  private removeAt(row: number, at: number): void {
    const { cells, ways } = this;
    for (let to = at; to < row + ways - 1; to++) {
      cells[to] = cells[to + 1]!;
      cells[to + ways] = cells[to + ways + 1]!;
    }
    cells[row + ways - 1] = -1;
  }

  /** `%` on large numbers is a library call. */
  private rowOf(instance: number, key: number): number {
    const { sets } = this;
    const set = this.isPowerOfTwo ? key & (sets - 1) : (key - Math.floor(key / sets) * sets) | 0;
    return (instance * sets + set) * 2 * this.ways;
  }
}
