import { createPrintedTagStore } from '../../machine/print/index.ts';
import type { Random } from '../../machine/random.ts';
import type { TagStore } from '../../machine/tag-store.ts';
import { WideDomains } from './wide-addresses.ts';

export interface CacheCounts {
  readonly hit: number;
  readonly miss: number;
  /** Fills that took another entry's place. */
  readonly conflict: number;
}

/**
 * What the caches of the IOMMU and of the device have in common: an entry belongs to a domain, covers one region of a level (level 1 =
 * 4 KiB, each level above 512 times as much) and holds one number, a frame.
 */
export interface TranslationCache {
  /** The entry's number, or -1; counted, and noted by the replacement policy. */
  lookup(domain: number, region: number, level: number): number;
  /** As `lookup`, neither counted nor noted. */
  peek(domain: number, region: number, level: number): number;
  fill(domain: number, region: number, level: number, payload: number): void;
  invalidate(domain: number, region: number, level: number): boolean;
  invalidateDomain(domain: number): void;
  clear(): void;
  counts(): CacheCounts;
}

export interface CacheShape {
  readonly entries: number;
  readonly ways: number;
  readonly partitions: number;
}

/**
 * Regions of each level in 48 bits of address (an entry of the fifth covers as much), and the first key of each level: keys of all levels and
 * domains lie below 2^53. What lies above 48 bits has a domain number of its own, from 2^16 on.
 */
const regionBits: readonly number[] = [0, 36, 27, 18, 9, 9];
const levelBase: readonly number[] = [0, 0, 2 ** 52, 2 ** 52 + 2 ** 44, 2 ** 52 + 2 ** 45, 2 ** 52 + 2 ** 46];
const firstWide = 2 ** 16;
/** Between the pages of domains and those of wide ones: the keys of the other levels. */
const wideGap = 2 ** 48;
/** Odd, so that domains with equal addresses spread over any power of two of sets. */
const domainStride = 2533;

/** One exact key per domain, region and level. `spread` moves the region by the domain: a permutation, which changes the set. */
export function keyOf(domain: number, region: number, level: number, spread: boolean, wide: WideDomains): number {
  const regions = 2 ** regionBits[level]!;
  const owner = region < regions ? domain : wide.of(domain, Math.floor(region / regions));
  let place = spread ? region + domain * domainStride : region;
  // `%` of large numbers is a call of the library.
  if (place >= regions) place -= Math.floor(place / regions) * regions;
  const gap = owner >= firstWide && level === 1 ? wideGap : 0;
  return levelBase[level]! + owner * regions + place + gap;
}

/** Set-associative, LRU; the sets in equal partitions by domain. No ways = no cache. */
export class PartitionedCache implements TranslationCache {
  #hit = 0;
  #miss = 0;
  #conflict = 0;
  readonly #spread: boolean;
  readonly #stores: readonly TagStore[];
  readonly #payloads: readonly Float64Array[];
  readonly #domains: readonly Int32Array[];
  readonly #wide = new WideDomains();

  constructor({ entries, ways, partitions }: CacheShape, spread: boolean, random: Random) {
    this.#spread = spread;
    const sets = ways === 0 ? 0 : Math.max(1, Math.floor(entries / ways));
    const own = sets / partitions;
    this.#stores =
      sets === 0
        ? []
        : Array.from({ length: partitions }, () => createPrintedTagStore({ sets: own, ways, policy: 'lru' }, random));
    this.#payloads = this.#stores.map(({ slots }) => new Float64Array(slots));
    this.#domains = this.#stores.map(({ slots }) => new Int32Array(slots));
  }

