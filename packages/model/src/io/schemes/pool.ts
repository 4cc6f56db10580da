import type { PageLevel } from '../../machine/address.ts';
import { pagesIn } from '../../machine/address.ts';
import type { Ring } from '../correct/rings.ts';
import type { DriverOperations } from './scheme.ts';

/** Buffers that are mapped once and stay so: one taken and given back costs neither tables nor commands. */
export interface Pool {
  prepare(ring: Ring, slot: number): void;
  recycle(ring: Ring, slot: number): void;
}

interface Chunk {
  readonly vpn: number;
  readonly frame: number;
}

/**
 * Per domain and size of buffer, filled by chunks of pages of one level; the buffer given back last is taken first.
 * @param lookupNs of a core, for each buffer taken
 * @param level of the pages that buffers are cut from
 */
export function createPool(driver: DriverOperations, lookupNs: number, level: PageLevel = 1): Pool {
  const free = new Map<number, Chunk[]>();

  function buffersOf(ring: Ring): Chunk[] {
    const key = ring.domain * 1024 + ring.bufferPages;
    let buffers = free.get(key);
    if (buffers === undefined) {
      buffers = [];
      free.set(key, buffers);
    }
    return buffers;
  }

  function grow(ring: Ring, buffers: Chunk[]): void {
    const { core, domain, bufferPages } = ring;
    const size = 2 ** Math.ceil(Math.log2(Math.max(bufferPages, pagesIn[level])));
    const vpn = driver.allocateAddress(core, domain, size);
    const frame = driver.takeFrames(domain, size);
    for (let page = 0; page < size; page += pagesIn[level]) {
      driver.spend(core, driver.machine.mapNs);
      driver.map(core, domain, vpn + page, frame + page, level);
    }
    for (let page = size - (size % bufferPages) - bufferPages; page >= 0; page -= bufferPages)
      buffers.push({ vpn: vpn + page, frame: frame + page });
  }

  return {
    prepare(ring, slot) {
      const buffers = buffersOf(ring);
      if (buffers.length === 0) grow(ring, buffers);
      const { vpn, frame } = buffers.pop()!;
      ring.vpn[slot] = vpn;
      ring.frame[slot] = frame;
      driver.spend(ring.core, lookupNs);
      driver.post(ring.core, ring.id, slot);
    },
    recycle(ring, slot) {
      buffersOf(ring).push({ vpn: ring.vpn[slot]!, frame: ring.frame[slot]! });
      driver.wantBuffer(ring, slot);
    },
  };
}
