import { StrataError } from '../../machine/errors.ts';
import { createGlibcRandom } from './c-library.ts';
import {
  type AnyCompatCache,
  type CompatCacheConfig,
  type CompatCacheCounts,
  LfuCache,
  LruCache,
  OracleCache,
  SetIndex,
} from './cache.ts';
import { type EventQueue, FifoQueue, HeapQueue } from './event-queue.ts';
import { Interner } from './interner.ts';
import { type PrefetchCounts, SidPrefetcher } from './prefetcher.ts';
import type { TranslationBlock } from './records.ts';

/** Latencies of the original in nanoseconds (specs/io.md 2.1). */
export const compatLatencies = {
  pcieOneWayNs: 450,
  memoryNs: 50,
  deviceTlbHitNs: 2,
  contextHitNs: 1,
  /** PCIe round trip and two memory reads. */
  contextMissNs: 1000,
  pageCacheHitNs: 5,
} as const;

export const packetBytes = 1542;
export const translationsPerPacket = 3;

export type DeviceTlbPolicy = 'lru' | 'lfu' | 'oracle';

export interface CompatIoConfig {
  readonly contextCache: CompatCacheConfig;
  readonly deviceTlb: CompatCacheConfig;
  /** Leaf pages of 2 MiB reach ("L2PAGE"). */
  readonly l2PageCache: CompatCacheConfig;
  /** 1 GiB reach ("L3PAGE"). */
  readonly l3PageCache: CompatCacheConfig;
  readonly prefetch: { readonly bufferEntries: number; readonly historyDepth: number; readonly distance: number };
  /** Pending translation buffer, in translations ("translation queue"). */
  readonly queueEntries: number;
  readonly linkGbps: number;
  readonly replacement: DeviceTlbPolicy;
  readonly inOrder: boolean;
  /** Each cache allocates only for as many domains as it has partitions. */
  readonly selective: boolean;
}

export interface FlowCounts {
  readonly did: number;
  readonly translations: number;
  /** Between the first issue and the last completion. */
  readonly timeNs: number;
  readonly mbps: number;
}

export interface CompatIoResult {
  readonly timeNs: number;
  readonly translations: number;
  readonly packetsDropped: number;
  readonly mbps: number;
  /** Share of the link rate, 0 to about 1.03 (the packet interval is cut to whole nanoseconds, quirk Q4). */
  readonly utilization: number;
  readonly packetIntervalNs: number;
  readonly caches: Readonly<Record<'CC' | 'IOTLB' | 'L2PAGE' | 'L3PAGE', CompatCacheCounts>>;
  readonly prefetch: PrefetchCounts;
  /** Ascending by domain. */
  readonly flows: readonly FlowCounts[];
}

export interface CompatIoSimulation {
  /** Simulates the block and whatever it makes due. Any split of a trace into blocks gives the same result. */
  feed(block: TranslationBlock): void;
  finish(): CompatIoResult;
}

/** @throws StrataError where the original would divide by zero, crash or loop for ever: `io.*`, naming the setting and how to mend it */
export function createCompatSimulation(config: CompatIoConfig): CompatIoSimulation {
  return new CompatModel(config);
}

const domainCount = 65_536;

class CompatModel implements CompatIoSimulation {
  readonly #interval: number;
  readonly #queueEntries: number;
  readonly #linkGbps: number;
  readonly #selective: boolean;
  readonly #contextQueue: EventQueue;
  readonly #pageCacheQueue: EventQueue;
  readonly #fillQueue: EventQueue;
  readonly #tlbQueue: EventQueue;
  readonly #contextCache: LfuCache;
  readonly #deviceTlb: AnyCompatCache;
  readonly #l2: LruCache;
  readonly #l3: LruCache;
  readonly #prefetcher: SidPrefetcher;
  readonly #pages: Pages;
  readonly #partitions: { readonly tlb: number; readonly l2: number; readonly l3: number };

