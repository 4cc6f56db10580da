import type { CompatCacheCounts } from '../compat/cache.ts';
import { Interner } from '../compat/interner.ts';
import type { TranslationBlock } from '../compat/records.ts';
import type { ProtectionScheme } from '../schemes/scheme.ts';
import type { IoMachine } from './config.ts';
import { LatencyTable, type TenantLatency } from './latency.ts';
import { SortedTimes } from './sorted-times.ts';
import { TagCache } from './tag-cache.ts';

/** One thing that a translation waited for. */
export interface IoStep {
  readonly what: string;
  readonly outcome: string;
  readonly nanoseconds: number;
}

type Counts = Pick<CompatCacheCounts, 'hit' | 'miss' | 'conflict'>;

export interface CorrectIoResult {
  readonly timeNs: number;
  readonly translations: number;
  /** Packets that found the receive buffer full: losses. */
  readonly packetsDropped: number;
  readonly packetsDelivered: number;
  readonly mbps: number;
  /** Share of the link rate, 0 to 1. */
  readonly utilization: number;
  readonly caches: Readonly<Record<'CC' | 'DEVTLB' | 'IOTLB' | 'L2PAGE' | 'L3PAGE' | 'L4PAGE' | 'NESTED', Counts>>;
  readonly walks: number;
  /** Walks that joined one under way to the same page. */
  readonly mergedWalks: number;
  readonly memoryReads: number;
  readonly readsPerTranslation: number;
  /** Waiting for a free walker, in all. */
  readonly walkerWaitNs: number;
  readonly invalidations: number;
  /** From unmapping to invalidation: how long a device could still reach the buffer. */
  readonly vulnerabilityWindowNs: { readonly mean: number; readonly max: number };
  readonly tenants: readonly TenantLatency[];
  /** Jain's index of packets delivered per packet offered: 1 = all tenants alike. */
  readonly fairness: number;
}

export interface CorrectIoSimulation {
  feed(block: TranslationBlock): void;
  finish(): CorrectIoResult;
}

const partsPerPacket = 3;
/** Buffers, as against rings and mailboxes, are the second part of a packet (specs/io.md 5). */
const bufferPart = 1;
const tableLevels = 4;
const rate = 1000;

/**
 * Translations in the order of their issue: each takes its time from what is free by then (pending entries, walkers, the
 * invalidation queue), and caches are filled in that order. No randomness, no block-size dependence.
 * @param explain called for every step of the translations for which `explained` says so
 */
export function createIoSimulation(
  machine: IoMachine,
  scheme: ProtectionScheme,
  explain?: { readonly translation: number; readonly steps: IoStep[] },
): CorrectIoSimulation {
  return new IoModel(machine, scheme, explain);
}

class IoModel implements CorrectIoSimulation {
  readonly #machine: IoMachine;
  readonly #scheme: ProtectionScheme;
  readonly #explain: { readonly translation: number; readonly steps: IoStep[] } | undefined;
  readonly #deviceTlb: TagCache;
  readonly #iotlb: TagCache;
  /** By level; 0 and 1 are not used. */
  readonly #walkCaches: readonly TagCache[];
  readonly #context: TagCache;
  readonly #nested: TagCache;
  readonly #regions = new Interner();
  readonly #latencies = new LatencyTable();
  readonly #inFlight: SortedTimes;
  readonly #walkers: Float64Array;
  /** Start times of the packets last accepted, as many as the receive buffer holds. */
  readonly #starts: Float64Array;
  #accepted = 0;
  #arrivals = 0;
  #lost = 0;
  #translations = 0;
  #part = 0;
  #packetLost = false;
  #start = 0;
  #packetEnd = 0;
  #packetDid = 0;
  #last = 0;
  #walks = 0;
  #merged = 0;
  #reads = 0;
  #walkerWait = 0;
  #invalidations = 0;
  #queueFree = 0;
  readonly #walkEnd = new Map<number, number>();
  readonly #unmapped: { readonly page: number; readonly at: number }[] = [];
  #windowSum = 0;
  #windowMax = 0;
  #windows = 0;

