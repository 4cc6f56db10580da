import type { BuddyZone } from '../guest.ts';
import { pagesPerHuge } from '../host-map.ts';
import { migrateTypes } from '../linux-buddy.ts';
import type { Protocol, ProtocolParts } from './protocol.ts';

const largestOrder = 10;
/** A pass reports at most this part of a list, and one batch more (Linux: PAGE_REPORTING_CAPACITY x 16). */
const budgetDivisor = 16;

/**
 * Free page reporting (virtio 1.2, 5.5.6; Linux mm/page_reporting.c; specification 3.2): some time after memory was freed, the guest goes through
 * its free lists, names blocks that it has not named yet, and the host discards them. What a pass leaves waits for the next one.
 */
export function reportingProtocol({ guest, host, config, tell }: ProtocolParts): Protocol {
  const { order: leastOrder, delaySeconds, capacity } = config.reporting;
  const zones = guest.zones.filter((zone): zone is BuddyZone => zone.kind === 'buddy');
  let nextPass = delaySeconds;

  function discard(frame: number, order: number): void {
    const pages = 2 ** order;
    if (pages >= pagesPerHuge) {
      for (let huge = frame / pagesPerHuge; huge < (frame + pages) / pagesPerHuge; huge++)
        if (host.discardHuge(huge) > 0) {
          host.count('zap2m');
          host.count('discardCall');
        }
      return;
    }
    for (let page = frame; page < frame + pages; page++)
      if (host.discardPage(page) !== 'absent') host.count('reportCycle4k');
  }

  function passOver(zone: BuddyZone): void {
    let batch: [frame: number, order: number][] = [];
    const report = () => {
      if (batch.length === 0) return;
      tell?.({
        from: 'guest',
        text: `report: ${batch.length} free blocks, then wait`,
        frame: zone.first + batch[0]![0],
        pages: batch.reduce((sum, [, order]) => sum + 2 ** order, 0),
      });
      for (const [frame, order] of batch) {
        discard(zone.first + frame, order);
        zone.buddy.mark(frame);
      }
      batch = [];
    };
    for (let order = largestOrder; order >= leastOrder; order--)
      for (let type = 0; type < migrateTypes.length; type++) {
        const length = zone.buddy.listLength(order, type);
        const batches = Math.ceil(length / (capacity * budgetDivisor)) + 1;
        if (length === 0) continue;
        // A batch begun on the list before is filled up here first, and counts.
        for (const frame of zone.buddy.unmarked(order, type, batches * capacity - batch.length)) {
          batch.push([frame, order]);
          if (batch.length === capacity) report();
        }
      }
    report();
  }

  return {
    shrink: () => 0,
    grow: () => 0,
    advance(seconds) {
      for (; nextPass <= seconds; nextPass += delaySeconds) for (const zone of zones) passOver(zone);
    },
    beforeUse: () => undefined,
  };
}
