import { type PageLevel, pagesIn } from '../../machine/address.ts';
import { wholeDomain } from './invalidation-queue.ts';
import { everyDomain, type RecordedBlock, RecordedKind } from './recorded-block.ts';
import type { IoModel } from './simulate.ts';
import { WideDomains } from './wide-addresses.ts';

/** Bits of a leaf entry that are address: 51 to 12, in two words. */
const addressHi = 0x000fffff;
const pagesPerHighWord = 2 ** 20;
const domains = 65_536;

/** The frame of a recorded leaf entry, -1 when none is recorded. */
export function frameOfEntry(lo: number, hi: number): number {
  if (lo === 0 && hi === 0) return -1;
  return (hi & addressHi) * pagesPerHighWord + (lo >>> 12);
}

/** A recording's mappings, and the commands of its driver, entered as the recording comes to them. */
export interface Recording {
  /** A DMA to the page has been issued; it is through. */
  issued(domain: number, vpn: number): void;
  through(domain: number, vpn: number): void;
  /** Whether the page is mapped otherwise now than recorded for the coming DMA. */
  differs(domain: number, vpn: number, level: number, frame: number): boolean;
  /** Enters the mapping when the DMAs and commands before it are done with the old one. */
  remap(domain: number, vpn: number, level: number, frame: number): void;
  /** What is not a translation. */
  apply(block: RecordedBlock, at: number): void;
}

interface Clock {
  /** One event; false when there is none. */
  step(): boolean;
}

/**
 * A driver maps a page anew when the DMAs to it are over and its command has been carried out: so does the replay, page by page, whatever
 * else is on its way. A mapping that changes though no command came between (traces without commands) gets one.
 */
export function createRecording({ iommu, device, machine, commands }: IoModel, clock: Clock): Recording {
  const pending = new Map<number, number>();
  /** By domain: number of its last command. */
  const lastCommand = new Float64Array(domains);
  const { spaces } = iommu;
  const wide = new WideDomains();

  function add(domain: number, vpn: number, change: 1 | -1): void {
    const key = wide.pageKey(domain, vpn);
    const count = (pending.get(key) ?? 0) + change;
    if (count === 0) pending.delete(key);
    else pending.set(key, count);
  }

  function isUsed(domain: number, vpn: number, pages: number): boolean {
    if (pending.size === 0) return false;
    const first = wide.pageKey(domain, vpn);
    if (pages === 1) return pending.has(first);
    for (const key of pending.keys()) if (key >= first && key < first + pages) return true;
    return false;
  }

  function awaitCommands(domain: number): void {
    while (commands.done < lastCommand[domain]! && clock.step());
  }

  function command(domain: number, vpn: number, pages: number): void {
    // Who invalidates waits for that: a domain has one command under way at a time.
    awaitCommands(domain);
    lastCommand[domain] = commands.submit(domain, vpn, pages);
  }

  function isCached(domain: number, vpn: number, pages: number): boolean {
    // Of a large page whose host has smaller ones, pieces are cached.
    if (machine.dimensions === '2' && pages > 1) return true;
    // What is being fetched ahead is on its way to a cache.
    return machine.prefetch.entries > 0 || iommu.iotlb.peek(domain, vpn) >= 0 || device.holds(domain, vpn);
  }

  /** Unmaps whole pages of whatever size, and invalidates all that they covered. */
  function unmap(domain: number, vpn: number, pages: number): void {
    const { table } = spaces.of(domain);
    let first = vpn;
    let end = vpn + pages;
    for (let page = vpn; page < vpn + pages; page++) {
      const level = table.leafLevel(page);
      if (level === 0) continue;
      const size = pagesIn[level];
      const start = page - (page % size);
      while (isUsed(domain, start, size) && clock.step());
      spaces.unmap(domain, page);
      first = Math.min(first, start);
      end = Math.max(end, start + size);
    }
    command(domain, first, end - first);
  }

  return {
    issued: (domain, vpn) => add(domain, vpn, 1),
    through: (domain, vpn) => add(domain, vpn, -1),
    differs(domain, vpn, level, frame) {
      const { table } = spaces.of(domain);
      return table.translate(vpn) !== frameIn(vpn, level, frame) || table.leafLevel(vpn) > level;
    },
    remap(domain, vpn, level, frame) {
      const { table } = spaces.of(domain);
      const old = table.leafLevel(vpn);
      const size = old === 0 ? 1 : pagesIn[old];
      const first = vpn - (vpn % size);
      while (isUsed(domain, first, size) && clock.step());
      awaitCommands(domain);
      if (old !== 0) {
        spaces.unmap(domain, vpn);
        if (isCached(domain, vpn, size)) {
          command(domain, first, size);
          awaitCommands(domain);
        }
      }
      spaces.mapRecorded(domain, vpn, frameIn(vpn, level, frame), level as PageLevel);
    },
    apply(block, at) {
      const domain = block.did[at]!;
      const vpn = block.iovaHi[at]! * pagesPerHighWord + (block.iovaLo[at]! >>> 12);
      const pages = block.pages[at]!;
      const kind = block.kind[at]!;
      if (kind === RecordedKind.contextInvalidated) commands.submitContext(pages === 0 ? -1 : block.sid[at]!);
      else if (kind === RecordedKind.pagesInvalidated) command(domain, vpn, pages);
      else if (kind === RecordedKind.pagesUnmapped) unmap(domain, vpn, pages);
      else if (domain !== everyDomain) command(domain, 0, wholeDomain);
      else for (const known of [...spaces.domains()]) command(known, 0, wholeDomain);
    },
  };
}

/** Frame of the 4 KiB page: the entry of a larger page has the frame of its first. */
function frameIn(vpn: number, level: number, frame: number): number {
  const size = pagesIn[level as PageLevel];
  return frame - (frame % size) + (vpn % size);
}