  lookup(domain: number, region: number, level: number): number {
    const stores = this.#stores;
    if (stores.length > 0) {
      const part = stores.length === 1 ? 0 : domain % stores.length;
      const slot = stores[part]!.lookup(keyOf(domain, region, level, this.#spread, this.#wide));
      if (slot >= 0) {
        this.#hit++;
        return this.#payloads[part]![slot]!;
      }
    }
    this.#miss++;
    return -1;
  }

  peek(domain: number, region: number, level: number): number {
    if (this.#stores.length === 0) return -1;
    const part = domain % this.#stores.length;
    const slot = this.#stores[part]!.peek(keyOf(domain, region, level, this.#spread, this.#wide));
    return slot < 0 ? -1 : this.#payloads[part]![slot]!;
  }

  fill(domain: number, region: number, level: number, payload: number): void {
    if (this.#stores.length === 0) return;
    const part = domain % this.#stores.length;
    const store = this.#stores[part]!;
    const key = keyOf(domain, region, level, this.#spread, this.#wide);
    let slot = store.peek(key);
    if (slot < 0) {
      slot = store.insert(key);
      // A slot's domain is kept when its key leaves: -1 there means that the slot was empty.
      if (this.#domains[part]![slot]! > 0) this.#conflict++;
      this.#domains[part]![slot] = domain + 1;
    }
    this.#payloads[part]![slot] = payload;
  }

  invalidate(domain: number, region: number, level: number): boolean {
    if (this.#stores.length === 0) return false;
    const part = domain % this.#stores.length;
    const store = this.#stores[part]!;
    const key = keyOf(domain, region, level, this.#spread, this.#wide);
    const slot = store.peek(key);
    if (slot < 0) return false;
    this.#domains[part]![slot] = 0;
    return store.remove(key);
  }

  invalidateDomain(domain: number): void {
    if (this.#stores.length === 0) return;
    const part = domain % this.#stores.length;
    const store = this.#stores[part]!;
    const domains = this.#domains[part]!;
    for (let slot = 0; slot < store.slots; slot++) {
      if (domains[slot] !== domain + 1) continue;
      domains[slot] = 0;
      store.remove(store.keyAt(slot));
    }
  }

  clear(): void {
    for (const store of this.#stores) store.clear();
    for (const domains of this.#domains) domains.fill(0);
  }

  counts(): CacheCounts {
    return { hit: this.#hit, miss: this.#miss, conflict: this.#conflict };
  }
}

/** Look-ups of a page whose size is not known, smallest first: one look-up in the counts of whoever asks. */
export class PageCache {
  hit = 0;
  miss = 0;
  /** Level of the entry found last. */
  level = 0;
  /** Levels that have entries, as a bit mask: most traces have one or two. */
  #levels = 0;
  readonly #cache: TranslationCache;

  constructor(cache: TranslationCache) {
    this.#cache = cache;
  }

  /** Frame of the 4 KiB page, or -1. */
  lookup(domain: number, vpn: number): number {
    for (let level = 1; level <= 3; level++) {
      if ((this.#levels & (1 << level)) === 0) continue;
      const region = regionOf(vpn, level);
      if (this.#cache.peek(domain, region, level) < 0) continue;
      const first = this.#cache.lookup(domain, region, level);
      this.hit++;
      this.level = level;
      return first + (vpn - region * 512 ** (level - 1));
    }
    // Counted under the smallest page: what utility-based partitions observe is demand.
    this.#cache.lookup(domain, vpn, 1);
    this.miss++;
    return -1;
  }

  peek(domain: number, vpn: number): number {
    for (let level = 1; level <= 3; level++) {
      if ((this.#levels & (1 << level)) === 0) continue;
      const region = regionOf(vpn, level);
      const first = this.#cache.peek(domain, region, level);
      if (first >= 0) return first + (vpn - region * 512 ** (level - 1));
    }
    return -1;
  }

  /** @param frame of the 4 KiB page `vpn` in a page of `level` */
  fill(domain: number, vpn: number, level: number, frame: number): void {
    this.#levels |= 1 << level;
    const region = regionOf(vpn, level);
    this.#cache.fill(domain, region, level, frame - (vpn - region * 512 ** (level - 1)));
  }

  invalidate(domain: number, vpn: number, pages: number): void {
    for (let level = 1; level <= 3; level++) {
      if ((this.#levels & (1 << level)) === 0) continue;
      const last = regionOf(vpn + pages - 1, level);
      for (let region = regionOf(vpn, level); region <= last; region++) this.#cache.invalidate(domain, region, level);
    }
  }

  invalidateDomain(domain: number): void {
    this.#cache.invalidateDomain(domain);
  }

  counts(): CacheCounts {
    return { hit: this.hit, miss: this.miss, conflict: this.#cache.counts().conflict };
  }
}

const pagesPerRegion: readonly number[] = [0, 1, 512, 512 ** 2, 512 ** 3, 512 ** 4];

/** Number of the region of a level that a 4 KiB page lies in. */
export function regionOf(vpn: number, level: number): number {
  return level === 1 ? vpn : Math.floor(vpn / pagesPerRegion[level]!);
}
