import { HAS_REMOTE, NO_OBJECT, PREFETCHED, SURVIVOR, TOUCHED_ONCE } from '../arena/arena.ts';
import {
  ABSENT,
  CLEAN,
  COLD,
  EVACUATING,
  type Handle,
  type Location,
  locationOf,
  MISS,
  presentWord,
  REMOTE,
} from '../handles/words.ts';
import type { Heap } from '../objects/heap.ts';
import type { WriteBacks } from '../objects/write-back.ts';
import { addMove, type Copier, createMovePlan, PLAN_OBJECTS } from './copier.ts';
import type { EvacuationPolicy } from './policies.ts';

/** A segment being evacuated. */
export interface Victim {
  readonly segment: number;
  readonly generation: number;
  /** Next object to look at, or MISS after the last. */
  at: Location;
  /** Writes and copies under way. */
  outstanding: number;
  /** A write of one of its objects failed. */
  hasFailed: boolean;
  walks: number;
}

export interface SegmentWalk {
  /** Drops, writes and plans to move objects of the victim until the deadline (in `performance.now()` ms). */
  advance(victim: Victim, deadline: number): void;
  /** Copies what was planned, now or in the worker, and flips the words. */
  commitMoves(): void;
  /** Whether nothing can go on before a write or a copy ends. */
  isBlocked(): boolean;
  /** Empties a segment in this turn, if there is room for what has to be moved. */
  vacateSync(segment: number): void;
}

export interface SegmentWalkOptions {
  readonly policy: EvacuationPolicy;
  readonly copier: Copier;
  /** Something that the evacuator waited for has ended. */
  readonly wake: () => void;
}

/** Bytes of write-backs under way: more would only queue in the store, and queued bytes are memory. */
const WRITE_WINDOW_BYTES: number = 4 * 2 ** 20;
/** Writes under way, however small: what an agent accepts per connection (A2.4). */
const WRITE_WINDOW_OBJECTS = 4096;
/** The clock is read once per so many objects or bytes, whichever comes first. */
const OBJECTS_PER_CLOCK = 32;
const BYTES_PER_CLOCK: number = 64 * 1024;
/** Bytes that one plan copies: at 0.25 ms per MiB a fraction of the tick budget, should the owner have to. */
const PLAN_BYTES: number = 2 ** 20;

