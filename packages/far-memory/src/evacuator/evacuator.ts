import { SEGMENT_EVACUATING, SEGMENT_OPEN, SEGMENT_USED } from '../arena/arena.ts';
import { FarMemoryFullError } from '../errors.ts';
import { MISS } from '../handles/words.ts';
import type { Heap, Space } from '../objects/heap.ts';
import type { WriteBacks } from '../objects/write-back.ts';
import type { Copier } from './copier.ts';
import { type EvacuationPolicy, selectVictims } from './policies.ts';
import { createSegmentWalk, type SegmentWalk, type Victim } from './segment-walk.ts';
import { isHigh, isLow, roundSegments, type Thresholds } from './thresholds.ts';

export interface EvacuatorOptions {
  readonly thresholds: Thresholds;
  readonly policy: EvacuationPolicy;
  readonly tickBudgetMs: number;
  readonly onFull: 'wait' | 'throw';
  readonly fullTimeoutMs: number;
  readonly copier: Copier;
}

export interface Evacuator extends Space {
  /** A segment became free. */
  onFree(): void;
  /** Frees segments within this turn, without waiting: drops clean objects, moves the rest. Returns how many became free. */
  reclaimSync(): number;
  close(): void;
}

interface Waiter {
  readonly since: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** How long to wait for pins and writes to end when no segment can be taken now. */
const RETRY_MS = 2;
/** The same after the far side refused a write. */
const RETRY_AFTER_FAILURE_MS = 50;
/** Many fetches at once may take this share of local memory from what is kept, no more. */
const LARGEST_SHARE_SOON = 1 / 8;
/** A segment that keeps being written to is left alone after so many walks. */
const MAX_WALKS = 4;

/**
 * Makes room by whole segments, in rounds of bounded ticks between the turns of the program (A2.3 item 5): an address that was obtained in
 * a turn is never moved in that turn, so reading needs no lock. Everything that changes a place happens here, on the owner thread.
 */
export function createEvacuator(heap: Heap, writeBacks: WriteBacks, options: EvacuatorOptions): Evacuator {
  const { arena, counters } = heap;
  const { thresholds, policy, tickBudgetMs, onFull, fullTimeoutMs } = options;
  const walk: SegmentWalk = createSegmentWalk(heap, writeBacks, { policy, copier: options.copier, wake: schedule });
  let victims: Victim[] = [];
  let waiters: Waiter[] = [];
  let isScheduled = false;
  let isClosed = false;
  let isRunning = false;
  let retry: NodeJS.Timeout | undefined;
  let lastProgress = 0;
  let freedInRound = 0;
  let hadFailure = false;
  /** Set from the start of an evacuation until enough is free: rounds go on in between. */
  let isRunningLow = false;

  function schedule(): void {
    if (isScheduled || isClosed) return;
    isScheduled = true;
    setImmediate(tick);
  }

  function retryLater(): void {
    if (isClosed) return;
    const delay = hadFailure ? RETRY_AFTER_FAILURE_MS : RETRY_MS;
    retry ??= setTimeout(() => {
      retry = undefined;
      schedule();
    }, delay);
  }

  function startRound(): void {
    const count = roundSegments(arena.freeSegments(), arena.segments, thresholds);
    let chosen = selectVictims(arena, policy, count);
    if (chosen.length === 0 && waiters.length > 0) {
      closeOpenSegments();
      chosen = selectVictims(arena, policy, count);
    }
    if (chosen.length > 0) counters.rounds++;
    freedInRound = 0;
    hadFailure = false;
    for (const segment of chosen) {
      arena.states[segment] = SEGMENT_EVACUATING;
      victims.push({
        segment,
        generation: arena.generations[segment]!,
        at: arena.first(segment),
        outstanding: 0,
        hasFailed: false,
        walks: 0,
      });
    }
  }

  function closeOpenSegments(): void {
    for (let segment = 0; segment < arena.segments; segment++)
      if (arena.states[segment] === SEGMENT_OPEN && arena.busy[segment] === 0 && arena.pins[segment] === 0)
        arena.close(segment);
  }

  function giveUp({ segment, generation }: Victim): void {
    if (arena.generations[segment] !== generation) return;
    arena.states[segment] = SEGMENT_USED;
    // Behind the others, so that the next round takes those.
    arena.ages[segment] = arena.closedSegments();
    arena.settle(segment);
  }

  /** Whether the victim is still to be worked on. */
  function isUnfinished(victim: Victim): boolean {
    if (arena.generations[victim.segment] !== victim.generation) return false;
    if (arena.pins[victim.segment] !== 0 || victim.hasFailed || victim.walks >= MAX_WALKS) {
      if (victim.hasFailed) hadFailure = true;
      if (victim.outstanding > 0) return true;
      giveUp(victim);
      return false;
    }
    return true;
  }

  function advance(deadline: number): void {
    for (const victim of victims) {
      if (arena.pins[victim.segment] !== 0 || victim.hasFailed) continue;
      if (victim.at === MISS && victim.outstanding === 0) {
        victim.at = arena.first(victim.segment);
        victim.walks++;
      }
      if (victim.walks < MAX_WALKS) walk.advance(victim, deadline);
      if (performance.now() >= deadline) break;
    }
    walk.commitMoves();
  }

  function tick(): void {
    isScheduled = false;
    if (isClosed) return;
    const start = performance.now();
    isRunning = true;
    if (victims.length === 0 && wantsRound()) startRound();
    advance(start + tickBudgetMs);
    isRunning = false;
    victims = victims.filter(isUnfinished);
    wakeWaiters();
    counters.longestTickMs = Math.max(counters.longestTickMs, performance.now() - start);
    plan();
  }

  function wantsRound(): boolean {
    return waiters.length > 0 || isRunningLow || isLow(spareSegments(), arena.segments, thresholds);
  }

  /** Free segments less those that will be asked for while a round runs: about as much as is being fetched now. */
  function spareSegments(): number {
    const soon = Math.ceil(heap.fetching.bytes / arena.segmentBytes) - 1;
    return arena.freeSegments() - Math.max(0, Math.min(soon, arena.segments * LARGEST_SHARE_SOON));
  }

  function plan(): void {
    const canGoOn = ({ at, outstanding }: Victim) => at !== MISS || outstanding === 0;
    if (victims.length > 0) {
      if (victims.some(canGoOn) && !walk.isBlocked()) schedule();
      else retryLater();
      return;
    }
    if (isHigh(spareSegments(), arena.segments, thresholds)) isRunningLow = false;
    if (waiters.length > 0) retryLater();
    else if (isRunningLow && freedInRound > 0) schedule();
    else isRunningLow = false;
  }

  function wakeWaiters(): void {
    if (arena.freeSegments() > heap.reserveSegments) for (const { resolve } of waiters.splice(0)) resolve();
    if (waiters.length === 0) return;
    const now = performance.now();
    const isLate = ({ since }: Waiter) => now - Math.max(since, lastProgress) > fullTimeoutMs;
    for (const waiter of waiters.filter(isLate))
      waiter.reject(fullError(`no segment became free in ${fullTimeoutMs} ms`));
    waiters = waiters.filter((waiter) => !isLate(waiter));
  }

  function fullError(what: string): FarMemoryFullError {
    const pinned = arena.pins.reduce((sum, pins) => sum + (pins > 0 ? 1 : 0), 0);
    const cause = writeBacks.lastError();
    const why =
      cause === undefined
        ? `${pinned} of ${arena.segments} segments are pinned; end scopes sooner, or open with a larger localBytes`
        : `dirty objects cannot be written to the far side: ${cause instanceof Error ? cause.message : String(cause)}`;
    return new FarMemoryFullError(`${what}: ${why}`, { cause });
  }

  return {
    check() {
      if (isScheduled || victims.length > 0) return;
      if (!isLow(spareSegments(), arena.segments, thresholds)) return;
      isRunningLow = true;
      schedule();
    },
    wait() {
      if (arena.freeSegments() > heap.reserveSegments) return Promise.resolve();
      if (isClosed) return Promise.reject(new FarMemoryFullError('the far memory was closed'));
      if (onFull === 'throw') {
        schedule();
        return Promise.reject(fullError('local memory is full'));
      }
      const since = performance.now();
      return new Promise<void>((resolve, reject) => {
        waiters.push({ since, resolve, reject });
        schedule();
      }).finally(() => {
        counters.waitMs += performance.now() - since;
      });
    },
    onFree() {
      lastProgress = performance.now();
      freedInRound++;
      if (!isRunning && waiters.length > 0) schedule();
    },
    reclaimSync() {
      const before = arena.freeSegments();
      const chosen = selectVictims(arena, policy, roundSegments(before, arena.segments, thresholds));
      for (const segment of chosen) walk.vacateSync(segment);
      return arena.freeSegments() - before;
    },
    close() {
      isClosed = true;
      clearTimeout(retry);
      for (const { reject } of waiters.splice(0)) reject(new FarMemoryFullError('the far memory was closed'));
    },
  };
}
