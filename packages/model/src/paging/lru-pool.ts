const none = -1;
const isLocal = 1;
const isDirty = 2;

/** A set of units, so many of them local, the least recently used one leaving. */
export interface LruPool {
  /** Uses a unit; brings it in if it is not local. */
  touch(unit: number, isWrite: boolean): void;
  readonly misses: number;
  readonly writeBacks: number;
}

/** @param capacity units that fit, at least 1 */
export function createLruPool(units: number, capacity: number): LruPool {
  const newer = new Int32Array(units).fill(none);
  const older = new Int32Array(units).fill(none);
  const state = new Uint8Array(units);
  let newest = none;
  let oldest = none;
  let local = 0;
  let misses = 0;
  let writeBacks = 0;

  function unlink(unit: number): void {
    const before = newer[unit]!;
    const after = older[unit]!;
    if (before === none) newest = after;
    else older[before] = after;
    if (after === none) oldest = before;
    else newer[after] = before;
  }

  function putFirst(unit: number): void {
    newer[unit] = none;
    older[unit] = newest;
    if (newest === none) oldest = unit;
    else newer[newest] = unit;
    newest = unit;
  }

  function evict(): void {
    const unit = oldest;
    unlink(unit);
    if (state[unit]! & isDirty) writeBacks++;
    state[unit] = 0;
    local--;
  }

  return {
    touch(unit, isWrite) {
      if (state[unit] === 0) {
        misses++;
        if (local === capacity) evict();
        local++;
        putFirst(unit);
      } else if (unit !== newest) {
        unlink(unit);
        putFirst(unit);
      }
      state[unit] = state[unit]! | isLocal | (isWrite ? isDirty : 0);
    },
    get misses() {
      return misses;
    },
    get writeBacks() {
      return writeBacks;
    },
  };
}