export function createSegmentWalk(heap: Heap, writeBacks: WriteBacks, options: SegmentWalkOptions): SegmentWalk {
  const { arena, table, counters, writes } = heap;
  const { words, sizes } = table;
  const { u32 } = arena.views;
  const plan = createMovePlan();
  let planVictims: Victim[] = [];
  let isCopying = false;

  const isWindowFull = () => writeBacks.bytesInFlight() >= WRITE_WINDOW_BYTES || writes.size >= WRITE_WINDOW_OBJECTS;

  /** Whether the object of that header is still there. */
  function isLiveAt(location: Location, handle: number): boolean {
    if (handle === NO_OBJECT) return false;
    const word = words[handle]!;
    return (word & ABSENT) === 0 && locationOf(word) === location;
  }

  function drop(handle: Handle, location: Location): void {
    if ((u32[location - 1]! & PREFETCHED) !== 0) {
      counters.prefetchWasted++;
      heap.prefetchFeedback.get(table.groups[handle]!)?.onWasted();
    }
    words[handle] = REMOTE;
    counters.cleanDropped++;
    arena.leave(location);
  }

  function follow(victim: Victim, work: Promise<unknown>): void {
    victim.outstanding++;
    void work.then(() => {
      victim.outstanding--;
      options.wake();
    });
  }

  function writeOut(victim: Victim, handle: Handle): void {
    const written = writeBacks.write(handle).then((result) => {
      if (!result.ok) victim.hasFailed = true;
    });
    follow(victim, written);
  }

  /** Whether a place was found. */
  function planMove(victim: Victim, handle: Handle, location: Location): boolean {
    const to = arena.place(SURVIVOR, NO_OBJECT, sizes[handle]!, 0);
    if (to === MISS) return false;
    words[handle] = words[handle]! | EVACUATING;
    arena.busy[arena.segmentOf(to)]!++;
    arena.busy[victim.segment]!++;
    victim.outstanding++;
    planVictims.push(victim);
    addMove(plan, handle, location, to, sizes[handle]!);
    return true;
  }

  function canMove(): boolean {
    return !isCopying && plan.count < PLAN_OBJECTS && plan.bytes < PLAN_BYTES;
  }

  /** Whether it was touched as often as the policy asks. */
  function hasProved({ segment }: Victim, word: number, location: Location): boolean {
    const { touchesToStay } = options.policy;
    const wanted = arena.kinds[segment] === SURVIVOR ? touchesToStay.survivor : touchesToStay.new;
    if (wanted === 'never') return false;
    return (word & COLD) === 0 || (wanted === 1 && u32[location - 1]! >= TOUCHED_ONCE);
  }

  /** What to do with one object. False: not now. */
  function evacuate(victim: Victim, handle: Handle, location: Location): boolean {
    const word = words[handle]!;
    // Written to since that write was issued or not: until it has ended, its end could not tell the two marks apart.
    const underWay = writes.get(handle);
    if (underWay) follow(victim, underWay.settled);
    if (underWay || (word & EVACUATING) !== 0) return true;
    const isDirty = (word & CLEAN) === 0;
    const isAlmostEmpty = arena.freeSegments() <= heap.reserveSegments;
    // Written again since its write-back was issued: it is in use, and another write might end the same way.
    const isRescue = isDirty && victim.walks > 0;
    if (isRescue || (!isAlmostEmpty && hasProved(victim, word, location))) {
      if (!canMove()) return false;
      if (planMove(victim, handle, location)) {
        if (isRescue) counters.rescued++;
        return true;
      }
    }
    if (!isDirty) {
      drop(handle, location);
      return true;
    }
    if (isWindowFull()) return false;
    writeOut(victim, handle);
    return true;
  }

  function finishMove(index: number): void {
    const handle = plan.handles[index]! as Handle;
    const from = plan.from[index]! as Location;
    const to = plan.to[index]! as Location;
    const source = arena.segmentOf(from);
    const target = arena.segmentOf(to);
    arena.busy[source]!--;
    arena.busy[target]!--;
    planVictims[index]!.outstanding--;
    const word = words[handle]!;
    const isThere = (word & ABSENT) === 0 && locationOf(word) === from;
    // A write-back under way was issued after a write: the mark is its own, not the copy's.
    const isWriteBack = writes.has(handle);
    if (!isThere || (word & EVACUATING) === 0 || isWriteBack || arena.pins[source] !== 0) {
      // Written, freed or pinned since: the copy is void.
      if (isThere && !isWriteBack) words[handle] = word & ~EVACUATING;
      u32[to - 2] = NO_OBJECT;
      u32[to - 1] = plan.sizes[index]!;
      arena.leave(to);
      arena.settle(source);
      return;
    }
    u32[to - 2] = handle;
    u32[to - 1] = plan.sizes[index]! + (u32[from - 1]! & HAS_REMOTE);
    words[handle] = presentWord(to, COLD | (word & CLEAN));
    counters.evacuated++;
    arena.leave(from);
    arena.settle(target);
  }

  function finishMoves(): void {
    for (let index = 0; index < plan.count; index++) finishMove(index);
    plan.count = 0;
    plan.bytes = 0;
    planVictims = [];
    isCopying = false;
  }

  return {
    advance(victim, deadline) {
      const { segment, generation } = victim;
      let objects = 0;
      let bytes = 0;
      while (victim.at !== MISS) {
        const location = victim.at;
        const handle = u32[location - 2]!;
        const next = arena.after(location);
        if (isLiveAt(location, handle) && !evacuate(victim, handle as Handle, location)) return;
        victim.at = next;
        if (arena.generations[segment] !== generation) {
          victim.at = MISS;
          return;
        }
        objects++;
        bytes += (next === MISS ? 0 : next - location) * 4;
        if (objects < OBJECTS_PER_CLOCK && bytes < BYTES_PER_CLOCK) continue;
        if (performance.now() >= deadline) return;
        objects = 0;
        bytes = 0;
      }
    },
    commitMoves() {
      if (isCopying || plan.count === 0) return;
      isCopying = true;
      options.copier.run(plan, () => {
        finishMoves();
        options.wake();
      });
    },
    isBlocked: () => isCopying || isWindowFull(),
    vacateSync(segment) {
      const generation = arena.generations[segment]!;
      let location = arena.first(segment);
      while (location !== MISS && arena.generations[segment] === generation) {
        const handle = u32[location - 2]! as Handle;
        const next = arena.after(location);
        if (isLiveAt(location, handle)) vacate(handle, location);
        location = next;
      }
    },
  };

  function vacate(handle: Handle, location: Location): void {
    const word = words[handle]!;
    if ((word & CLEAN) !== 0) {
      drop(handle, location);
      return;
    }
    if ((word & EVACUATING) !== 0) return;
    const size = sizes[handle]!;
    const to = arena.place(SURVIVOR, handle, size, 0);
    if (to === MISS) return;
    u32.copyWithin(to, location, location + ((size + 3) >>> 2));
    u32[to - 1] = size + (u32[location - 1]! & HAS_REMOTE);
    words[handle] = presentWord(to, COLD);
    counters.evacuated++;
    arena.leave(location);
  }
}
