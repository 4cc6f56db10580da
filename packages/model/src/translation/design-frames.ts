import type { Frame } from '../machine/address.ts';
import type { AddressSpace, FrameSource } from '../machine/page-table.ts';

/** Half the physical address space: beyond all memory that an operating-system model manages. */
export const arenaStart = 2 ** 39;

/**
 * Host frames for the tables that one design adds. They come from an arena of its own, so that a design never moves what another one
 * walks and results do not depend on which designs run together. The arena is never fragmented.
 */
export function framesBeyond(start: Frame): FrameSource {
  let next: number = start;
  const freed: Frame[] = [];
  const take = (count: number, alignment: number): Frame => {
    const first = Math.ceil(next / alignment) * alignment;
    next = first + count;
    return first;
  };
  return {
    allocate: () => freed.pop() ?? take(1, 1),
    allocateBlock: (order) => take(2 ** order, 2 ** order),
    allocateRange: (count) => take(count, 1),
    free(frame, order) {
      for (let offset = 0; offset < 2 ** order; offset++) freed.push(frame + offset);
    },
  };
}

/** The same spaces, but host memory is taken from `frames`. */
export function withFramesOfItsOwn(spaces: readonly AddressSpace[], frames: FrameSource): AddressSpace[] {
  return spaces.map((space, dimension) =>
    dimension < spaces.length - 1
      ? space
      : {
          table: space.table,
          get vmas() {
            return space.vmas;
          },
          frames,
          ensure: (page) => space.ensure(page),
          observe: (observer) => space.observe(observer),
        },
  );
}
