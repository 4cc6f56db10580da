import { Counted, DeviceCounters } from './cache.ts';

export interface TlbOptions {
  readonly entries: number;
  readonly ways: number;
  readonly parent?: Tlb;
  /** Quirk Q8; otherwise least recently used. */
  readonly leastFrequentlyUsed: boolean;
}

/**
 * A TLB of the original simulators: 4 KiB pages, tagged with the process; a miss fills it and asks the level below. The entry with the
 * smallest rank is replaced, the lowest way of several: a count of uses (LFU) or the time of the last use (LRU).
 */
export class Tlb {
  readonly counters = new DeviceCounters();
  private readonly ways: number;
  private readonly mask: number;
  private readonly pages: Float64Array;
  private readonly processes: Uint16Array;
  private readonly ranks: Float64Array;
  private readonly leastFrequentlyUsed: boolean;
  private readonly parent: Tlb | undefined;
  private clock = 0;
  private lastSlot = 0;

  constructor({ entries, ways, parent, leastFrequentlyUsed }: TlbOptions) {
    this.ways = ways;
    this.mask = entries / ways - 1;
    this.pages = new Float64Array(entries).fill(-1);
    this.processes = new Uint16Array(entries);
    this.ranks = new Float64Array(entries);
    this.leastFrequentlyUsed = leastFrequentlyUsed;
    this.parent = parent;
  }

  /** Whether this TLB or the one below had the page; afterwards both have it. */
  request(page: number, process: number): boolean {
    let slot = this.lastSlot;
    if (this.pages[slot] !== page || this.processes[slot] !== process) slot = this.slotOf(page, process);
    if (slot >= 0) {
      this.counters.counts[2 * Counted.demand]!++;
      this.use(slot);
      return true;
    }
    this.counters.counts[2 * Counted.demand + 1]!++;
    const hitBelow = this.parent?.request(page, process) ?? false;
    this.use(this.replace(page, process));
    return hitBelow;
  }

  private use(slot: number): void {
    this.ranks[slot] = this.leastFrequentlyUsed ? this.ranks[slot]! + 1 : ++this.clock;
    this.lastSlot = slot;
  }

  private slotOf(page: number, process: number): number {
    const start = ((page >>> 0) & this.mask) * this.ways;
    const end = start + this.ways;
    for (let slot = start; slot < end; slot++)
      if (this.pages[slot] === page && this.processes[slot] === process) return slot;
    return -1;
  }

  private replace(page: number, process: number): number {
    const ranks = this.ranks;
    const start = ((page >>> 0) & this.mask) * this.ways;
    const end = start + this.ways;
    let victim = start;
    for (let slot = start + 1; slot < end; slot++) if (ranks[slot]! < ranks[victim]!) victim = slot;
    this.pages[victim] = page;
    this.processes[victim] = process;
    ranks[victim] = 0;
    return victim;
  }
}
