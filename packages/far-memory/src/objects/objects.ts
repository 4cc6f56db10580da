import {
  HAS_REMOTE,
  NO_OBJECT,
  NON_TEMPORAL,
  PREFETCHED,
  RELEASED,
  SIZE_MASK,
  TEMPORAL,
  TOUCHED_ONCE,
} from '../arena/arena.ts';
import { FarMemoryFullError, FarUsageError } from '../errors.ts';
import { requireLive } from '../handles/handle-table.ts';
import {
  ABSENT,
  CLEAN,
  COLD,
  EVACUATING,
  FLAGS,
  FRESH,
  type Group,
  type Handle,
  type Location,
  locationOf,
  MISS,
  presentWord,
  READ_SLOW,
  REMOTE,
  WRITE_SLOW,
} from '../handles/words.ts';
import { HIT_LANE_MASK } from './counters.ts';
import type { Fetch, Heap, Space } from './heap.ts';

export interface ReadOptions {
  /** Non-temporal: the bytes are for this turn only and displace nothing. */
  readonly nt?: boolean;
}

/** Access to objects by handle. The `try` forms never allocate, never wait and never evict. */
export interface Objects {
  /** An all-zero object; it takes no local memory until it is touched. */
  create(group: Group, size: number): Handle;
  createRange(group: Group, size: number, count: number): Handle;
  /** Where the object is, for reading, or MISS. */
  tryGet(handle: Handle): Location;
  /** Where the object is, for writing in this turn, or MISS. */
  tryMut(handle: Handle): Location;
  /** Like `tryGet`, after bringing the object if it is away. Rejects with the store's error, or FarMemoryFullError. */
  get(handle: Handle, options?: ReadOptions): Promise<Location>;
  mut(handle: Handle): Promise<Location>;
  /** Blocks until the object is there. @throws FarUsageError when the store cannot do that, FarMemoryFullError when no segment is free. */
  getSync(handle: Handle): Location;
  mutSync(handle: Handle): Location;
  /** Starts to bring objects that are away. Whether one was started: false once local memory is short. */
  prefetch(handle: Handle): boolean;
  isPresent(handle: Handle): boolean;
  free(handle: Handle): void;
  /** Frees handles `first` to `first + count - 1` of a range; the range itself goes back when `isLast`. */
  freeInRange(first: Handle, from: number, to: number): void;
  /** Marks as written what a pin handed out for writing. */
  markWritten(handle: Handle): void;
}

