import { pagesPerHuge } from '../host-map.ts';
import type { Protocol, ProtocolParts } from './protocol.ts';

/** Blocks that hinting takes (Linux MAX_ORDER - 1 = 10: 4 MiB). */
const blockOrder = 10;

/**
 * Free page hinting (virtio 1.2, 5.5.6.8; specification 3.3): on the host's command the guest takes all the largest blocks that it has, names them,
 * and frees them when the host says it is done. Until then the guest is short of them.
 */
export function hintingProtocol({ guest, host, config, tell }: ProtocolParts): Protocol {
  let nextDrain = config.hinting.periodSeconds;

  function drain(): void {
    tell?.({ from: 'host', text: 'start: name your free blocks', frame: 0, pages: 0 });
    const held: number[] = [];
    for (let handle = guest.allocate(0, blockOrder, true); handle >= 0; handle = guest.allocate(0, blockOrder, true))
      held.push(handle);
    for (const handle of held) {
      const first = guest.frameOf(handle) / pagesPerHuge;
      for (let huge = first; huge < first + 2 ** blockOrder / pagesPerHuge; huge++)
        if (host.discardHuge(huge) > 0) {
          host.count('zap2m');
          host.count('discardCall');
        }
    }
    tell?.({
      from: 'guest',
      text: `hint: ${held.length} blocks of 4 MiB, held until the host is done`,
      frame: held.length > 0 ? guest.frameOf(held[0]!) : 0,
      pages: held.length * 2 ** blockOrder,
    });
    for (const handle of held) guest.free(0, handle);
    tell?.({ from: 'host', text: 'done: free them', frame: 0, pages: held.length * 2 ** blockOrder });
  }

  return {
    shrink: () => 0,
    grow: () => 0,
    advance(seconds) {
      for (; nextDrain <= seconds; nextDrain += config.hinting.periodSeconds) drain();
    },
    beforeUse: () => undefined,
  };
}
