import { integer } from '../../machine/fields.ts';
import type { Ring } from '../correct/rings.ts';
import { mapPages, releaseBuffer, unmapPages } from './mapped-buffer.ts';
import { defineScheme } from './scheme.ts';

export const contiguous = defineScheme({
  name: 'contiguous',
  summary:
    'neighbouring slots share one range of addresses, unmapped together and invalidated by one command; upper tables stay cached',
  source: 'Fast and Safe, SOSP 2024',
  spec: {
    chunk: integer(64, 'slots that share a range', {
      min: 1,
      max: 4096,
      unit: 'slots',
      source: 'Fast and Safe, SOSP 2024: 64 pages of a descriptor',
    }),
  },
  translation: 'tables',
  promises: { kind: 'strict' },
  create({ chunk }, driver) {
    /** By ring and number of the chunk in it: where its range begins, and the slots that the device is done with. */
    const ranges = new Map<number, number>();
    const done = new Map<number, number[]>();
    const keyOf = (ring: Ring, slot: number) => ring.id * 65_536 + Math.floor(slot / chunk);

    return {
      prepare(ring, slot) {
        const { core, domain, bufferPages } = ring;
        const key = keyOf(ring, slot);
        let first = ranges.get(key);
        if (first === undefined) {
          first = driver.allocateAddress(core, domain, chunk * bufferPages);
          ranges.set(key, first);
          driver.beginMapping(core);
          driver.spend(core, driver.machine.iovaNs);
        }
        driver.spend(core, bufferPages * driver.machine.mapNs);
        const frame = driver.takeFrames(domain, bufferPages);
        mapPages(driver, ring, slot, first + (slot % chunk) * bufferPages, frame);
      },
      recycle(ring, slot) {
        const { core, domain, bufferPages } = ring;
        const key = keyOf(ring, slot);
        const slots = done.get(key) ?? [];
        slots.push(slot);
        done.set(key, slots);
        const size = Math.min(chunk, ring.slots - (slot - (slot % chunk)));
        if (slots.length < size) return;
        done.delete(key);
        const first = ranges.get(key)!;
        ranges.delete(key);
        for (const each of slots) unmapPages(driver, ring, each);
        driver.invalidate(core, domain, first, size * bufferPages, true);
        for (const each of slots) releaseBuffer(driver, ring, each);
        driver.spend(core, driver.machine.iovaNs);
        driver.freeAddress(core, domain, first, chunk * bufferPages);
        for (const each of slots) driver.wantBuffer(ring, each);
      },
    };
  },
});
