import { type Frame, guestPage } from '../machine/address.ts';
import type { MemoryEvent } from '../machine/memory-events.ts';
import type { AddressSpaces, DemandSpace } from '../machine/operating-system/index.ts';

/** A VM under a trace whose memory comes and goes. */
export interface ResizedVm {
  /** Changes of the IOMMU are none of its business. */
  apply(event: MemoryEvent): void;
  readonly counts: ResizedCounts;
}

export interface ResizedCounts {
  /** Mappings of the host taken away. */
  readonly unmapped: number;
  /** Frames given back to the guest. */
  readonly mapped: number;
  /** Huge pages of the host that were split to take a part of them. */
  readonly splits: number;
  /** Events for which the guest of the trace had no free frame left. */
  readonly refused: number;
}

/**
 * Lets what happens to a VM's memory happen to the VM that a trace runs in. As in a real guest its own allocator chooses the frames that leave,
 * the lowest block of the smallest sufficient size; the host had them mapped, and takes the mapping away: huge pages are split where
 * only a part leaves, TLBs and designs are told. A frame that comes back goes to the allocator and is mapped when it is handed out next.
 * @param machine of the set-up virtualized or nested: the process, then the VM
 */
export function createResizedVm({ spaces, memories }: AddressSpaces): ResizedVm {
  const guest = memories[0]!;
  const host = spaces[1] as DemandSpace;
  /** Frames of the recorded VM to what left here in their place. */
  const taken = new Map<number, { readonly own: Frame; readonly pages: number }>();
  const counts = { unmapped: 0, mapped: 0, splits: 0, refused: 0 };

  function takeAway(frame: number, pages: number): void {
    const own = guest.allocateRange(pages);
    if (own < 0) {
      counts.refused++;
      return;
    }
    taken.set(frame, { own: own as Frame, pages });
    for (let page = 0; page < pages; page++) host.ensure(guestPage((own + page) as Frame));
    const before = host.statistics.splits;
    host.munmap(guestPage(own as Frame), guestPage((own + pages) as Frame));
    counts.splits += host.statistics.splits - before;
    counts.unmapped++;
  }

  function giveBack(frame: number, pages: number): void {
    for (let at = frame; at < frame + pages; at++) {
      const left = taken.get(at);
      if (left === undefined) continue;
      taken.delete(at);
      host.mmap(guestPage(left.own), guestPage((left.own + left.pages) as Frame));
      guest.freeRange(left.own, left.pages);
      counts.mapped++;
    }
  }

  return {
    counts,
    apply({ kind, frame, pages }) {
      if (kind === 'ept-unmap') takeAway(frame, pages);
      else if (kind === 'ept-map') giveBack(frame, pages);
    },
  };
}
