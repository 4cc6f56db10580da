import { type Frame, pagesIn } from '../../machine/address.ts';
import { StrataError } from '../../machine/errors.ts';
import type { PageTable } from '../../machine/page-table.ts';

/** Frames of one physical space: contiguous, aligned to their number (a power of two). */
export interface FrameSource {
  take(count: number): Frame;
  give(frame: Frame, count: number): void;
}

/**
 * The guest-physical frames that an imported host table backs, handed out from the lowest up. What is given back is taken first.
 * @throws StrataError `io.tables-too-small` when the table backs no such run any more
 */
export function createBackedFrames(host: PageTable): FrameSource {
  const starts: number[] = [];
  const ends: number[] = [];
  host.forEachLeaf((vpn, _, level) => {
    if (ends.at(-1) === vpn) ends[ends.length - 1] = vpn + pagesIn[level];
    else {
      starts.push(vpn);
      ends.push(vpn + pagesIn[level]);
    }
  });
  const backed = host.mappedPages;
  const free = new Map<number, Frame[]>();
  /** By size: runs in front of it have no room for so many. */
  const firstFitting = new Map<number, number>();

  function take(count: number): Frame {
    const given = free.get(count)?.pop();
    if (given !== undefined) return given;
    for (let run = firstFitting.get(count) ?? 0; run < starts.length; run++) {
      const first = Math.ceil(starts[run]! / count) * count;
      const end = ends[run]!;
      if (first + count > end) continue;
      firstFitting.set(count, run);
      // What alignment leaves in front stays where it is; what lies behind becomes a run of its own then.
      if (first === starts[run]) starts[run] = first + count;
      else {
        ends[run] = first;
        starts.push(first + count);
        ends.push(end);
      }
      return first;
    }
    throw new StrataError({
      code: 'io.tables-too-small',
      what: `the tables of the host back no further ${count === 1 ? 'page' : `run of ${count} pages`} of the guest`,
      where: '--tables',
      expected: 'memory for all buffers, rings and tables of each guest',
      found: `${backed} pages of 4 KiB mapped`,
      mend: 'Dump a larger VM, use fewer or smaller buffers (--set ringSlots), or leave --tables out.',
    });
  }

  return {
    take,
    give(frame, count) {
      const list = free.get(count);
      if (list === undefined) free.set(count, [frame]);
      else list.push(frame);
    },
  };
}
