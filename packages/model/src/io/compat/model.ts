import { StrataError } from '../../machine/errors.ts';
import type { CompatCacheConfig, CompatCacheCounts } from './cache.ts';
import type { PrefetchCounts } from './prefetcher.ts';
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

/** DIDs are 16 bits wide. */
export const domainCount = 65_536;

/** @throws StrataError where the original would divide by zero, crash or loop for ever: `io.*`, naming the setting and how to mend it */
export function check({ linkGbps, queueEntries, prefetch }: CompatIoConfig): void {
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

/** Between the slots of two packets (quirk Q4: in whole nanoseconds). */
export function packetIntervalNs({ linkGbps }: CompatIoConfig): number {
  return Math.floor((packetBytes * 8) / linkGbps);
}

/** What an engine has counted. */
export interface CompatCounters {
  readonly config: CompatIoConfig;
  readonly timeNs: number;
  readonly translations: number;
  readonly packetsDropped: number;
  readonly caches: CompatIoResult['caches'];
  readonly prefetch: PrefetchCounts;
  flow(did: number): { readonly firstNs: number; readonly lastNs: number; readonly translations: number };
}

export function resultOf({ config, flow, ...counters }: CompatCounters): CompatIoResult {
  const { timeNs, translations } = counters;
  const packets = Math.floor(translations / translationsPerPacket);
  const mbps = timeNs === 0 ? 0 : mbpsOf(packets, timeNs);
  const flows: FlowCounts[] = [];
  for (let did = 0; did < domainCount; did++) {
    const own = flow(did);
    if (own.translations === 0) continue;
    const ownNs = own.lastNs - own.firstNs;
    const ownPackets = Math.floor(own.translations / translationsPerPacket);
    flows.push({ did, translations: own.translations, timeNs: ownNs, mbps: mbpsOf(ownPackets, ownNs) });
  }
  return {
    ...counters,
    mbps,
    utilization: mbps / (config.linkGbps * 1000),
    packetIntervalNs: packetIntervalNs(config),
    flows,
  };
}

function mbpsOf(packets: number, timeNs: number): number {
  return Math.floor((packets * packetBytes * 8 * 1000) / timeNs);
}

export function lostRequest(nowNs: number, translations: number): StrataError {
  return new StrataError({
    code: 'io.request-lost',
    what: 'a request for a 1 GiB page hit the L2 page cache and was lost, so the link stands still; the original loops for ever here (quirk Q6)',
    where: `simulated time ${nowNs} ns, after ${translations} translations`,
    mend: 'Use --mode correct for traces with 1 GiB pages.',
  });
}
