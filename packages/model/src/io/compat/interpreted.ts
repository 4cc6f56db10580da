import { createGlibcRandom } from './c-library.ts';
import { type AnyCompatCache, LfuCache, LruCache, OracleCache, SetIndex } from './cache.ts';
import { type EventQueue, FifoQueue, HeapQueue } from './event-queue.ts';
import {
  type CompatIoConfig,
  type CompatIoResult,
  type CompatIoSimulation,
  compatLatencies,
  type DeviceTlbPolicy,
  domainCount,
  lostRequest,
  packetIntervalNs,
  resultOf,
  translationsPerPacket,
} from './model.ts';
import { PageField, Pages, pageShift } from './pages.ts';
import { SidPrefetcher } from './prefetcher.ts';
import { CompatProbe } from './probe.ts';
import type { TranslationBlock } from './records.ts';
import { Pending, Requests, RequestTime } from './requests.ts';

const feedRecords = 96;

/**
 * The model as the specification tells it, to be read; `kernel.ts` does the same faster.
 * @param probe watches one translation
 * @throws StrataError `io.cache-geometry`
 */
export function createInterpretedSimulation(config: CompatIoConfig, probe = new CompatProbe()): CompatIoSimulation {
  return new CompatModel(config, probe);
}

class CompatModel implements CompatIoSimulation {
  readonly #config: CompatIoConfig;
  readonly #interval: number;
  readonly #queueEntries: number;
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

  readonly #probe: CompatProbe;
  readonly #pending = new Pending();
  readonly #requests = new Requests();
  readonly #flowFirst = new Float64Array(domainCount).fill(-1);
  readonly #flowLast = new Float64Array(domainCount);
  readonly #flowCount = new Float64Array(domainCount);

  #now = 0;
  #nextSlot = 0;
  #inFlight = 0;
  #issued = 0;
  #dropped = 0;

