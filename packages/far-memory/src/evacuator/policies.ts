import { type Arena, NON_TEMPORAL, SEGMENT_USED, type SegmentKind, SURVIVOR, TEMPORAL } from '../arena/arena.ts';

/**
 * Which segments a round takes, and which of their objects survive. `two-queue` (default) evicts what was brought lately before what has
 * proved itself: while segments of new objects are more than a quarter of all, the oldest of those, else the oldest of survivors; a new object
 * survives when it was touched twice, a survivor when it was touched since it was moved. So a scan displaces no working set (the idea of 2Q,
 * Johnson and Shasha, VLDB 1994). `clock2` is AIFM's: the oldest first, and an object touched twice since it was placed is moved instead of
 * evicted. `cost-benefit` takes the segments that free most for the least copying, (1 - u) * age / (1 + u) with u the share of live bytes
 * (the log-structured file system's rule). `fifo` evicts the oldest, hot or not.
 */
export interface EvacuationPolicy {
  /** Touches since it was placed from which on an object is moved: 1, 2, or never. */
  readonly touchesToStay: Readonly<Record<'new' | 'survivor', 1 | 2 | 'never'>>;
  /** The most urgent of some segments, oldest first, at most `count`. */
  choose(arena: Arena, candidates: readonly number[], count: number): readonly number[];
}

/** Share of all segments that new objects keep: of 0.1, 0.2 and 0.25 the one that also follows a working set that moves (miss-ratio.test.ts). */
const NEW_SHARE = 0.25;

const oldest: EvacuationPolicy['choose'] = (_, candidates, count) => candidates.slice(0, count);

export const evacuationPolicies = {
  'two-queue': { touchesToStay: { new: 2, survivor: 1 }, choose: chooseNewBeforeSurvivors },
  clock2: { touchesToStay: { new: 2, survivor: 2 }, choose: oldest },
  'cost-benefit': { touchesToStay: { new: 2, survivor: 2 }, choose: chooseByBenefit },
  fifo: { touchesToStay: { new: 'never', survivor: 'never' }, choose: oldest },
} as const satisfies Record<string, EvacuationPolicy>;

export type EvacuationPolicyName = keyof typeof evacuationPolicies;

function chooseNewBeforeSurvivors(arena: Arena, candidates: readonly number[], count: number): readonly number[] {
  const isNew = (segment: number) => arena.kinds[segment] !== SURVIVOR;
  const [fresh, survivors] = [candidates.filter(isNew), candidates.filter((segment) => !isNew(segment))];
  let surplus = usedSegments(arena, TEMPORAL) - Math.floor(NEW_SHARE * arena.segments);
  const chosen: number[] = [];
  while (chosen.length < count && fresh.length + survivors.length > 0) {
    const takesNew = fresh.length > 0 && (surplus > 0 || survivors.length === 0);
    chosen.push((takesNew ? fresh : survivors).shift()!);
    if (takesNew) surplus--;
  }
  return chosen;
}

function usedSegments(arena: Arena, kind: SegmentKind): number {
  let count = 0;
  for (let segment = 0; segment < arena.segments; segment++)
    if (arena.states[segment] === SEGMENT_USED && arena.kinds[segment] === kind) count++;
  return count;
}

function chooseByBenefit(arena: Arena, candidates: readonly number[], count: number): readonly number[] {
  const benefit = (segment: number) => {
    const utilization = arena.liveBytes[segment]! / arena.segmentBytes;
    return ((1 - utilization) * (arena.closedSegments() - arena.ages[segment]!)) / (1 + utilization);
  };
  // With every byte live all benefits are zero: then the oldest goes first.
  return candidates.toSorted((a, b) => benefit(b) - benefit(a)).slice(0, count);
}

/** The `count` most urgent segments that nothing holds; those of non-temporal reads first. */
export function selectVictims(arena: Arena, policy: EvacuationPolicy, count: number): readonly number[] {
  const candidates: number[] = [];
  for (let segment = 0; segment < arena.segments; segment++)
    if (arena.states[segment] === SEGMENT_USED && arena.pins[segment] === 0 && arena.busy[segment] === 0)
      candidates.push(segment);
  candidates.sort((a, b) => arena.ages[a]! - arena.ages[b]!);
  const readOnce = candidates.filter((segment) => arena.kinds[segment] === NON_TEMPORAL).slice(0, count);
  const others = candidates.filter((segment) => arena.kinds[segment] !== NON_TEMPORAL);
  return [...readOnce, ...policy.choose(arena, others, count - readOnce.length)];
}
