import type { PageLevel } from '../../machine/address.ts';
import type { Random } from '../../machine/random.ts';
import { AddressSpaces } from './address-spaces.ts';
import type { IoMachine } from './config.ts';
import type { EventQueue } from './event-queue.ts';
import { EventKind } from './events.ts';
import { Fifo } from './fifo.ts';
import type { ImportedTables } from './imported-tables.ts';
import type { Probe } from './probe.ts';
import type { Requests } from './requests.ts';
import { PageCache, PartitionedCache, type TranslationCache } from './translation-cache.ts';
import { UtilityCache } from './utility-cache.ts';
import { readName, Walk, type WalkCaches } from './walk.ts';
import { WideDomains } from './wide-addresses.ts';

const lineBits = 64 * 8;
/** A context entry and a root entry; an entry of the PASID directory and one of a PASID table. */
const readsPerEntry = 2;
const noContext = 1;
const noPasid = 2;
const preludeNames = ['root entry', 'context entry', 'PASID directory entry', 'PASID table entry'];

export interface IommuCounts {
  readonly walks: number;
  /** Requests that waited for a walk under way to the same page. */
  readonly mergedWalks: number;
  readonly memoryReads: number;
  /** Reads for the entries of page tables alone, context and PASID entries left out. */
  readonly tableReads: number;
  /** Waiting for a free walker, in all. */
  readonly walkerWaitNs: number;
  readonly faults: number;
}

/**
 * The translation agent: context, PASID and translation caches, and a limited number of walkers that read tables through one memory
 * channel. Walks follow the tables as they are when the walk begins; what a walk found goes to the caches when it ends, unless an
 * invalidation has come for it in the meantime.
 */
export class Iommu {
  readonly spaces: AddressSpaces;
  readonly iotlb: PageCache;
  readonly context: PartitionedCache;
  readonly pasids: PartitionedCache;
  readonly caches: WalkCaches;
  walks = 0;
  mergedWalks = 0;
  memoryReads = 0;
  tableReads = 0;
  walkerWaitNs = 0;
  faults = 0;
  /** Called when a walk has ended: an invalidation may have waited for it. */
  onWalkEnd: (() => void) | undefined;
  readonly #machine: IoMachine;
  readonly #events: EventQueue;
  readonly #requests: Requests;
  readonly #probe: Probe;
  readonly #readOccupancyNs: number;
  #memoryFree = 0;
  /** Per walker: the request that it walks for (-1 = idle), its reads done, those before the tables, whether its result is stale. */
  readonly #walker: Int32Array;
  readonly #done: Uint8Array;
  readonly #prelude: Uint8Array;
  readonly #isStale: Uint8Array;
  readonly #walk: readonly Walk[];
  #active = 0;
  /** Requests that wait for a walker, first in, first out, and since when. */
  readonly #waiting = new Fifo(2);
  /** Of each page on its way: the request that leads, walking or waiting. */
  readonly #leaders = new Map<number, number>();
  readonly #wide = new WideDomains();

  constructor(
    machine: IoMachine,
    events: EventQueue,
    requests: Requests,
    probe: Probe,
    random: Random,
    {
      hasRecording = false,
      tables,
    }: { readonly hasRecording?: boolean; readonly tables?: ImportedTables | undefined } = {},
  ) {
    this.#machine = machine;
    this.#events = events;
    this.#requests = requests;
    this.#probe = probe;
    this.#readOccupancyNs = lineBits / machine.memoryGbps;
    const hostLevel: PageLevel = machine.hostPages === '2m' ? 2 : 1;
    this.spaces = new AddressSpaces({
      hostPages: machine.dimensions === '2' ? hostLevel : 0,
      levels: machine.levels === '5' ? 5 : 4,
      hostLevels: machine.hostLevels === '5' ? 5 : 4,
      hasRecording,
      imported: tables,
    });
    const spread = machine.index === 'domain';
    const made = (shape: ConstructorParameters<typeof PartitionedCache>[0]) =>
      new PartitionedCache(shape, spread, random);
    const levels = (): (TranslationCache | undefined)[] => [
      undefined,
      undefined,
      made(machine.l2Cache),
      made(machine.l3Cache),
      made(machine.l4Cache),
      made(machine.l5Cache),
    ];
    this.iotlb = new PageCache(
      machine.utility ? new UtilityCache(machine.iotlb, machine.utilityInterval, spread) : made(machine.iotlb),
    );
    this.context = made(machine.contextCache);
    this.pasids = made(machine.pasidCache);
    this.caches = {
      tables: levels(),
      hostTables: levels(),
      nested: made(machine.nestedCache),
      rootLevel: Number(machine.levels),
      hostRootLevel: Number(machine.hostLevels),
    };
    this.#walker = new Int32Array(machine.walkers).fill(-1);
    this.#done = new Uint8Array(machine.walkers);
    this.#prelude = new Uint8Array(machine.walkers);
    this.#isStale = new Uint8Array(machine.walkers);
    this.#walk = Array.from({ length: machine.walkers }, () => new Walk());
  }

