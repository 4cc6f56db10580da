import type { GuestZone } from '../guest.ts';
import { pagesPerHuge } from '../host-map.ts';
import type { Protocol, ProtocolParts } from './protocol.ts';

const hugeOrder = 9;
/** Blocks of 2 MiB in a memory block of the guest (128 MiB, x86 SECTION_SIZE). */
const blocksPerMemoryBlock = 64;

/**
 * virtio-mem (virtio 1.2, 5.15; specification 3.4): the guest unplugs 2 MiB blocks of the device's region from its end, memory block by memory block,
 * moving away what programs hold there; what cannot move stays plugged. With a passed-through device, plugging populates and pins.
 */
export function virtioMemProtocol({ guest, host, vfio, tell }: ProtocolParts): Protocol {
  const region = guest.zones[guest.zones.length - 1] as GuestZone;
  const first = region.first / pagesPerHuge;
  const blocks = Math.floor(region.frames / pagesPerHuge);
  /** Unplugged blocks, the last one first. */
  const unplugged: number[] = [];
  const isUnplugged = new Uint8Array(blocks);

  function unplug(block: number): boolean {
    const frame = (first + block) * pagesPerHuge;
    const moved = (from: number, to: number, pages: number) => {
      // What the guest copies is written at its new place if it was there at all.
      for (let page = 0; page < pages; page++) if (host.isPresent(from + page)) host.touch(to + page, 1);
    };
    if (!guest.vacate(frame, hugeOrder, moved)) return false;
    host.count('memUnplug2m');
    if (vfio) host.unmapDma(first + block);
    if (host.discardHuge(first + block) > 0) {
      host.count('zap2m');
      host.count('discardCall');
    }
    isUnplugged[block] = 1;
    unplugged.push(block);
    tell?.({ from: 'guest', text: 'unplug: a block is empty and offline', frame, pages: pagesPerHuge });
    return true;
  }

  return {
    shrink(pages) {
      let taken = 0;
      for (let end = blocks; end > 0 && taken < pages; end -= blocksPerMemoryBlock)
        for (let block = end - 1; block >= Math.max(0, end - blocksPerMemoryBlock) && taken < pages; block--)
          if (!isUnplugged[block] && unplug(block)) taken += pagesPerHuge;
      return taken;
    },
    grow(pages) {
      let given = 0;
      for (; given < pages && unplugged.length > 0; given += pagesPerHuge) {
        const block = unplugged.pop()!;
        isUnplugged[block] = 0;
        host.count('memPlug2m');
        if (vfio) {
          host.populate(first + block, false);
          host.mapDma(first + block);
        }
        const frame = (first + block) * pagesPerHuge;
        guest.giveBack(frame, hugeOrder);
        tell?.({ from: 'guest', text: 'plug: a block is online', frame, pages: pagesPerHuge });
      }
      return given;
    },
    advance: () => undefined,
    beforeUse: () => undefined,
  };
}
