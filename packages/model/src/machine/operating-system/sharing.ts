import type { Frame } from '../address.ts';
import type { FrameSource } from '../page-table.ts';

/** Frames that a process shares with those that were forked from it, each copied when one of them stores to it. */
export interface FrameSharing {
  /** Notes one more holder of `count` frames from `first` on. */
  share(first: Frame, count: number): void;
  isShared(frame: Frame): boolean;
  /** One holder lets go of a block: what nobody holds any more goes back to the memory. */
  release(first: Frame, order: number): void;
}

export function createSharing(frames: Pick<FrameSource, 'free'>): FrameSharing {
  /** Holders beyond the first, by frame. */
  const further = new Map<Frame, number>();
  return {
    share(first, count) {
      for (let frame = first; frame < first + count; frame++) further.set(frame, (further.get(frame) ?? 0) + 1);
    },
    isShared: (frame) => further.has(frame),
    release(first, order) {
      const count = 2 ** order;
      if (further.size === 0 || !anyIn(further, first, count)) {
        frames.free(first, order);
        return;
      }
      for (let frame = first; frame < first + count; frame++) {
        const others = further.get(frame);
        if (others === undefined) frames.free(frame, 0);
        else if (others === 1) further.delete(frame);
        else further.set(frame, others - 1);
      }
    },
  };
}

function anyIn(further: ReadonlyMap<Frame, number>, first: Frame, count: number): boolean {
  for (let frame = first; frame < first + count; frame++) if (further.has(frame)) return true;
  return false;
}