  readonly #pending = new Pending();
  readonly #events = new Events();
  readonly #flowFirst = new Float64Array(domainCount).fill(-1);
  readonly #flowLast = new Float64Array(domainCount);
  readonly #flowCount = new Float64Array(domainCount);

  #now = 0;
  #nextSlot = 0;
  #inFlight = 0;
  #issued = 0;
  #dropped = 0;

  constructor(config: CompatIoConfig) {
    check(config);
    this.#interval = Math.floor((packetBytes * 8) / config.linkGbps);
    this.#queueEntries = config.queueEntries;
    this.#linkGbps = config.linkGbps;
    this.#selective = config.selective;
    const queue = (): EventQueue => (config.inOrder ? new FifoQueue() : new HeapQueue());
    this.#contextQueue = queue();
    this.#pageCacheQueue = queue();
    this.#fillQueue = queue();
    this.#tlbQueue = queue();
    const index = {
      context: new SetIndex('CC', config.contextCache),
      tlb: new SetIndex('IOTLB', config.deviceTlb),
      l2: new SetIndex('L2PAGE', config.l2PageCache),
      l3: new SetIndex('L3PAGE', config.l3PageCache),
    };
    const random = createGlibcRandom();
    this.#contextCache = new LfuCache(index.context.sets, config.contextCache.ways, random);
    this.#deviceTlb = deviceTlb(config.replacement, index.tlb.sets, config.deviceTlb.ways, random);
    this.#l2 = new LruCache(index.l2.sets, config.l2PageCache.ways);
    this.#l3 = new LruCache(index.l3.sets, config.l3PageCache.ways);
    const { bufferEntries, historyDepth, distance } = config.prefetch;
    this.#prefetcher = new SidPrefetcher(bufferEntries, historyDepth, distance);
    this.#pages = new Pages(index);
    this.#partitions = {
      tlb: config.deviceTlb.partitions,
      l2: config.l2PageCache.partitions,
      l3: config.l3PageCache.partitions,
    };
  }

  feed(block: TranslationBlock): void {
    for (let record = 0; record < block.length; record++)
      this.#pending.push(this.#pages.numberOf(block, record), block.nextAccess[record]!);
    this.#runWhilePacketsLast();
  }

  finish(): CompatIoResult {
    this.#runWhilePacketsLast();
    this.#runToLastSlot();
    this.#drain();
    return this.#result();
  }

  /** Goes on until a slot wants a packet that is not there yet. */
  #runWhilePacketsLast(): void {
    for (;;) {
      if (this.#now === this.#nextSlot) {
        if (this.#inFlight >= this.#queueEntries) {
          this.#dropped++;
        } else {
          if (this.#pending.length < translationsPerPacket) return;
          for (let part = 0; part < translationsPerPacket; part++) this.#issue();
        }
        this.#nextSlot += this.#interval;
      }
      this.#cycle();
      this.#now++;
      this.#skipIdle();
    }
  }

  /** The trace has ended: that is noticed at the next slot with room, where what is left of a packet still goes out. */
  #runToLastSlot(): void {
    while (this.#pending.length > 0) this.#issue();
  }

  #drain(): void {
    while (this.#inFlight > 0) {
      const due = this.#nextDue();
      if (due === Infinity) throw this.#lostRequest();
      if (due > this.#now) this.#now = due;
      this.#cycle();
      this.#now++;
    }
  }

  /** Jumps to the next nanosecond in which something happens; slots that find the buffer full on the way are drops. */
  #skipIdle(): void {
    const due = this.#nextDue();
    if (due <= this.#now) return;
    if (this.#nextSlot >= due) {
      this.#now = due;
      return;
    }
    if (this.#inFlight < this.#queueEntries) {
      this.#now = this.#nextSlot;
      return;
    }
    if (due === Infinity) throw this.#lostRequest();
    const slots = Math.ceil((due - this.#nextSlot) / this.#interval);
    this.#dropped += slots;
    this.#nextSlot += slots * this.#interval;
    this.#now = due;
  }

  #nextDue(): number {
    return Math.min(
      this.#contextQueue.nextTime,
      this.#pageCacheQueue.nextTime,
      this.#fillQueue.nextTime,
      this.#tlbQueue.nextTime,
    );
  }

  #lostRequest(): StrataError {
    return new StrataError({
      code: 'io.request-lost',
      what: 'a request for a 1 GiB page hit the L2 page cache and was lost, so the link stands still; the original loops for ever here (quirk Q6)',
      where: `simulated time ${this.#now} ns, after ${this.#issued} translations`,
      mend: 'Use --mode correct for traces with 1 GiB pages.',
    });
  }

  #issue(): void {
    const page = this.#pending.firstPage;
    const event = this.#events.create(page, this.#pending.firstNextAccess, this.#now, false);
    this.#pending.dropFirst();
    const hit = this.#contextCache.lookup(this.#pages.sid[page]!, 0);
    const wait = hit ? compatLatencies.contextHitNs : compatLatencies.contextMissNs;
    this.#events.latency[event] = wait;
    this.#contextQueue.push(event, this.#now + wait);
    this.#issued++;
    this.#inFlight++;
  }

  /** One nanosecond: each queue releases at most one event, in this order (specs/io.md 2.3). */
  #cycle(): void {
    const now = this.#now;
    if (this.#contextQueue.nextTime <= now) this.#afterContext(this.#contextQueue.pop(), now);
    if (this.#pageCacheQueue.nextTime <= now) this.#inPageCaches(this.#pageCacheQueue.pop(), now);
    if (this.#fillQueue.nextTime <= now) this.#fillPageCaches(this.#fillQueue.pop(), now);
    if (this.#tlbQueue.nextTime <= now) this.#complete(this.#tlbQueue.pop());
  }

  #afterContext(event: number, now: number): void {
    const events = this.#events;
    const pages = this.#pages;
    const page = events.page[event]!;
    const sid = pages.sid[page]!;
    this.#contextCache.access(sid, pages.contextSet[page]!, pages.did[page]!, 0, 0, sid);
    const inTlb = this.#deviceTlb.lookup(pages.tlbKey[page]!, events.nextAccess[event]!);
    const inBuffer = this.#prefetcher.lookup(pages.tlbKey[page]!);
    if (inTlb || inBuffer) {
      events.latency[event]! += compatLatencies.deviceTlbHitNs;
      this.#tlbQueue.push(event, now + compatLatencies.deviceTlbHitNs - 1);
    } else {
      events.latency[event]! += compatLatencies.pcieOneWayNs;
      this.#pageCacheQueue.push(event, now + compatLatencies.pcieOneWayNs);
    }
    this.#prefetcher.probe(sid, page, pages.addressKey[page]!);
    for (let request = 0; request < this.#prefetcher.requests; request++) {
      const prefetch = events.create(this.#prefetcher.pages[request]!, Infinity, now, true);
      this.#pageCacheQueue.push(prefetch, now + compatLatencies.pcieOneWayNs + compatLatencies.memoryNs);
    }
  }

  #inPageCaches(event: number, now: number): void {
    const { page: pageOf, latency } = this.#events;
    const page = pageOf[event]!;
    const level = this.#pages.level[page]!;
    const inL2 = this.#l2.lookup(this.#pages.l2Key[page]!, 0);
    const inL3 = this.#l3.lookup(this.#pages.l3Key[page]!, 0);
    const { pageCacheHitNs, pcieOneWayNs, memoryNs } = compatLatencies;
    if (inL2 && level === 2) {
      latency[event]! += pageCacheHitNs + pcieOneWayNs;
      this.#tlbQueue.push(event, now + pageCacheHitNs + pcieOneWayNs - 1);
    } else if (inL2 && level === 1) {
      latency[event]! += memoryNs;
      this.#fillQueue.push(event, now + memoryNs - 1);
    } else if (inL2) {
      this.#events.release(event);
    } else if (inL3 && level === 3) {
      latency[event]! += pageCacheHitNs;
      this.#tlbQueue.push(event, now + pageCacheHitNs - 1);
    } else {
      const walk = memoryNs * (inL3 ? 3 - level : level);
      latency[event]! += walk;
      this.#fillQueue.push(event, now + walk - 1);
    }
  }

  #fillPageCaches(event: number, now: number): void {
    const pages = this.#pages;
    const page = this.#events.page[event]!;
    const did = pages.did[page]!;
    const { tlb, l2, l3 } = this.#partitions;
    if (!this.#selective || (did >= tlb && did < tlb + l2))
      this.#l2.access(pages.l2Key[page]!, pages.l2Set[page]!, did, 0, 0, 0);
    if (!this.#selective || (did >= tlb + l2 && did < tlb + l2 + l3))
      this.#l3.access(pages.l3Key[page]!, pages.l3Set[page]!, did, 0, 0, 0);
    this.#events.latency[event]! += compatLatencies.pcieOneWayNs;
    this.#tlbQueue.push(event, now + compatLatencies.pcieOneWayNs);
  }

  #complete(event: number): void {
    const { page: pageOf, latency, issuedAt, isPrefetch, nextAccess } = this.#events;
    const pages = this.#pages;
    const page = pageOf[event]!;
    if (isPrefetch[event] === 1) {
      this.#prefetcher.fill(pages.tlbKey[page]!);
    } else {
      const did = pages.did[page]!;
      if (!this.#selective || did < this.#partitions.tlb) {
        const set = pages.tlbSet[page]!;
        this.#deviceTlb.access(
          pages.tlbKey[page]!,
          set,
          did,
          nextAccess[event]!,
          pages.hashHi[page]!,
          pages.hashLo[page]!,
        );
      }
      if (this.#flowFirst[did] === -1) this.#flowFirst[did] = issuedAt[event]!;
      this.#flowLast[did] = issuedAt[event]! + latency[event]!;
      this.#flowCount[did]!++;
      this.#inFlight--;
    }
    this.#events.release(event);
  }

  #result(): CompatIoResult {
    const packets = Math.floor(this.#issued / translationsPerPacket);
    const mbps = this.#now === 0 ? 0 : Math.floor((packets * packetBytes * 8 * 1000) / this.#now);
    const flows: FlowCounts[] = [];
    for (let did = 0; did < domainCount; did++) {
      const translations = this.#flowCount[did]!;
      if (translations === 0) continue;
      const timeNs = this.#flowLast[did]! - this.#flowFirst[did]!;
      const bits = packetBytes * 8 * Math.floor(translations / translationsPerPacket);
      flows.push({ did, translations, timeNs, mbps: Math.floor((bits * 1000) / timeNs) });
    }
    return {
      timeNs: this.#now,
      translations: this.#issued,
      packetsDropped: this.#dropped,
      mbps,
      utilization: mbps / (this.#linkGbps * 1000),
      packetIntervalNs: this.#interval,
      caches: {
        CC: this.#contextCache.counts(),
        IOTLB: this.#deviceTlb.counts(),
        L2PAGE: this.#l2.counts(),
        L3PAGE: this.#l3.counts(),
      },
      prefetch: this.#prefetcher.counts(),
      flows,
    };
  }
}

function check({ linkGbps, queueEntries, prefetch }: CompatIoConfig): void {
  if (!(linkGbps > 0 && linkGbps <= packetBytes * 8))
    throw new StrataError({
      code: 'io.link-rate',
      what: 'link rate outside what the packet interval in whole nanoseconds can express (quirk Q4)',
      where: 'link rate',
      expected: `more than 0 and at most ${packetBytes * 8} Gb/s`,
      found: String(linkGbps),
    });
  if (queueEntries < 1)
    throw new StrataError({
      code: 'io.queue-empty',
      what: 'a translation queue of no entries admits nothing (quirk Q27)',
      where: '--queue',
      expected: 'at least 1',
      found: String(queueEntries),
    });
  if (prefetch.historyDepth < 1 || prefetch.distance < 1)
    throw new StrataError({
      code: 'io.prefetch-parameters',
      what: 'the prefetcher needs a history and a distance even when its buffer is empty (quirk Q27)',
      where: 'PREFETCH',
      expected: 'histlen and assoc (the distance) of at least 1',
      found: `histlen ${prefetch.historyDepth}, assoc ${prefetch.distance}`,
    });
}

function deviceTlb(policy: DeviceTlbPolicy, sets: number, ways: number, random: () => number): AnyCompatCache {
  switch (policy) {
    case 'lru':
      return new LruCache(sets, ways);
    case 'lfu':
      return new LfuCache(sets, ways, random);
    case 'oracle':
      return new OracleCache(sets, ways);
  }
}

/** Distinct (SID, DID, page) of the trace, numbered at first touch, with all that the stages need of them. */
class Pages {
  sid = new Uint16Array(1024);
  did = new Uint16Array(1024);
  level = new Uint8Array(1024);
  contextSet = new Int32Array(1024);
  tlbKey = new Int32Array(1024);
  tlbSet = new Int32Array(1024);
  l2Key = new Int32Array(1024);
  l2Set = new Int32Array(1024);
  l3Key = new Int32Array(1024);
  l3Set = new Int32Array(1024);
  addressKey = new Int32Array(1024);
  /** The original's hash of a DevTLB key: (page address << 16) | DID. */
  hashHi = new Uint32Array(1024);
  hashLo = new Uint32Array(1024);
  readonly #numbers = new Interner();
  readonly #tlbKeys = new Interner();
  readonly #l2Keys = new Interner();
  readonly #l3Keys = new Interner();
  readonly #addresses = new Interner();
  readonly #masks = new Interner();
  readonly #index: Readonly<Record<'context' | 'tlb' | 'l2' | 'l3', SetIndex>>;

  constructor(index: Readonly<Record<'context' | 'tlb' | 'l2' | 'l3', SetIndex>>) {
    this.#index = index;
  }

  numberOf(block: TranslationBlock, record: number): number {
    const lo = block.iovaLo[record]!;
    const hi = block.iovaHi[record]!;
    const maskLo = block.maskLo[record]!;
    const maskHi = block.maskHi[record]!;
    const level = block.level[record]!;
    const pageLo = (lo & maskLo) >>> 0;
    const pageHi = (hi & maskHi) >>> 0;
    const sid = block.sid[record]!;
    const did = block.did[record]!;
    const mask = this.#masks.intern(maskLo, maskHi, level, 0, 0);
    const owner = sid * 65_536 + did;
    const before = this.#numbers.size;
    const page = this.#numbers.intern(
      pageLo,
      pageHi,
      owner,
      ((hi << 11) | (lo >>> 21)) >>> 0,
      ((mask << 11) | (hi >>> 21)) >>> 0,
    );
    if (page === before) this.#describe(page, lo, hi, pageLo, pageHi, sid, did, level);
    return page;
  }

  #describe(
    page: number,
    lo: number,
    hi: number,
    pageLo: number,
    pageHi: number,
    sid: number,
    did: number,
    level: number,
  ): void {
    if (page === this.sid.length) this.#grow();
    const megabytes2Lo = ((hi << 11) | (lo >>> 21)) >>> 0;
    const gigabytesLo = ((hi << 2) | (lo >>> 30)) >>> 0;
    this.sid[page] = sid;
    this.did[page] = did;
    this.level[page] = level;
    this.contextSet[page] = this.#index.context.of(did, sid);
    this.tlbKey[page] = this.#tlbKeys.intern(pageLo, pageHi, did, 0, 0);
    this.tlbSet[page] = this.#index.tlb.of(did, megabytes2Lo);
    this.l2Key[page] = this.#l2Keys.intern(megabytes2Lo, hi >>> 21, did, 0, 0);
    this.l2Set[page] = this.#index.l2.of(did, megabytes2Lo);
    this.l3Key[page] = this.#l3Keys.intern(gigabytesLo, hi >>> 30, did, 0, 0);
    this.l3Set[page] = this.#index.l3.of(did, gigabytesLo);
    this.addressKey[page] = this.#addresses.intern(pageLo, pageHi, 0, 0, 0);
    this.hashHi[page] = (pageHi << 16) | (pageLo >>> 16);
    this.hashLo[page] = (pageLo << 16) | did;
  }

  #grow(): void {
    const capacity = this.sid.length * 2;
    this.sid = grown(this.sid, new Uint16Array(capacity));
    this.did = grown(this.did, new Uint16Array(capacity));
    this.level = grown(this.level, new Uint8Array(capacity));
    this.contextSet = grown(this.contextSet, new Int32Array(capacity));
    this.tlbKey = grown(this.tlbKey, new Int32Array(capacity));
    this.tlbSet = grown(this.tlbSet, new Int32Array(capacity));
    this.l2Key = grown(this.l2Key, new Int32Array(capacity));
    this.l2Set = grown(this.l2Set, new Int32Array(capacity));
    this.l3Key = grown(this.l3Key, new Int32Array(capacity));
    this.l3Set = grown(this.l3Set, new Int32Array(capacity));
    this.addressKey = grown(this.addressKey, new Int32Array(capacity));
    this.hashHi = grown(this.hashHi, new Uint32Array(capacity));
    this.hashLo = grown(this.hashLo, new Uint32Array(capacity));
  }
}

