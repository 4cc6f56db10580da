import { describe, expect, it } from 'vitest';
import { createArena, NON_TEMPORAL, SURVIVOR, TEMPORAL } from '../arena/arena.ts';
import type { Location } from '../handles/words.ts';
import { evacuationPolicies, selectVictims } from './policies.ts';

const segmentBytes = 4096;

/** Four closed segments, oldest first, with 1, 4, 2 and 4 quarters live. */
function filledArena() {
  const arena = createArena({ segmentBytes, segments: 8, poison: false, onFree() {} });
  for (const live of [1, 4, 2, 4]) {
    const places: Location[] = [];
    for (let quarter = 0; quarter < 4; quarter++) places.push(arena.place(TEMPORAL, 1, 900, 0));
    for (const place of places.slice(live)) arena.leave(place);
    arena.close(arena.segmentOf(places[0]!));
  }
  return arena;
}

describe('victim selection', () => {
  it('takes the oldest first under clock2 and fifo', () => {
    expect(selectVictims(filledArena(), evacuationPolicies.clock2, 3)).toEqual([0, 1, 2]);
    expect(selectVictims(filledArena(), evacuationPolicies.fifo, 2)).toEqual([0, 1]);
  });

  it('weighs what is freed against what is copied under cost-benefit', () => {
    // (1 - u) age / (1 + u) with u = 916 live bytes of 4096 and so on: 2.5, 0.2, 0.8, 0.05.
    expect(selectVictims(filledArena(), evacuationPolicies['cost-benefit'], 4)).toEqual([0, 2, 1, 3]);
  });

  it('takes new objects down to a quarter of the segments under two-queue, then the oldest survivors', () => {
    const arena = createArena({ segmentBytes, segments: 8, poison: false, onFree() {} });
    for (const kind of [SURVIVOR, TEMPORAL, SURVIVOR, TEMPORAL, TEMPORAL, TEMPORAL])
      arena.close(arena.segmentOf(arena.place(kind, 1, 900, 0)));
    expect(selectVictims(arena, evacuationPolicies['two-queue'], 3)).toEqual([1, 3, 0]);
    expect(selectVictims(arena, evacuationPolicies['two-queue'], 6)).toEqual([1, 3, 0, 2, 4, 5]);
  });

  it('leaves what is pinned or has reads under way', () => {
    const arena = filledArena();
    arena.pins[0]!++;
    arena.busy[1]!++;
    expect(selectVictims(arena, evacuationPolicies.clock2, 4)).toEqual([2, 3]);
  });

  it('takes segments of non-temporal reads before all others', () => {
    const arena = filledArena();
    const place = arena.place(NON_TEMPORAL, 1, 900, 0);
    arena.close(arena.segmentOf(place));
    expect(selectVictims(arena, evacuationPolicies['cost-benefit'], 1)).toEqual([arena.segmentOf(place)]);
  });
});
