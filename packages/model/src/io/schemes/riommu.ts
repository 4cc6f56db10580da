import { real } from '../../machine/fields.ts';
import { RingPart, ringAddress } from '../correct/ring-tables.ts';
import { defineScheme } from './scheme.ts';

export const riommu = defineScheme({
  name: 'riommu',
  summary:
    'a flat table per ring; one cached entry per ring, the next one fetched ahead; invalidated at the end of a burst',
  source: 'rIOMMU, ASPLOS 2015',
  spec: {
    entryNs: real(50, 'a core, to write or clear one entry of a flat table', {
      min: 0,
      max: 1e9,
      unit: 'ns',
      source: 'assumption',
    }),
  },
  translation: 'ring',
  promises: { kind: 'window', what: 'the burst of completions that one poll recycles' },
  create: ({ entryNs }, driver) => ({
    prepare(ring, slot) {
      const frame = driver.takeFrames(ring.domain, ring.bufferPages);
      ring.vpn[slot] = slot;
      ring.frame[slot] = frame;
      driver.spend(ring.core, entryNs);
      driver.setRingEntry(ring, slot, frame);
      driver.post(ring.core, ring.id, slot);
    },
    recycle(ring, slot) {
      driver.spend(ring.core, entryNs);
      driver.setRingEntry(ring, slot, -1);
      driver.release(ring.core, ring.domain, ringAddress(ring.id, RingPart.data, slot), 1);
      driver.giveFrames(ring.core, ring.domain, ring.frame[slot]!, ring.bufferPages);
      driver.wantBuffer(ring, slot);
    },
    /** Each translation of a ring replaces its one cached entry; only the last of a burst is left to be invalidated. */
    endOfBurst: (ring) => driver.invalidateRing(ring.core, ring),
  }),
});
