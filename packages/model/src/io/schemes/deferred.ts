import { integer, real } from '../../machine/fields.ts';
import { mapBuffer, releaseBuffer, unmapPages } from './mapped-buffer.ts';
import { defineScheme } from './scheme.ts';

interface Unmapped {
  readonly domain: number;
  readonly vpn: number;
  readonly pages: number;
}

export const deferred = defineScheme({
  name: 'deferred',
  summary:
    'buffers are unmapped at once, their memory goes back, and the whole domain is invalidated by count or by time',
  source: 'Linux iommu.strict=0: a flush queue per core',
  spec: {
    batch: integer(256, 'unmapped buffers of a core that flush', {
      min: 1,
      max: 65_536,
      unit: 'buffers',
      source: 'Linux, IOVA_DEFAULT_FQ_SIZE',
    }),
    windowNs: real(10_000_000, 'time after which fewer flush too', {
      min: 1,
      max: 1e12,
      unit: 'ns',
      source: 'Linux, IOVA_FQ_TIMEOUT, 10 ms',
    }),
  },
  translation: 'tables',
  promises: { kind: 'window', what: 'scheme.windowNs, and the flush itself' },
  create({ batch, windowNs }, driver) {
    const queues = new Map<number, Unmapped[]>();
    let isTimed = false;

    /** Addresses are free again only after the flush: until then the device may use them with the old translation. */
    function flush(core: number, queue: Unmapped[]): void {
      for (const domain of new Set(queue.map((entry) => entry.domain))) driver.invalidateDomain(core, domain);
      for (const { domain, vpn, pages } of queue) driver.freeAddress(core, domain, vpn, pages);
      queue.length = 0;
    }

    return {
      prepare: (ring, slot) => mapBuffer(driver, ring, slot),
      recycle(ring, slot) {
        const { core, domain, bufferPages } = ring;
        const vpn = ring.vpn[slot]!;
        unmapPages(driver, ring, slot);
        releaseBuffer(driver, ring, slot);
        driver.spend(core, driver.machine.iovaNs);
        let queue = queues.get(core);
        if (queue === undefined) {
          queue = [];
          queues.set(core, queue);
        }
        queue.push({ domain, vpn, pages: bufferPages });
        if (queue.length >= batch) flush(core, queue);
        else if (!isTimed) {
          isTimed = true;
          driver.wakeAt(driver.now + windowNs);
        }
        driver.wantBuffer(ring, slot);
      },
      timer() {
        isTimed = false;
        for (const [core, queue] of queues) if (queue.length > 0) flush(core, queue);
      },
    };
  },
});
