import { FarMemoryFullError, FarUsageError } from '../errors.ts';
import { FREE, FRESH, type Group, type Handle } from './words.ts';

/** Handles are 28 bits wide: what a free word can link, and what leaves 25 bits of a remote id for generations. */
export const HANDLE_LIMIT: number = 2 ** 28;
const NO_HANDLE = HANDLE_LIMIT - 1;
const FLAGS_MASK = 15;

/** Local bytes that one object costs, wherever its data are: word, size, group and generation, 4 bytes each. */
export const BYTES_PER_HANDLE = 16;

/**
 * Every object's word, size, group and generation in parallel arrays outside the JavaScript heap. The arrays are reserved for
 * `capacity` handles at the start; the operating system backs a page only when it is first written, so the table grows without copying
 * and without a pause.
 */
export interface HandleTable {
  readonly capacity: number;
  /** See words.ts. */
  readonly words: Uint32Array;
  /** Bytes of data. */
  readonly sizes: Uint32Array;
  readonly groups: Uint32Array;
  /** How often the handle was freed. */
  readonly generations: Uint32Array;
  /** A handle of a new, all-zero object. @throws FarMemoryFullError when all handles are in use. */
  allocate(group: Group, size: number): Handle;
  /** `count` handles in a row; the first is returned. */
  allocateRange(group: Group, size: number, count: number): Handle;
  release(handle: Handle): void;
  /** Gives a range back whose handles were all released by `releaseInRange`. */
  releaseRange(first: Handle, count: number): void;
  /** Like `release`, for a handle of a range: it stays with its range. */
  releaseInRange(handle: Handle): void;
  /** The id under which the far side knows the object: no two lives of one handle share it. */
  remoteId(handle: Handle): number;
  /** Handles in use. */
  inUse(): number;
  /** Handles ever used: what the table costs is this times `BYTES_PER_HANDLE`. */
  highWater(): number;
}

export function createHandleTable(capacity: number): HandleTable {
  const array = () => new Uint32Array(new SharedArrayBuffer(capacity * 4));
  const words = array();
  const sizes = array();
  const groups = array();
  const generations = array();
  const freeRanges: { first: number; count: number }[] = [];
  let firstFree = NO_HANDLE;
  let next = 0;
  let used = 0;

  function full(): FarMemoryFullError {
    return new FarMemoryFullError(
      `all ${capacity} handles are in use; free objects, use larger chunks, or open the far memory with a larger maxHandles`,
    );
  }

  function begin(handle: number, group: Group, size: number): void {
    words[handle] = FRESH;
    sizes[handle] = size;
    groups[handle] = group;
  }

  function takeFromRange(): number {
    const range = freeRanges.at(-1);
    if (range === undefined) return NO_HANDLE;
    range.count--;
    if (range.count === 0) freeRanges.pop();
    return range.first + range.count;
  }

  function takeRange(count: number): number {
    const at = freeRanges.findIndex((range) => range.count >= count);
    if (at >= 0) {
      const range = freeRanges[at]!;
      const { first } = range;
      range.first += count;
      range.count -= count;
      if (range.count === 0) freeRanges.splice(at, 1);
      return first;
    }
    if (next + count > capacity) throw full();
    next += count;
    return next - count;
  }

  function end(handle: number, word: number): void {
    words[handle] = word;
    generations[handle] = generations[handle]! + 1;
    used--;
  }

  return {
    capacity,
    words,
    sizes,
    groups,
    generations,
    allocate(group, size) {
      let handle = firstFree;
      if (handle !== NO_HANDLE) firstFree = words[handle]! >>> 4;
      else handle = takeFromRange();
      if (handle === NO_HANDLE) {
        if (next >= capacity) throw full();
        handle = next++;
      }
      begin(handle, group, size);
      used++;
      return handle as Handle;
    },
    allocateRange(group, size, count) {
      const first = takeRange(count);
      for (let handle = first; handle < first + count; handle++) begin(handle, group, size);
      used += count;
      return first as Handle;
    },
    release(handle) {
      end(handle, ((firstFree << 4) | FREE) >>> 0);
      firstFree = handle;
    },
    releaseInRange(handle) {
      end(handle, ((NO_HANDLE << 4) | FREE) >>> 0);
    },
    releaseRange(first, count) {
      const below = freeRanges.find((range) => range.first + range.count === first);
      if (below) below.count += count;
      else freeRanges.push({ first, count });
    },
    remoteId(handle) {
      return generations[handle]! * HANDLE_LIMIT + handle;
    },
    inUse: () => used,
    highWater: () => next,
  };
}

/** @throws FarUsageError when the handle names no living object. */
export function requireLive(table: HandleTable, handle: Handle): void {
  const word = table.words[handle];
  if (word === undefined || handle >= table.highWater() || (word & FLAGS_MASK) === FREE)
    throw new FarUsageError(`handle ${handle} names no object: it was freed, or it is of another far memory`);
}
