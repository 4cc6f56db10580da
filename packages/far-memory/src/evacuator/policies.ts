import { type Arena, NON_TEMPORAL, SEGMENT_USED } from '../arena/arena.ts';

/**
 * Which segments a round takes, and whether their hot objects survive. `clock2` (default) is AIFM's: the oldest first, and an object touched
 * twice since it was placed is moved instead of evicted. `cost-benefit` takes the segments that free most for the least copying,
 * (1 - u) * age / (1 + u) with u the share of live bytes (the log-structured file system's rule). `fifo` evicts the oldest, hot or not.
 */
export interface EvacuationPolicy {
  readonly keepsHot: boolean;
  /** Larger goes first. */
  urgency(arena: Arena, segment: number): number;
}

export const evacuationPolicies = {
  clock2: { keepsHot: true, urgency: (arena, segment) => ageOf(arena, segment) },
  'cost-benefit': {
    keepsHot: true,
    urgency(arena, segment) {
      const utilization = arena.liveBytes[segment]! / arena.segmentBytes;
      return ((1 - utilization) * ageOf(arena, segment)) / (1 + utilization);
    },
  },
  fifo: { keepsHot: false, urgency: (arena, segment) => ageOf(arena, segment) },
} as const satisfies Record<string, EvacuationPolicy>;

export type EvacuationPolicyName = keyof typeof evacuationPolicies;

function ageOf(arena: Arena, segment: number): number {
  return arena.closedSegments() - arena.ages[segment]!;
}

/** The `count` most urgent segments that nothing holds; those of non-temporal reads first. */
export function selectVictims(arena: Arena, policy: EvacuationPolicy, count: number): number[] {
  const candidates: { segment: number; urgency: number }[] = [];
  for (let segment = 0; segment < arena.segments; segment++) {
    if (arena.states[segment] !== SEGMENT_USED || arena.pins[segment] !== 0 || arena.busy[segment] !== 0) continue;
    const isFirst = arena.kinds[segment] === NON_TEMPORAL;
    candidates.push({ segment, urgency: isFirst ? Number.POSITIVE_INFINITY : policy.urgency(arena, segment) });
  }
  // With every byte live all benefits are zero: then the oldest goes first.
  candidates.sort((a, b) =>
    a.urgency === b.urgency ? arena.ages[a.segment]! - arena.ages[b.segment]! : b.urgency > a.urgency ? 1 : -1,
  );
  return candidates.slice(0, count).map(({ segment }) => segment);
}
