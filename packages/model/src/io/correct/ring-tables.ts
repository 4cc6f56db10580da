import type { Random } from '../../machine/random.ts';
import { type CacheCounts, type CacheShape, PartitionedCache } from './translation-cache.ts';

/** What of a ring an address belongs to: each is a flat table of its own. */
export const RingPart = { data: 0, descriptors: 1, completions: 2, headers: 3 } as const;
const parts = 4;
export const ringSlots = 65_536;

/** Stands for an address where translation is by ring: ring, part and slot. */
export function ringAddress(ring: number, part: number, slot: number): number {
  return (ring * parts + part) * ringSlots + slot;
}

/**
 * rIOMMU's tables: one entry per slot of a ring, one cached entry per ring, the entry after it fetched ahead. A translation of the next
 * slot takes the place of the one before, which therefore needs no invalidation.
 */
export class RingTables {
  /** Frames of valid entries, by ring address. */
  readonly #entries = new Map<number, number>();
  readonly #slots = new Map<number, number>();
  readonly #cache: PartitionedCache;

  constructor(shape: CacheShape, random: Random) {
    this.#cache = new PartitionedCache(shape, false, random);
  }

  /** @param slots of the ring's part; those of the data are as many as the ring has, the others have one entry that stays */
  define(table: number, slots: number): void {
    this.#slots.set(table, slots);
  }

  set(address: number, frame: number): void {
    if (frame < 0) this.#entries.delete(address);
    else this.#entries.set(address, frame);
  }

  /** Frame of a valid entry, or -1. */
  frameOf(address: number): number {
    return this.#entries.get(address) ?? -1;
  }

  /** Whether the cached entry, or the one fetched ahead, is the one asked for; it is the cached one afterwards. */
  lookup(address: number): boolean {
    const table = Math.floor(address / ringSlots);
    const slot = address % ringSlots;
    const cached = this.#cache.lookup(0, table, 1);
    const isHit = cached >= 0 && (cached === slot || (cached + 1) % (this.#slots.get(table) ?? 1) === slot);
    this.#cache.fill(0, table, 1, slot);
    return isHit;
  }

  /** Whether a device gets through: the entry is valid, or cached. */
  isReachable(address: number): boolean {
    const table = Math.floor(address / ringSlots);
    return this.#entries.has(address) || this.#cache.peek(0, table, 1) === address % ringSlots;
  }

  invalidate(table: number): void {
    this.#cache.invalidate(0, table, 1);
  }

  counts(): CacheCounts {
    return this.#cache.counts();
  }
}
