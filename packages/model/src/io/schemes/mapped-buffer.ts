import type { Ring } from '../correct/rings.ts';
import type { DriverOperations } from './scheme.ts';

/** The DMA mapping of Linux (`dma_map_page`): an address range from the allocator, a leaf entry per page, and the buffer is posted. */
export function mapBuffer(driver: DriverOperations, ring: Ring, slot: number): void {
  const { core, domain, bufferPages } = ring;
  const vpn = driver.allocateAddress(core, domain, bufferPages);
  const frame = driver.takeFrames(domain, bufferPages);
  driver.beginMapping(core);
  driver.spend(core, driver.machine.iovaNs + bufferPages * driver.machine.mapNs);
  mapPages(driver, ring, slot, vpn, frame);
}

/** Enters the pages at a given range, and posts. */
export function mapPages(driver: DriverOperations, ring: Ring, slot: number, vpn: number, frame: number): void {
  const { core, domain, bufferPages, id } = ring;
  for (let page = 0; page < bufferPages; page++) driver.map(core, domain, vpn + page, frame + page, 1);
  ring.vpn[slot] = vpn;
  ring.frame[slot] = frame;
  driver.post(core, id, slot);
}

export function unmapPages(driver: DriverOperations, ring: Ring, slot: number): void {
  const { core, domain, bufferPages } = ring;
  driver.spend(core, bufferPages * driver.machine.unmapNs);
  for (let page = 0; page < bufferPages; page++) driver.unmap(core, domain, ring.vpn[slot]! + page);
}

/** The buffer's memory goes back, to the operating system and to whom it is free for. */
export function releaseBuffer(driver: DriverOperations, ring: Ring, slot: number): void {
  const { core, domain, bufferPages } = ring;
  driver.release(core, domain, ring.vpn[slot]!, bufferPages);
  driver.giveFrames(core, domain, ring.frame[slot]!, bufferPages);
}
