import type { Random } from '../../machine/random.ts';
import { Fifo } from './fifo.ts';
import { PageCache, PartitionedCache } from './translation-cache.ts';
import { WideDomains } from './wide-addresses.ts';

export interface PrefetchShape {
  readonly entries: number;
  readonly history: number;
  readonly distance: number;
}

export interface PrefetchCounts {
  /** Demands that looked into the buffer. */
  readonly accesses: number;
  /** Predictions of a tenant made, and requests that they led to. */
  readonly made: number;
  readonly requests: number;
  /** Predictions that the tenant asking `distance` translations later bore out, and that it did not. */
  readonly correct: number;
  readonly incorrect: number;
  /** Tenants whose successor was learned for the first time; learned again alike; learned anew as another. */
  readonly new_map: number;
  readonly same_sid: number;
  readonly diff_sid: number;
  /** Of the pages that came, those that the buffer had already. */
  readonly fill_same: number;
  /** Demands for a page that the tenant's history holds, and for one that it does not. */
  readonly hist_hit: number;
  readonly hist_miss: number;
  /** Tenants seen. */
  readonly sids: number;
  /** Pages that came into the buffer; demands found there; demands not found there. */
  readonly fill: number;
  readonly buf_hit: number;
  readonly buf_miss: number;
}

interface Tenant {
  /** Distinct pages asked for last, most recent last. */
  readonly pages: number[];
  /** Who asked `distance` translations after this tenant did last; -1 = not known. */
  next: number;
}

/**
 * HyperTRIO's prefetcher with its defects mended (specs/io.md Q7 to Q9): no buffer, no prefetching; predictions are learned anew each time;
 * a page in the history counts once, and one that is on its way or at hand is not asked for again.
 */
export class Prefetcher {
  readonly buffer: PageCache;
  readonly #shape: PrefetchShape;
  readonly #tenants = new Map<number, Tenant>();
  /** Tenants of the last `distance` translations, and whom each was predicted to be followed by (-1 = nobody). */
  readonly #recent = new Fifo(2);
  readonly #pending = new Set<number>();
  readonly #wide = new WideDomains();
  #accesses = 0;
  #made = 0;
  #requests = 0;
  #fills = 0;
  #correct = 0;
  #incorrect = 0;
  #newMaps = 0;
  #same = 0;
  #different = 0;
  #fillsAgain = 0;
  #historyHits = 0;
  #historyMisses = 0;

  constructor(shape: PrefetchShape, spread: boolean, random: Random) {
    this.#shape = shape;
    const { entries } = shape;
    this.buffer = new PageCache(new PartitionedCache({ entries, ways: entries, partitions: 1 }, spread, random));
  }

  get isOn(): boolean {
    return this.#shape.entries > 0;
  }

  /** Frame in the buffer, or -1. */
  lookup(domain: number, vpn: number): number {
    this.#accesses++;
    return this.buffer.lookup(domain, vpn);
  }

  /** Learns from a demand, and names the tenant whose pages are to be fetched; -1 = none. */
  observe(domain: number, vpn: number): number {
    const tenant = this.#tenant(domain);
    const known = tenant.pages.indexOf(vpn);
    if (known >= 0) this.#historyHits++;
    else this.#historyMisses++;
    if (known >= 0) tenant.pages.splice(known, 1);
    else if (tenant.pages.length === this.#shape.history) tenant.pages.shift();
    tenant.pages.push(vpn);
    if (this.#recent.length === this.#shape.distance) this.#learn(domain);
    this.#recent.push(domain, tenant.next);
    if (tenant.next >= 0) this.#made++;
    return tenant.next;
  }

  /** Who asks now is whom the tenant of `distance` translations before leads to. */
  #learn(domain: number): void {
    const predicted = this.#recent.at(0, 1);
    const before = this.#tenant(this.#recent.shift());
    if (predicted >= 0) {
      if (predicted === domain) this.#correct++;
      else this.#incorrect++;
    }
    if (before.next < 0) this.#newMaps++;
    else if (before.next === domain) this.#same++;
    else this.#different++;
    before.next = domain;
  }

  pagesOf(domain: number): readonly number[] {
    return this.#tenant(domain).pages;
  }

  /** Whether the page is to be asked for now; it counts as on its way from then on. */
  ask(domain: number, vpn: number): boolean {
    const key = this.#wide.pageKey(domain, vpn);
    if (this.#pending.size >= this.#shape.entries || this.#pending.has(key) || this.buffer.peek(domain, vpn) >= 0)
      return false;
    this.#pending.add(key);
    this.#requests++;
    return true;
  }

  /** @param frame -1 = not mapped */
  arrived(domain: number, vpn: number, level: number, frame: number): void {
    this.#pending.delete(this.#wide.pageKey(domain, vpn));
    if (frame < 0) return;
    this.#fills++;
    if (this.buffer.peek(domain, vpn) >= 0) this.#fillsAgain++;
    this.buffer.fill(domain, vpn, level, frame);
  }

  #tenant(domain: number): Tenant {
    let tenant = this.#tenants.get(domain);
    if (tenant === undefined) {
      tenant = { pages: [], next: -1 };
      this.#tenants.set(domain, tenant);
    }
    return tenant;
  }

  counts(): PrefetchCounts {
    return {
      accesses: this.#accesses,
      made: this.#made,
      requests: this.#requests,
      correct: this.#correct,
      incorrect: this.#incorrect,
      new_map: this.#newMaps,
      same_sid: this.#same,
      diff_sid: this.#different,
      fill_same: this.#fillsAgain,
      hist_hit: this.#historyHits,
      hist_miss: this.#historyMisses,
      sids: this.#tenants.size,
      fill: this.#fills,
      buf_hit: this.buffer.hit,
      buf_miss: this.buffer.miss,
    };
  }
}