  /** A request has reached the agent. */
  arrive(request: number): void {
    const { iotlbNs, scalable } = this.#machine;
    const { domain, requester, pasid, vpn } = this.#requests;
    const { now } = this.#events;
    let missing = 0;
    if (this.context.lookup(requester[request]!, 0, 1) < 0) missing |= noContext;
    if (scalable && this.pasids.lookup(requester[request]!, pasid[request]!, 1) < 0) missing |= noPasid;
    if (request === this.#probe.request) this.#markContext(missing);
    // Without the context there is no domain to look up the IOTLB with.
    if (missing === 0) {
      const frame = this.iotlb.lookup(domain[request]!, vpn[request]!);
      if (frame >= 0) {
        this.#answer(request, frame, this.iotlb.level);
        if (request === this.#probe.request) this.#probe.note(now + iotlbNs, 'IOTLB', 'hit');
        this.#events.push(now + iotlbNs, EventKind.answer, request);
        return;
      }
    }
    if (request === this.#probe.request)
      this.#probe.note(now + iotlbNs, 'IOTLB', missing === 0 ? 'miss' : 'no context or PASID entry');
    this.#lead(request, missing);
  }

  #markContext(missing: number): void {
    this.#probe.mark('context cache', (missing & noContext) === 0 ? 'hit' : 'miss');
    if (this.#machine.scalable) this.#probe.mark('PASID cache', (missing & noPasid) === 0 ? 'hit' : 'miss');
  }

  #answer(request: number, frame: number, level: number): void {
    this.#requests.frame[request] = frame;
    this.#requests.level[request] = level;
  }

  /** Joins a walk under way to the same page of the same requester, or leads one. */
  #lead(request: number, missing: number): void {
    const requests = this.#requests;
    requests.next[request] = -1;
    const page = this.#pageKey(request);
    const leader = this.#leaders.get(page);
    if (leader !== undefined && requests.requester[leader] === requests.requester[request]) {
      this.mergedWalks++;
      requests.next[requests.last[leader]!] = request;
      requests.last[leader] = request;
      return;
    }
    requests.last[request] = request;
    this.#leaders.set(page, request);
    requests.missing[request] = missing;
    const walker = this.#active < this.#walker.length ? this.#walker.indexOf(-1) : -1;
    if (walker >= 0) {
      this.#begin(walker, request, this.#events.now + this.#machine.iotlbNs);
      return;
    }
    this.#waiting.push(request, this.#events.now + this.#machine.iotlbNs);
  }

  #pageKey(request: number): number {
    return this.#wide.pageKey(this.#requests.domain[request]!, this.#requests.vpn[request]!);
  }

