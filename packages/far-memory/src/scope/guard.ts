import { NO_OBJECT, RELEASED } from '../arena/arena.ts';
import { FarUsageError } from '../errors.ts';
import { ABSENT, CLEAN, EVACUATING, type Handle, type Location, locationOf } from '../handles/words.ts';
import type { Guard } from '../layout/layout.ts';
import type { Heap } from '../objects/heap.ts';

/** Debug mode: whether what a cursor shows is still there. */
export function createGuard({ arena, table }: Heap): Guard {
  const { words } = table;
  const { u32 } = arena.views;

  /** The object's word, or undefined for a non-temporal read in its turn. */
  function wordAt(object: Location, generation: number): number | undefined {
    const handle = u32[object - 2]!;
    const segment = arena.segmentOf(object);
    const isSameSegment = arena.generations[segment] === generation;
    const isReadOnce = handle === NO_OBJECT || (handle === RELEASED && arena.pins[segment] !== 0);
    if (isSameSegment && isReadOnce) return undefined;
    const word = words[handle as Handle];
    if (!isSameSegment || word === undefined || (word & ABSENT) !== 0 || locationOf(word) !== object)
      throw new FarUsageError(
        'a cursor was used after its object had been moved, evicted or freed: use it before the next await, or pin the object (far.scope, far.pinned)',
      );
    return word;
  }

  return {
    generationOf: (object) => arena.generations[arena.segmentOf(object)]!,
    checkRead(object, generation) {
      wordAt(object, generation);
    },
    checkWrite(object, generation) {
      const word = wordAt(object, generation);
      const isPinned = arena.pins[arena.segmentOf(object)] !== 0;
      if (word === undefined || (!isPinned && (word & (CLEAN | EVACUATING)) !== 0))
        throw new FarUsageError(
          'a write through a cursor of an earlier turn would be lost: the object was written back since; obtain it again after the await',
        );
    },
  };
}
