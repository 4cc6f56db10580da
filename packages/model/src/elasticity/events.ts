import type { Operation } from './costs.ts';

/** What resizing does to address translation, for the parts that model it. */
export interface TranslationEvents {
  /** Present mappings of the host (EPT) taken away: each needs a flush of cached translations of the VM. */
  readonly eptInvalidations: number;
  /** Entries taken from the IOMMU: each is an invalidation of the IOTLB. */
  readonly iotlbInvalidations: number;
  /** Huge pages of the host that lost their first 4 KiB page and were split. */
  readonly hugePageSplits: number;
  /** Pages and frames that the host populated anew, most of them on a violation of the EPT. */
  readonly hostPopulations: number;
}

const pagesPerHugePage = 512;

export function translationEventsOf(operations: readonly Operation[]): TranslationEvents {
  const count = (...costs: readonly Operation['cost'][]) =>
    operations.reduce((sum, operation) => sum + (costs.includes(operation.cost) ? operation.count : 0), 0);
  return {
    eptInvalidations: count('zap2m', 'balloonZap4k', 'balloonZapHugeBacked4k'),
    iotlbInvalidations: count('iommuUnmap2m'),
    hugePageSplits: count('balloonZapHugeBacked4k') / pagesPerHugePage,
    hostPopulations: count('hostFault4k', 'zero2m', 'reportCycle4k'),
  };
}