  constructor(machine: IoMachine, scheme: ProtectionScheme, explain?: { translation: number; steps: IoStep[] }) {
    this.#machine = machine;
    this.#scheme = scheme;
    this.#explain = explain;
    const made = ({ entries, ways }: { readonly entries: number; readonly ways: number }) =>
      new TagCache(entries, ways);
    this.#deviceTlb = made(machine.deviceTlb);
    this.#iotlb = made(machine.iotlb);
    const none = new TagCache(0, 0);
    this.#walkCaches = [none, none, made(machine.l2Cache), made(machine.l3Cache), made(machine.l4Cache)];
    this.#context = made(machine.contextCache);
    this.#nested = made(machine.nestedCache);
    this.#inFlight = new SortedTimes(machine.queueEntries + partsPerPacket);
    this.#walkers = new Float64Array(machine.walkers);
    this.#starts = new Float64Array(machine.receiveBuffer).fill(-1);
  }

  feed(block: TranslationBlock): void {
    for (let record = 0; record < block.length; record++) this.#record(block, record);
  }

  finish(): CorrectIoResult {
    if (this.#part > 0) this.#endPacket();
    const { packetBytes, gbps } = this.#machine;
    const offeredNs = (this.#arrivals * packetBytes * 8) / gbps;
    const timeNs = Math.max(this.#last, offeredNs);
    const delivered = this.#arrivals - this.#lost;
    const mbps = timeNs === 0 ? 0 : (delivered * packetBytes * 8 * rate) / timeNs;
    const tenants = this.#latencies.tenants();
    const caches = this.#walkCaches;
    return {
      timeNs,
      translations: this.#translations,
      packetsDropped: this.#lost,
      packetsDelivered: delivered,
      mbps,
      utilization: mbps / (gbps * rate),
      caches: {
        CC: this.#context.counts(),
        DEVTLB: this.#deviceTlb.counts(),
        IOTLB: this.#iotlb.counts(),
        L2PAGE: caches[2]!.counts(),
        L3PAGE: caches[3]!.counts(),
        L4PAGE: caches[4]!.counts(),
        NESTED: this.#nested.counts(),
      },
      walks: this.#walks,
      mergedWalks: this.#merged,
      memoryReads: this.#reads,
      readsPerTranslation: this.#translations === 0 ? 0 : this.#reads / this.#translations,
      walkerWaitNs: this.#walkerWait,
      invalidations: this.#invalidations,
      vulnerabilityWindowNs: { mean: this.#windows === 0 ? 0 : this.#windowSum / this.#windows, max: this.#windowMax },
      tenants,
      fairness: fairnessOf(tenants),
    };
  }

  #record(block: TranslationBlock, record: number): void {
    const did = block.did[record]!;
    if (this.#part === 0) this.#beginPacket(did);
    if (!this.#packetLost) {
      this.#packetEnd = Math.max(this.#packetEnd, this.#translate(block, record, did));
      this.#translations++;
    }
    if (++this.#part === partsPerPacket) this.#endPacket();
  }

  /** The packet arrives, waits in the receive buffer for a pending entry, or is lost. */
  #beginPacket(did: number): void {
    const { packetBytes, gbps, queueEntries } = this.#machine;
    const arrival = (this.#arrivals++ * packetBytes * 8) / gbps;
    const slot = this.#accepted % this.#starts.length;
    this.#packetDid = did;
    this.#packetLost = this.#starts[slot]! > arrival;
    if (this.#packetLost) {
      this.#lost++;
      this.#latencies.lose(did);
      return;
    }
    let start = Math.max(arrival, this.#start);
    this.#inFlight.dropUntil(start);
    while (this.#inFlight.length >= queueEntries) start = Math.max(start, this.#inFlight.takeFirst());
    // A ring's buffers come back when they are invalidated: a queue of commands longer than the ring holds up the device.
    const { ringBuffers, invalidationNs } = this.#machine;
    start = Math.max(start, this.#queueFree - ringBuffers * invalidationNs);
    this.#start = start;
    this.#packetEnd = start;
    this.#starts[slot] = start;
    this.#accepted++;
    this.#latencies.begin(did, arrival);
  }

  #endPacket(): void {
    this.#part = 0;
    if (this.#packetLost) return;
    if (this.#packetEnd > this.#last) this.#last = this.#packetEnd;
    this.#latencies.end(this.#packetDid, this.#packetEnd);
  }

  /** When the translation is done. */
  #translate(block: TranslationBlock, record: number, did: number): number {
    const { machine, scheme } = { machine: this.#machine, scheme: this.#scheme };
    const isBuffer = this.#part === bufferPart;
    const issued = this.#start;
    let done = issued;
    if (scheme.translation === 'none') this.#step('translation', 'none: the address is physical', 0);
    else if (scheme.translation === 'ring') done = this.#throughRing(did, issued);
    else done = this.#throughTables(block, record, did, issued);
    if (isBuffer && scheme.copies) {
      const copy = machine.packetBytes * machine.copyNsPerByte;
      done += copy;
      this.#step('copy to the mapped buffer', `${machine.packetBytes} bytes`, copy);
    }
    this.#inFlight.add(done);
    return done;
  }

  /** One cached entry per ring, the next one fetched while this one is used: a read only for a ring's first use. */
  #throughRing(did: number, issued: number): number {
    const { deviceTlbNs, pcieNs, memoryNs } = this.#machine;
    const ring = this.#regions.intern(did, this.#part, 0, 0, 1);
    if (this.#iotlb.lookup(ring, ring)) {
      this.#step('ring entry', 'hit', deviceTlbNs);
      return issued + deviceTlbNs;
    }
    this.#iotlb.fill(ring, ring);
    this.#reads++;
    const spent = 2 * pcieNs + memoryNs;
    this.#step('ring entry', 'miss: one read of the flat table', spent);
    return issued + spent;
  }

  #throughTables(block: TranslationBlock, record: number, did: number, issued: number): number {
    const { deviceTlbNs, pcieNs, iotlbNs, memoryNs } = this.#machine;
    const lo = block.iovaLo[record]!;
    const hi = block.iovaHi[record]!;
    const isHuge = this.#scheme.hugePages && this.#part === bufferPart;
    const level = isHuge ? 2 : Math.max(1, block.level[record]!);
    const page = this.#region(lo, hi, level, did, 0);
    const index = indexOf(lo, hi, level);
    let now = issued;
    if (this.#deviceTlb.lookup(page, index)) {
      this.#step('device TLB', 'hit', deviceTlbNs);
      now += deviceTlbNs;
    } else {
      this.#step('device TLB', 'miss', deviceTlbNs);
      this.#step('PCI Express', 'translation request', pcieNs);
      now += deviceTlbNs + pcieNs;
      now = this.#context.lookup(block.sid[record]!, block.sid[record]!)
        ? now
        : this.#readContext(block.sid[record]!, now);
      now += iotlbNs;
      const isHit = this.#iotlb.lookup(page, index);
      this.#step('IOTLB', isHit ? 'hit' : 'miss', iotlbNs);
      const underWay = this.#walkEnd.get(page);
      if (underWay !== undefined && underWay > now) {
        this.#merged++;
        this.#step('walk under way to the same page', 'joined', underWay - now);
        now = underWay;
      } else if (!isHit) {
        now = this.#walk(lo, hi, level, did, page, index, now, memoryNs);
      }
      this.#step('PCI Express', 'completion', pcieNs);
      now += pcieNs;
      this.#deviceTlb.fill(page, index);
    }
    if (this.#part === bufferPart) this.#afterUse(lo, hi, level, did, page, index, now);
    return now;
  }

  #readContext(sid: number, now: number): number {
    const { memoryNs } = this.#machine;
    this.#context.fill(sid, sid);
    this.#reads += 2;
    this.#step('context cache', 'miss: root and context entry', 2 * memoryNs);
    return now + 2 * memoryNs;
  }

  #walk(
    lo: number,
    hi: number,
    level: number,
    did: number,
    page: number,
    index: number,
    asked: number,
    memoryNs: number,
  ): number {
    this.#walks++;
    let walker = 0;
    for (let other = 1; other < this.#walkers.length; other++)
      if (this.#walkers[other]! < this.#walkers[walker]!) walker = other;
    const begin = Math.max(asked, this.#walkers[walker]!);
    this.#walkerWait += begin - asked;
    if (begin > asked) this.#step('walkers', 'all busy', begin - asked);
    let from = tableLevels;
    for (let cached = level + 1; cached <= tableLevels; cached++) {
      const isHit = this.#walkCaches[cached]!.lookup(this.#region(lo, hi, cached, did, 0), indexOf(lo, hi, cached));
      this.#step(`level-${cached} walk cache`, isHit ? 'hit' : 'miss', 0);
      if (isHit) {
        from = cached - 1;
        break;
      }
    }
    let reads = 0;
    for (let at = from; at >= level; at--) {
      reads += 1 + this.#hostReads(lo, hi, at + 1, did);
      this.#step(`read of the level-${at} entry`, at === level ? 'leaf' : 'table', memoryNs);
      if (at > level) this.#walkCaches[at]!.fill(this.#region(lo, hi, at, did, 0), indexOf(lo, hi, at));
    }
    reads += this.#hostReads(lo, hi, level, did);
    this.#reads += reads;
    const end = begin + reads * memoryNs;
    this.#walkers[walker] = end;
    this.#iotlb.fill(page, index);
    this.#walkEnd.set(page, end);
    if (this.#walkEnd.size > 4096)
      for (const [other, time] of this.#walkEnd) if (time <= begin) this.#walkEnd.delete(other);
    return end;
  }

  /** Reads of the host's tables for one guest-physical address: a table, or the page itself. */
  #hostReads(lo: number, hi: number, level: number, did: number): number {
    if (this.#machine.dimensions === '1') return 0;
    const key = this.#region(lo, hi, level, did, 2);
    const index = indexOf(lo, hi, level);
    if (this.#nested.lookup(key, index)) return 0;
    this.#nested.fill(key, index);
    this.#step('host walk', `${tableLevels} reads`, tableLevels * this.#machine.memoryNs);
    return tableLevels;
  }

  /** The buffer is done with: what the scheme does about the device's right to it. */
  #afterUse(lo: number, hi: number, level: number, did: number, page: number, index: number, now: number): void {
    const { invalidation } = this.#scheme;
    if (invalidation === 'never') return;
    if (invalidation === 'batch') {
      this.#unmapped.push({ page, at: now });
      const waited = now - this.#unmapped[0]!.at;
      if (this.#unmapped.length >= this.#machine.batch || waited >= this.#machine.windowNs) this.#flush(now);
      return;
    }
    const begin = Math.max(now, this.#queueFree);
    this.#queueFree = begin + this.#machine.invalidationNs;
    this.#invalidations++;
    this.#window(this.#queueFree - now);
    this.#deviceTlb.invalidate(page, index);
    this.#iotlb.invalidate(page, index);
    if (!this.#scheme.dropsWalkCaches) return;
    for (let upper = level + 1; upper < tableLevels; upper++)
      this.#walkCaches[upper]!.invalidate(this.#region(lo, hi, upper, did, 0), indexOf(lo, hi, upper));
  }

  #flush(now: number): void {
    this.#invalidations++;
    const end = Math.max(now, this.#queueFree) + this.#machine.invalidationNs;
    this.#queueFree = end;
    for (const { at } of this.#unmapped) this.#window(end - at);
    this.#unmapped.length = 0;
    this.#deviceTlb.clear();
    this.#iotlb.clear();
    if (this.#scheme.dropsWalkCaches) for (const cache of this.#walkCaches) cache.clear();
  }

  #window(nanoseconds: number): void {
    this.#windows++;
    this.#windowSum += nanoseconds;
    if (nanoseconds > this.#windowMax) this.#windowMax = nanoseconds;
  }

  /** Number of the region of a level that an address of a domain lies in. */
  #region(lo: number, hi: number, level: number, did: number, space: number): number {
    const shift = 12 + 9 * (level - 1);
    const regionLo = shift < 32 ? lo >>> shift : 0;
    const regionHi = shift < 32 ? hi : hi >>> (shift - 32);
    return this.#regions.intern(regionLo, regionHi, did, level, space);
  }

  #step(what: string, outcome: string, nanoseconds: number): void {
    if (this.#explain !== undefined && this.#explain.translation === this.#translations)
      this.#explain.steps.push({ what, outcome, nanoseconds });
  }
}

/** Bits that pick the set: those of the page number, folded so that 4 KiB pages of one region spread. */
function indexOf(lo: number, hi: number, level: number): number {
  const shift = 12 + 9 * (level - 1);
  const page = shift < 32 ? (lo >>> shift) | (hi << (32 - shift)) : hi >>> (shift - 32);
  return (page ^ (page >>> 9)) >>> 0;
}

function fairnessOf(tenants: readonly TenantLatency[]): number {
  const shares = tenants.map(({ delivered, lost }) => delivered / (delivered + lost));
  const sum = shares.reduce((total, share) => total + share, 0);
  const squares = shares.reduce((total, share) => total + share * share, 0);
  return squares === 0 ? 1 : (sum * sum) / (shares.length * squares);
}
