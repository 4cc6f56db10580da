import { indexAt } from '../../machine/address.ts';
import { entryKind, entryTarget, type PageTable } from '../../machine/page-table.ts';
import type { Space } from './address-spaces.ts';
import { regionOf, type TranslationCache } from './translation-cache.ts';

const leaf = 2;
/** Reads of the largest walk (35 of tables) and what it may fill. */
const longest = 48;

/** The caches beside the walkers; those per level are indexed by the level of the entries that they hold, 2 to 5. */
export interface WalkCaches {
  readonly tables: readonly (TranslationCache | undefined)[];
  readonly hostTables: readonly (TranslationCache | undefined)[];
  /** Guest-physical pages; used with two dimensions. */
  readonly nested: TranslationCache;
  /** Level of a domain's root: 3, 4 or 5. */
  readonly rootLevel: number;
  /** Level of the root of the host's tables: 4 or 5. */
  readonly hostRootLevel: number;
}

export interface WalkLookup {
  readonly read: number;
  readonly cache: string;
  readonly isHit: boolean;
}

/** One page walk: what it reads, and what it leaves in the caches when it is done. Used again for the next. */
export class Walk {
  reads = 0;
  /** Of each read: what `explain` calls it, as dimension * 8 + level; dimension 0 = own tables, 1 = the host's. */
  readonly read = new Uint8Array(longest);
  /** Frame of the 4 KiB page, -1 when nothing is mapped there. */
  frame = -1;
  /** Level of what the IOTLB may hold: the smaller of both dimensions' pages. */
  level = 1;
  #fills = 0;
  readonly #fillCache: (TranslationCache | undefined)[] = new Array(longest).fill(undefined);
  readonly #fillRegion = new Float64Array(longest);
  readonly #fillLevel = new Uint8Array(longest);
  readonly #fillPayload = new Float64Array(longest);

  /** Of a walk that is explained: each look-up in a cache, and the read that it came before. */
  lookups: WalkLookup[] | undefined;

  /** Follows the tables as they are now; caches are looked up, not filled. */
  plan(caches: WalkCaches, space: Space, domain: number, vpn: number): void {
    this.reads = 0;
    this.#fills = 0;
    this.frame = -1;
    const { table, host } = space;
    const { rootLevel } = caches;
    // A table of three levels is the part below one entry of the fourth, which is no memory of its own.
    let node = rootLevel === table.levels ? 0 : table.nodeAt(vpn, rootLevel);
    let level = rootLevel;
    if (node === -1) {
      this.read[this.reads++] = level;
      return;
    }
    // A cached entry holds the machine's address of the table that it points to: no host walk for that one.
    let isLocated = false;
    for (let cached = 2; cached <= rootLevel; cached++) {
      const child = caches.tables[cached]!.lookup(domain, regionOf(vpn, cached), cached);
      this.lookups?.push({ read: this.reads, cache: `level-${cached} cache`, isHit: child >= 0 });
      if (child < 0) continue;
      node = child;
      level = cached - 1;
      isLocated = true;
      break;
    }
    for (;;) {
      if (host !== undefined && !isLocated) this.#locate(caches, host, domain, table.frameOf(node));
      isLocated = false;
      this.read[this.reads++] = level;
      const entry = table.entry(node, indexAt(vpn, level));
      if (entry === 0) return;
      const target = entryTarget(entry);
      if (entryKind(entry) === leaf) {
        this.#leaf(caches, host, domain, target + (vpn % 512 ** (level - 1)), level);
        return;
      }
      this.#fill(caches.tables[level]!, regionOf(vpn, level), level, target);
      node = target;
      level--;
    }
  }

  #leaf(caches: WalkCaches, host: PageTable | undefined, domain: number, frame: number, level: number): void {
    this.level = level;
    this.frame = frame;
    if (host === undefined) return;
    this.frame = this.#locate(caches, host, domain, frame);
    if (this.frame >= 0) this.level = Math.min(level, host.leafLevel(frame));
  }

  /** Frame of the machine that backs a frame of the guest; the host's walk, unless the nested cache knows. */
  #locate(caches: WalkCaches, host: PageTable, domain: number, page: number): number {
    const known = caches.nested.lookup(domain, page, 1);
    this.lookups?.push({ read: this.reads, cache: 'nested cache', isHit: known >= 0 });
    if (known >= 0) return known;
    let node = 0;
    let level = caches.hostRootLevel;
    for (let cached = 2; cached <= caches.hostRootLevel; cached++) {
      const child = caches.hostTables[cached]!.lookup(domain, regionOf(page, cached), cached);
      this.lookups?.push({ read: this.reads, cache: `host's level-${cached} cache`, isHit: child >= 0 });
      if (child < 0) continue;
      node = child;
      level = cached - 1;
      break;
    }
    for (;;) {
      this.read[this.reads++] = 8 + level;
      const entry = host.entry(node, indexAt(page, level));
      if (entry === 0) return -1;
      const target = entryTarget(entry);
      if (entryKind(entry) === leaf) {
        const frame = target + (page % 512 ** (level - 1));
        this.#fill(caches.nested, page, 1, frame);
        return frame;
      }
      this.#fill(caches.hostTables[level]!, regionOf(page, level), level, target);
      node = target;
      level--;
    }
  }

  #fill(cache: TranslationCache, region: number, level: number, payload: number): void {
    const at = this.#fills++;
    this.#fillCache[at] = cache;
    this.#fillRegion[at] = region;
    this.#fillLevel[at] = level;
    this.#fillPayload[at] = payload;
  }

  /** Puts what was read into the caches, in the order of the reads. */
  fillCaches(domain: number): void {
    for (let at = 0; at < this.#fills; at++)
      this.#fillCache[at]!.fill(domain, this.#fillRegion[at]!, this.#fillLevel[at]!, this.#fillPayload[at]!);
  }
}

/** What a read of a walk is called in explanations. */
export function readName(read: number): string {
  return read < 8 ? `read of the level-${read} entry` : `read of the host's level-${read - 8} entry`;
}