export function createObjects(heap: Heap, space: Space): Objects {
  const { arena, table, store, counters, fetches, fetching } = heap;
  const { words, sizes, groups, generations } = table;
  const { u32 } = arena.views;
  const { hits } = counters;
  // Bundlers make variables of a module's constants; those of this closure stay constants in the fast path.
  const readSlow = READ_SLOW;
  const writeSlow = WRITE_SLOW;
  const placeMask = ~FLAGS;
  const laneMask = HIT_LANE_MASK;
  let toFree = new Map<number, number[]>();

  /** The first two touches of a placed object, and those of absent ones. */
  function touch(handle: Handle, word: number): Location {
    if ((word & ABSENT) !== 0) return materialise(handle, word);
    const location = locationOf(word);
    const marks = u32[location - 1]!;
    hits[handle & HIT_LANE_MASK]!++;
    if ((marks & PREFETCHED) !== 0) counters.prefetchUseful++;
    if (marks >= TOUCHED_ONCE) words[handle] = word & ~COLD;
    u32[location - 1] = (marks & ~PREFETCHED) | TOUCHED_ONCE;
    return location;
  }

  /** A fresh object becomes a place full of zeros, dirty; any other absent one is a miss. */
  function materialise(handle: Handle, word: number): Location {
    if (word !== FRESH) {
      if (word !== REMOTE) requireLive(table, handle);
      return MISS;
    }
    const size = sizes[handle]!;
    const location = arena.place(TEMPORAL, handle, size, heap.reserveSegments);
    space.check();
    if (location === MISS) return MISS;
    u32.fill(0, location, location + ((size + 3) >>> 2));
    words[handle] = presentWord(location, COLD);
    u32[location - 1] = size + TOUCHED_ONCE;
    return location;
  }

  function touchToWrite(handle: Handle, word: number): Location {
    if ((word & ABSENT) !== 0) return materialise(handle, word);
    if ((word & READ_SLOW) !== 0) touch(handle, word);
    else hits[handle & HIT_LANE_MASK]!++;
    words[handle] = words[handle]! & ~(EVACUATING | CLEAN);
    return locationOf(word);
  }

  function tryGetUncounted(handle: Handle): Location {
    const word = words[handle]!;
    if ((word & readSlow) !== 0) return touch(handle, word);
    return ((word & placeMask) >>> 2) as Location;
  }

  function tryGetCounted(handle: Handle): Location {
    const word = words[handle]!;
    if ((word & readSlow) !== 0) return touch(handle, word);
    hits[handle & laneMask]!++;
    return ((word & placeMask) >>> 2) as Location;
  }

  function tryMutUncounted(handle: Handle): Location {
    const word = words[handle]!;
    if ((word & writeSlow) !== 0) return touchToWrite(handle, word);
    return (word >>> 2) as Location;
  }

  function tryMutCounted(handle: Handle): Location {
    const word = words[handle]!;
    if ((word & writeSlow) !== 0) return touchToWrite(handle, word);
    hits[handle & laneMask]!++;
    return (word >>> 2) as Location;
  }

  const tryGet = heap.countHits ? tryGetCounted : tryGetUncounted;
  const tryMut = heap.countHits ? tryMutCounted : tryMutUncounted;

  async function placeForFetch(size: number): Promise<Location> {
    for (;;) {
      await space.wait();
      const location = arena.place(TEMPORAL, NO_OBJECT, size, heap.reserveSegments);
      space.check();
      if (location !== MISS) return location;
    }
  }

  /** The slot goes back unless its object is still away and this is still the read that it waits for. */
  function arrive(handle: Handle, fetch: Fetch | undefined, location: Location): void {
    if (words[handle] !== REMOTE || fetches.get(handle) !== fetch) {
      arena.leave(location);
      return;
    }
    words[handle] = presentWord(location, COLD | CLEAN);
    u32[location - 2] = handle;
    u32[location - 1] = sizes[handle]! + HAS_REMOTE + (fetch?.isPrefetch && !fetch.wasLate ? PREFETCHED : 0);
  }

  async function bring(handle: Handle, fetch: Fetch, placed: Location): Promise<void> {
    const id = table.remoteId(handle);
    const size = sizes[handle]!;
    fetching.bytes += size;
    try {
      const location = placed === MISS ? await placeForFetch(size) : placed;
      const segment = arena.segmentOf(location);
      arena.busy[segment]!++;
      try {
        const start = performance.now();
        await store.read(groups[handle]!, id, arena.bytesAt(location, size), fetch.isPrefetch ? 'prefetch' : 'demand');
        heap.link.observe(start, performance.now(), size);
        arrive(handle, fetch, location);
      } catch (error) {
        arena.leave(location);
        throw error;
      } finally {
        arena.busy[segment]!--;
        arena.settle(segment);
      }
    } finally {
      fetching.bytes -= size;
      if (fetches.get(handle) === fetch) fetches.delete(handle);
    }
  }

  function startFetch(handle: Handle, isPrefetch: boolean): Fetch | undefined {
    // A guess leaves one more segment to those who wait for theirs.
    const reserve = heap.reserveSegments + (isPrefetch ? 1 : 0);
    const placed = arena.place(TEMPORAL, NO_OBJECT, sizes[handle]!, reserve);
    space.check();
    if (placed === MISS && isPrefetch) return undefined;
    const fetch: Fetch = { arrived: settled, isPrefetch, wasLate: false };
    fetches.set(handle, fetch);
    fetch.arrived = bring(handle, fetch, placed);
    if (isPrefetch) fetch.arrived.catch(ignore);
    return fetch;
  }

  function demand(handle: Handle): Promise<void> {
    const underWay = fetches.get(handle);
    counters.misses++;
    if (underWay === undefined) return startFetch(handle, false)!.arrived;
    counters.coalesced++;
    if (underWay.isPrefetch && !underWay.wasLate) {
      underWay.wasLate = true;
      counters.prefetchLate++;
      heap.prefetchFeedback.get(groups[handle]!)?.onLate();
    }
    return underWay.arrived;
  }

  async function bringUntil(attempt: (handle: Handle) => Location, handle: Handle): Promise<Location> {
    const life = generations[handle];
    for (;;) {
      const location = attempt(handle);
      if (location !== MISS) return location;
      try {
        await (words[handle] === FRESH ? space.wait() : demand(handle));
      } finally {
        if (generations[handle] !== life) rejectFreed(handle);
      }
    }
  }

  function rejectFreed(handle: Handle): never {
    throw new FarUsageError(`object ${handle} was freed while it was being brought`);
  }

  /** Reads into a place of the ring of non-temporal segments; it is given back after this turn. */
  async function readOnce(handle: Handle): Promise<Location> {
    if (words[handle] !== REMOTE || fetches.has(handle)) return bringUntil(tryGet, handle);
    counters.misses++;
    const size = sizes[handle]!;
    let location = arena.place(NON_TEMPORAL, NO_OBJECT, size, heap.reserveSegments);
    while (location === MISS) {
      space.check();
      await space.wait();
      location = arena.place(NON_TEMPORAL, NO_OBJECT, size, heap.reserveSegments);
    }
    const segment = arena.segmentOf(location);
    arena.busy[segment]!++;
    const release = () => {
      arena.busy[segment]!--;
      u32[location - 2] = RELEASED;
      arena.leave(location);
      arena.settle(segment);
    };
    try {
      await store.read(groups[handle]!, table.remoteId(handle), arena.bytesAt(location, size), 'demand');
    } catch (error) {
      release();
      throw error;
    }
    setImmediate(release);
    return location;
  }

  function bringSync(handle: Handle): void {
    if (store.readSync === undefined)
      throw new FarUsageError(
        'this far side cannot be read synchronously; await get(), or open it with sync: "worker"',
      );
    const size = sizes[handle]!;
    const location = arena.place(TEMPORAL, NO_OBJECT, size, heap.reserveSegments);
    space.check();
    if (location === MISS)
      throw new FarMemoryFullError(
        `no local memory for ${size} bytes: a synchronous turn holds everything it touched; call reclaimSync() between phases, or await`,
      );
    counters.misses++;
    try {
      store.readSync(groups[handle]!, table.remoteId(handle), arena.bytesAt(location, size));
    } catch (error) {
      arena.leave(location);
      throw error;
    }
    // A read under way would bring bytes that are older than what may be written from now on.
    fetches.delete(handle);
    arrive(handle, undefined, location);
  }

  function attemptSync(attempt: (handle: Handle) => Location, handle: Handle): Location {
    const location = attempt(handle);
    if (location !== MISS) return location;
    if (words[handle] === FRESH)
      throw new FarMemoryFullError('no local memory for a new object in this turn; await, or call reclaimSync()');
    bringSync(handle);
    return attempt(handle);
  }

  function forgetRemote(handle: Handle): void {
    const group = groups[handle]!;
    if (toFree.size === 0) queueMicrotask(flushFrees);
    const ids = toFree.get(group);
    if (ids) ids.push(table.remoteId(handle));
    else toFree.set(group, [table.remoteId(handle)]);
  }

  function flushFrees(): void {
    const batch = toFree;
    toFree = new Map();
    for (const [group, ids] of batch) store.free(group, ids);
  }

  /** Gives the place and the far copy back. */
  function vacate(handle: Handle): void {
    requireLive(table, handle);
    const word = words[handle]!;
    fetches.delete(handle);
    heap.writes.delete(handle);
    if (word === FRESH) return;
    if ((word & ABSENT) !== 0) {
      forgetRemote(handle);
      return;
    }
    const location = locationOf(word);
    if ((u32[location - 1]! & HAS_REMOTE) !== 0) forgetRemote(handle);
    arena.leave(location);
  }

  return {
    create(group, size) {
      if (size > arena.maxObjectBytes || size > SIZE_MASK)
        throw new FarUsageError(
          `an object of ${size} bytes does not fit a segment (at most ${arena.maxObjectBytes} bytes); split it, or enlarge segmentBytes`,
        );
      return table.allocate(group, size);
    },
    createRange(group, size, count) {
      if (size > arena.maxObjectBytes)
        throw new FarUsageError(
          `objects of ${size} bytes do not fit a segment (at most ${arena.maxObjectBytes} bytes); enlarge segmentBytes`,
        );
      return table.allocateRange(group, size, count);
    },
    tryGet,
    tryMut,
    get: (handle, options) => (options?.nt ? readOnce(handle) : bringUntil(tryGet, handle)),
    mut: (handle) => bringUntil(tryMut, handle),
    getSync: (handle) => attemptSync(tryGet, handle),
    mutSync: (handle) => attemptSync(tryMut, handle),
    prefetch(handle) {
      if (words[handle] !== REMOTE || fetches.has(handle)) return true;
      if (startFetch(handle, true) === undefined) return false;
      counters.prefetchIssued++;
      return true;
    },
    isPresent: (handle) => (words[handle]! & ABSENT) === 0,
    free(handle) {
      vacate(handle);
      table.release(handle);
    },
    freeInRange(first, from, to) {
      for (let index = from; index < to; index++) {
        vacate((first + index) as Handle);
        table.releaseInRange((first + index) as Handle);
      }
    },
    markWritten(handle) {
      const word = words[handle]!;
      if ((word & ABSENT) === 0) words[handle] = word & ~(EVACUATING | CLEAN);
    },
  };
}

const settled = Promise.resolve();

function ignore(): void {}
