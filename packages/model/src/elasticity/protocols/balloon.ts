import { pagesPerHuge } from '../host-map.ts';
import type { Protocol, ProtocolParts } from './protocol.ts';

/** Entries of one buffer on the inflate queue (Linux VIRTIO_BALLOON_ARRAY_PFNS_MAX). */
const entriesPerList = 256;

/**
 * virtio-balloon (virtio 1.2, 5.5.6): the guest takes pages from its own allocator, names them in lists of 256 and waits for each list; the host
 * discards page by page. Nothing says which pages: whatever the allocator hands out.
 */
export function smallBalloon(parts: ProtocolParts): Protocol {
  return balloon(parts, 0, (frame) => {
    const { host } = parts;
    host.count('balloonInflate4k');
    const met = host.discardPage(frame);
    if (met !== 'absent') host.count(met === 'small' ? 'balloonZap4k' : 'balloonZapHugeBacked4k');
  });
}

/** The artifact's patch: one order-9 page per entry, one discard per 2 MiB. */
export function hugeBalloon(parts: ProtocolParts): Protocol {
  return balloon(parts, 9, (frame) => {
    const { host } = parts;
    host.count('balloonInflate2m');
    if (host.discardHuge(frame / pagesPerHuge) === 0) return;
    host.count('zap2m');
    host.count('discardCall');
  });
}

function balloon({ guest, host, tell }: ProtocolParts, order: number, discard: (frame: number) => void): Protocol {
  const held: number[] = [];
  const pagesEach = 2 ** order;
  return {
    shrink(pages) {
      let taken = 0;
      while (taken < pages) {
        const list: number[] = [];
        while (list.length < entriesPerList && taken + list.length * pagesEach < pages) {
          const handle = guest.allocate(0, order, true);
          if (handle < 0) break;
          list.push(handle);
        }
        if (list.length === 0) break;
        tell?.({
          from: 'guest',
          text: `inflate: a list of ${list.length} page numbers, then wait`,
          frame: guest.frameOf(list[0]!),
          pages: list.length * pagesEach,
        });
        for (const handle of list) discard(guest.frameOf(handle));
        tell?.({
          from: 'host',
          text: `discard ${list.length} times, then answer`,
          frame: guest.frameOf(list[0]!),
          pages: list.length * pagesEach,
        });
        for (const handle of list) held.push(handle);
        taken += list.length * pagesEach;
      }
      return taken;
    },
    grow(pages) {
      let given = 0;
      for (; given < pages && held.length > 0; given += pagesEach) {
        const handle = held.pop()!;
        if (given % (entriesPerList * pagesEach) === 0)
          tell?.({
            from: 'guest',
            text: 'deflate: tell the host, then free the pages',
            frame: guest.frameOf(handle),
            pages: Math.min(entriesPerList, held.length + 1) * pagesEach,
          });
        host.count(order === 0 ? 'balloonDeflate4k' : 'balloonDeflate2m');
        guest.free(0, handle);
      }
      return given;
    },
    advance: () => undefined,
    beforeUse: () => undefined,
  };
}
