import type { VulnerabilityWindow } from './exposure.ts';
import type { InvalidationCounts } from './invalidation-queue.ts';
import type { IommuCounts } from './iommu.ts';
import type { TenantLatency } from './latency.ts';
import type { PrefetchCounts } from './prefetcher.ts';
import type { CacheCounts } from './translation-cache.ts';

export type IoCacheName =
  | 'CC'
  | 'PASID'
  | 'DEVTLB'
  | 'IOTLB'
  | 'L2PAGE'
  | 'L3PAGE'
  | 'L4PAGE'
  | 'L5PAGE'
  | 'NESTED'
  | 'HOSTL2'
  | 'HOSTL3'
  | 'HOSTL4'
  | 'HOSTL5'
  | 'RING'
  | 'INTERRUPT';

export interface CorrectIoResult extends IommuCounts {
  /** From the first arrival to the end of the last packet, or of the link's offer if that is later. */
  readonly timeNs: number;
  readonly translations: number;
  /** Packets that found the receive buffer full or their queue without a buffer: losses. */
  readonly packetsDropped: number;
  readonly losses: { readonly receiveBuffer: number; readonly noDescriptor: number; readonly refused: number };
  readonly packetsDelivered: number;
  readonly mbps: number;
  /** Share of the link rate, 0 to 1. */
  readonly utilization: number;
  readonly caches: Readonly<Record<IoCacheName, CacheCounts>>;
  readonly readsPerTranslation: number;
  /** Of the walkers and of 4 KiB of data delivered; the published relation counts so. */
  readonly readsPer4KiB: number;
  readonly pageRequests: number;
  /** DMAs to pages that were not mapped. */
  readonly refusedAccesses: number;
  readonly interrupts: number;
  readonly invalidations: number;
  readonly invalidationQueue: InvalidationCounts;
  readonly vulnerabilityWindowNs: VulnerabilityWindow;
  /** Time that cores spent, waiting for commands included, per core and share of the run. */
  readonly coresBusy: number;
  readonly pcieBytes: { readonly up: number; readonly down: number };
  readonly prefetch: PrefetchCounts;
  readonly tenants: readonly TenantLatency[];
  /** Jain's index of packets delivered per packet offered: 1 = all tenants alike. */
  readonly fairness: number;
}