  constructor(config: CompatIoConfig, probe: CompatProbe) {
    this.#config = config;
    this.#probe = probe;
    this.#interval = packetIntervalNs(config);
    this.#queueEntries = config.queueEntries;
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
    // Few at a time: what the pages' look-up has brought into the processor's caches is still there when they are issued.
    for (let record = 0; record < block.length; ) {
      const end = Math.min(record + feedRecords, block.length);
      for (; record < end; record++) this.#pending.push(this.#pages.numberOf(block, record), block.nextAccess[record]!);
      this.#runWhilePacketsLast();
    }
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
      if (due === Infinity) throw lostRequest(this.#now, this.#issued);
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
    if (due === Infinity) throw lostRequest(this.#now, this.#issued);
    const slots = Math.ceil((due - this.#nextSlot) / this.#interval);
    this.#dropped += slots;
    this.#nextSlot += slots * this.#interval;
    this.#now = due;
  }

  #nextDue(): number {
    let due = this.#contextQueue.nextTime;
    if (this.#pageCacheQueue.nextTime < due) due = this.#pageCacheQueue.nextTime;
    if (this.#fillQueue.nextTime < due) due = this.#fillQueue.nextTime;
    if (this.#tlbQueue.nextTime < due) due = this.#tlbQueue.nextTime;
    return due;
  }

  #issue(): void {
    const page = this.#pending.firstPage;
    const request = this.#requests.create(page, this.#pending.firstNextAccess, this.#now);
    this.#pending.dropFirst();
    const hit = this.#contextCache.lookup(this.#pages.fields[(page << pageShift) + PageField.contextKey]!, 0);
    const wait = hit ? compatLatencies.contextHitNs : compatLatencies.contextMissNs;
    this.#requests.delay(request, wait);
    this.#contextQueue.push(request << 1, this.#now + wait);
    if (this.#issued === this.#probe.position) {
      this.#probe.begin(request, this.#now);
      this.#probe.note(this.#now + wait, 'context cache', hit ? 'hit' : 'miss: PCIe both ways, two reads');
    }
    this.#issued++;
    this.#inFlight++;
  }

  /** One nanosecond: each queue releases at most one event, in this order (specs/io.md 2.3). */
  #cycle(): void {
    const now = this.#now;
    if (this.#contextQueue.nextTime <= now) this.#afterContext(this.#contextQueue.pop() >> 1, now);
    if (this.#pageCacheQueue.nextTime <= now) this.#inPageCaches(this.#pageCacheQueue.pop(), now);
    if (this.#fillQueue.nextTime <= now) this.#fillPageCaches(this.#fillQueue.pop(), now);
    if (this.#tlbQueue.nextTime <= now) this.#complete(this.#tlbQueue.pop());
  }

  #afterContext(request: number, now: number): void {
    const requests = this.#requests;
    const prefetcher = this.#prefetcher;
    const fields = this.#pages.fields;
    const page = requests.page[request]!;
    const at = page << pageShift;
    const sid = fields[at + PageField.sid]!;
    const tlbKey = fields[at + PageField.tlbKey]!;
    const contextKey = fields[at + PageField.contextKey]!;
    this.#contextCache.access(contextKey, fields[at + PageField.contextSet]!, fields[at + PageField.did]!, 0, 0, sid);
    const inTlb = this.#deviceTlb.lookup(tlbKey, requests.times[request * 4 + RequestTime.nextAccess]!);
    const inBuffer = prefetcher.lookup(fields[at + PageField.bufferKey]!);
    if (request === this.#probe.request) this.#probe.atDevice(now, inTlb, inBuffer);
    if (inTlb || inBuffer) {
      requests.delay(request, compatLatencies.deviceTlbHitNs);
      this.#tlbQueue.push(request << 1, now + compatLatencies.deviceTlbHitNs - 1);
    } else {
      requests.delay(request, compatLatencies.pcieOneWayNs);
      this.#pageCacheQueue.push(request << 1, now + compatLatencies.pcieOneWayNs);
    }
    prefetcher.probe(sid, page, fields[at + PageField.addressKey]!);
    for (let asked = 0; asked < prefetcher.requests; asked++) {
      this.#pageCacheQueue.push(
        (prefetcher.pages[asked]! << 1) | 1,
        now + compatLatencies.pcieOneWayNs + compatLatencies.memoryNs,
      );
    }
  }

  /** Where the page of an event lies in `Pages.fields` (`Requests`). */
  #pageAt(event: number): number {
    return ((event & 1) === 1 ? event >> 1 : this.#requests.page[event >> 1]!) << pageShift;
  }

  #isWatched(event: number): boolean {
    return event === this.#probe.request * 2;
  }

  /** Adds to what the request reports; of prefetches nobody asks. */
  #delay(event: number, nanoseconds: number): void {
    if ((event & 1) === 0) this.#requests.delay(event >> 1, nanoseconds);
  }

  #inPageCaches(event: number, now: number): void {
    const fields = this.#pages.fields;
    const at = this.#pageAt(event);
    const level = fields[at + PageField.level]!;
    const inL2 = this.#l2.lookup(fields[at + PageField.l2Key]!);
    const inL3 = this.#l3.lookup(fields[at + PageField.l3Key]!);
    const { pageCacheHitNs, pcieOneWayNs, memoryNs } = compatLatencies;
    if (this.#isWatched(event)) this.#probe.inPageCaches(now, level, inL2, inL3);
    if (inL2 && level === 2) {
      this.#delay(event, pageCacheHitNs + pcieOneWayNs);
      this.#tlbQueue.push(event, now + pageCacheHitNs + pcieOneWayNs - 1);
    } else if (inL2 && level === 1) {
      this.#delay(event, memoryNs);
      this.#fillQueue.push(event, now + memoryNs - 1);
    } else if (inL2) {
      if ((event & 1) === 0) this.#requests.release(event >> 1);
    } else if (inL3 && level === 3) {
      this.#delay(event, pageCacheHitNs);
      this.#tlbQueue.push(event, now + pageCacheHitNs - 1);
    } else {
      const walk = memoryNs * (inL3 ? 3 - level : level);
      this.#delay(event, walk);
      this.#fillQueue.push(event, now + walk - 1);
    }
  }

  #fillPageCaches(event: number, now: number): void {
    const fields = this.#pages.fields;
    const at = this.#pageAt(event);
    const did = fields[at + PageField.did]!;
    const { tlb, l2, l3 } = this.#partitions;
    const inL2 =
      !this.#selective || (did >= tlb && did < tlb + l2)
        ? this.#l2.access(fields[at + PageField.l2Key]!, fields[at + PageField.l2Set]!, did)
        : undefined;
    const inL3 =
      !this.#selective || (did >= tlb + l2 && did < tlb + l2 + l3)
        ? this.#l3.access(fields[at + PageField.l3Key]!, fields[at + PageField.l3Set]!, did)
        : undefined;
    if (this.#isWatched(event)) this.#probe.fillsPageCaches(now, inL2, inL3);
    this.#delay(event, compatLatencies.pcieOneWayNs);
    this.#tlbQueue.push(event, now + compatLatencies.pcieOneWayNs);
  }

  #complete(event: number): void {
    const at = this.#pageAt(event);
    if ((event & 1) === 1) {
      this.#prefetcher.fill(this.#pages.fields[at + PageField.bufferKey]!);
      return;
    }
    this.#completeDemand(event >> 1, at, this.#pages.fields[at + PageField.tlbKey]!);
    this.#requests.release(event >> 1);
  }

  #completeDemand(request: number, at: number, key: number): void {
    const fields = this.#pages.fields;
    const times = this.#requests.times;
    const did = fields[at + PageField.did]!;
    let inTlb: boolean | undefined;
    if (!this.#selective || did < this.#partitions.tlb) {
      const nextAccess = times[request * 4 + RequestTime.nextAccess]!;
      const set = fields[at + PageField.tlbSet]!;
      const hash = [fields[at + PageField.hashHi]!, fields[at + PageField.hashLo]!] as const;
      inTlb = this.#deviceTlb.access(key, set, did, nextAccess, ...hash);
    }
    if (request === this.#probe.request)
      this.#probe.complete(this.#now, inTlb, times[request * 4 + RequestTime.latency]!);
    const issuedAt = times[request * 4 + RequestTime.issuedAt]!;
    if (this.#flowFirst[did] === -1) this.#flowFirst[did] = issuedAt;
    this.#flowLast[did] = issuedAt + times[request * 4 + RequestTime.latency]!;
    this.#flowCount[did]!++;
    this.#inFlight--;
  }

  #result(): CompatIoResult {
    return resultOf({
      config: this.#config,
      timeNs: this.#now,
      translations: this.#issued,
      packetsDropped: this.#dropped,
      caches: {
        CC: this.#contextCache.counts(),
        IOTLB: this.#deviceTlb.counts(),
        L2PAGE: this.#l2.counts(),
        L3PAGE: this.#l3.counts(),
      },
      prefetch: this.#prefetcher.counts(),
      flow: (did) => ({
        firstNs: this.#flowFirst[did]!,
        lastNs: this.#flowLast[did]!,
        translations: this.#flowCount[did]!,
      }),
    });
  }
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