  #begin(walker: number, request: number, time: number): void {
    this.#walker[walker] = request;
    this.#active++;
    this.#done[walker] = 0;
    this.#isStale[walker] = 0;
    const missing = this.#requests.missing[request]!;
    this.#prelude[walker] = missing === (noContext | noPasid) ? 2 * readsPerEntry : missing === 0 ? 0 : readsPerEntry;
    if (missing === 0) this.#planTables(walker);
    this.#read(walker, time);
  }

  #planTables(walker: number): void {
    const request = this.#walker[walker]!;
    const { domain, vpn } = this.#requests;
    this.walks++;
    const walk = this.#walk[walker]!;
    walk.lookups = request === this.#probe.request ? [] : undefined;
    walk.plan(this.caches, this.spaces.of(domain[request]!), domain[request]!, vpn[request]!);
  }

  #read(walker: number, time: number): void {
    this.#events.push(this.readLine(time), EventKind.read, walker);
  }

  /** One read of a line: waits for the channel, then for memory. Returns when it has come back. */
  readLine(time: number): number {
    const begin = Math.max(time, this.#memoryFree);
    this.#memoryFree = begin + this.#readOccupancyNs;
    this.memoryReads++;
    return begin + this.#machine.memoryNs;
  }

  /** A read of that walker has come back. */
  readDone(walker: number): void {
    const { now } = this.#events;
    const request = this.#walker[walker]!;
    const prelude = this.#prelude[walker]!;
    const done = ++this.#done[walker]!;
    if (request === this.#probe.request) this.#noteRead(walker, done - 1);
    if (done <= prelude) {
      if (done < prelude) this.#read(walker, now);
      else this.#preludeDone(walker);
      return;
    }
    this.tableReads++;
    if (done - prelude < this.#walk[walker]!.reads) {
      this.#read(walker, now);
      return;
    }
    this.#end(walker);
  }

  #noteRead(walker: number, index: number): void {
    const prelude = this.#prelude[walker]!;
    const skipped = this.#requests.missing[this.#walker[walker]!] === noPasid ? readsPerEntry : 0;
    const walk = this.#walk[walker]!;
    if (index >= prelude) this.#markLookups(walk, index - prelude);
    const what =
      index < prelude ? `read of the ${preludeNames[skipped + index]}` : readName(walk.read[index - prelude]!);
    this.#probe.note(this.#events.now, what, 'memory');
    // What is found in a cache behind the last read.
    if (index >= prelude && index - prelude === walk.reads - 1) this.#markLookups(walk, walk.reads);
  }

  #markLookups({ lookups = [] }: Walk, before: number): void {
    for (const { read, cache, isHit } of lookups) if (read === before) this.#probe.mark(cache, isHit ? 'hit' : 'miss');
  }

  /** Context and PASID are known: now the IOTLB can be asked, and the tables walked if need be. */
  #preludeDone(walker: number): void {
    const request = this.#walker[walker]!;
    const { requester, pasid, domain, vpn } = this.#requests;
    const { now } = this.#events;
    this.context.fill(requester[request]!, 0, 1, domain[request]!);
    if (this.#machine.scalable) this.pasids.fill(requester[request]!, pasid[request]!, 1, domain[request]!);
    const frame = this.iotlb.lookup(domain[request]!, vpn[request]!);
    if (frame >= 0) {
      if (request === this.#probe.request) this.#probe.note(now, 'IOTLB', 'hit');
      this.#release(walker, frame, this.iotlb.level);
      return;
    }
    if (request === this.#probe.request) this.#probe.mark('IOTLB', 'miss');
    this.#planTables(walker);
    this.#read(walker, now);
  }

  #end(walker: number): void {
    const request = this.#walker[walker]!;
    const walk = this.#walk[walker]!;
    const { domain, vpn } = this.#requests;
    if (this.#isStale[walker] === 0) {
      walk.fillCaches(domain[request]!);
      if (walk.frame >= 0) this.iotlb.fill(domain[request]!, vpn[request]!, walk.level, walk.frame);
    }
    if (walk.frame < 0) this.faults++;
    this.#release(walker, walk.frame, walk.level);
  }

  /** Answers the request and all that joined it, frees the walker and hands it to the next that waits. */
  #release(walker: number, frame: number, level: number): void {
    const { now } = this.#events;
    const requests = this.#requests;
    const leader = this.#walker[walker]!;
    if (this.#leaders.get(this.#pageKey(leader)) === leader) this.#leaders.delete(this.#pageKey(leader));
    for (let request = leader; request !== -1; ) {
      const next = requests.next[request]!;
      this.#answer(request, frame, level);
      if (request === this.#probe.request && request !== leader)
        this.#probe.note(now, 'walk under way to the same page', 'joined');
      this.#events.push(now, EventKind.answer, request);
      request = next;
    }
    this.#walker[walker] = -1;
    this.#active--;
    if (this.#waiting.length > 0) {
      const since = this.#waiting.at(0, 1);
      const next = this.#waiting.shift();
      const begin = Math.max(now, since);
      this.walkerWaitNs += begin - since;
      if (next === this.#probe.request) this.#probe.note(begin, 'walkers', 'all busy');
      this.#begin(walker, next, begin);
    }
    this.onWalkEnd?.();
  }

  /** What an invalidation command does here. @param leavesOnly entries of upper tables stay (the invalidation hint) */
  invalidate(domain: number, vpn: number, pages: number, leavesOnly: boolean): void {
    this.iotlb.invalidate(domain, vpn, pages);
    if (!leavesOnly) {
      for (let level = 2; level <= this.caches.rootLevel; level++) {
        const size = 512 ** (level - 1);
        const last = Math.floor((vpn + pages - 1) / size);
        for (let region = Math.floor(vpn / size); region <= last; region++)
          this.caches.tables[level]!.invalidate(domain, region, level);
      }
    }
    this.#poison(domain, vpn, pages);
  }

  invalidateDomain(domain: number): void {
    this.iotlb.invalidateDomain(domain);
    for (const cache of this.caches.tables) cache?.invalidateDomain(domain);
    this.#poison(domain, 0, Number.POSITIVE_INFINITY);
  }

  /** @param requester -1 = all */
  invalidateContext(requester: number): void {
    if (requester === -1) this.context.clear();
    else this.context.invalidate(requester, 0, 1);
  }

  #poison(domain: number, vpn: number, pages: number): void {
    if (this.#active === 0) return;
    for (let walker = 0; walker < this.#walker.length; walker++)
      if (this.#concerns(walker, domain, vpn, pages)) {
        this.#isStale[walker] = 1;
        // Who asks from now on must not be answered with what this walk has read.
        this.#leaders.delete(this.#pageKey(this.#walker[walker]!));
      }
  }

  #concerns(walker: number, domain: number, vpn: number, pages: number): boolean {
    const request = this.#walker[walker]!;
    if (request === -1 || this.#requests.domain[request] !== domain) return false;
    const page = this.#requests.vpn[request]!;
    return page >= vpn && page < vpn + pages;
  }

  /** Whether a walk that began before an invalidation of that range is still under way: its command waits for it. */
  isWalking(domain: number, vpn: number, pages: number): boolean {
    if (this.#active === 0) return false;
    for (let walker = 0; walker < this.#walker.length; walker++)
      if (this.#isStale[walker] === 1 && this.#concerns(walker, domain, vpn, pages)) return true;
    return false;
  }

  counts(): IommuCounts {
    const { walks, mergedWalks, memoryReads, tableReads, walkerWaitNs, faults } = this;
    return { walks, mergedWalks, memoryReads, tableReads, walkerWaitNs, faults };
  }
}