/** Requests in flight, as arrays indexed by event number; numbers are used again. */
class Events {
  page = new Int32Array(1024);
  issuedAt = new Float64Array(1024);
  /** Sum of the stages' latencies so far; waiting for a queue's turn is not in it, as in the original's flow statistics. */
  latency = new Float64Array(1024);
  nextAccess = new Float64Array(1024);
  isPrefetch = new Uint8Array(1024);
  #free = new Int32Array(1024);
  #freeCount = 0;
  #created = 0;

  create(page: number, nextAccess: number, issuedAt: number, prefetch: boolean): number {
    const event = this.#freeCount > 0 ? this.#free[--this.#freeCount]! : this.#created++;
    if (event === this.page.length) this.#grow();
    this.page[event] = page;
    this.issuedAt[event] = issuedAt;
    this.latency[event] = 0;
    this.nextAccess[event] = nextAccess;
    this.isPrefetch[event] = prefetch ? 1 : 0;
    return event;
  }

  release(event: number): void {
    this.#free[this.#freeCount++] = event;
  }

  #grow(): void {
    const capacity = this.page.length * 2;
    this.page = grown(this.page, new Int32Array(capacity));
    this.issuedAt = grown(this.issuedAt, new Float64Array(capacity));
    this.latency = grown(this.latency, new Float64Array(capacity));
    this.nextAccess = grown(this.nextAccess, new Float64Array(capacity));
    this.isPrefetch = grown(this.isPrefetch, new Uint8Array(capacity));
    this.#free = grown(this.#free, new Int32Array(capacity));
  }
}

/** Records that wait for their slot: what is left of the last block. */
class Pending {
  length = 0;
  #page = new Int32Array(1024);
  #nextAccess = new Float64Array(1024);
  #first = 0;

  get firstPage(): number {
    return this.#page[this.#first]!;
  }

  get firstNextAccess(): number {
    return this.#nextAccess[this.#first]!;
  }

  push(page: number, nextAccess: number): void {
    if (this.#first + this.length === this.#page.length) this.#makeRoom();
    this.#page[this.#first + this.length] = page;
    this.#nextAccess[this.#first + this.length] = nextAccess;
    this.length++;
  }

  dropFirst(): void {
    this.#first++;
    this.length--;
    if (this.length === 0) this.#first = 0;
  }

  #makeRoom(): void {
    const capacity = this.length * 2 > this.#page.length ? this.#page.length * 2 : this.#page.length;
    const page = new Int32Array(capacity);
    const nextAccess = new Float64Array(capacity);
    page.set(this.#page.subarray(this.#first, this.#first + this.length));
    nextAccess.set(this.#nextAccess.subarray(this.#first, this.#first + this.length));
    this.#page = page;
    this.#nextAccess = nextAccess;
    this.#first = 0;
  }
}

function grown<T extends Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
