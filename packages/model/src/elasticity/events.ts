import type { MemoryEvent, MemoryEventKind } from '../machine/memory-events.ts';
import type { ElasticityConfig } from './config.ts';
import type { HostProfile, Operation } from './costs.ts';
import type { Technique } from './techniques/technique.ts';
import { createElasticVm } from './vm.ts';

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

export interface ResizeToRecord {
  readonly technique: Technique;
  readonly vfio: boolean;
  readonly config: ElasticityConfig;
  readonly profile: HostProfile;
  /** Size of the VM, in MiB. */
  readonly totalMib: number;
  /** What leaves and comes back, in MiB; techniques that cannot be told a size take what is free. */
  readonly mib: number;
  /** Whether HyperAlloc also takes what is free by itself, as every 5 s. Default false. */
  readonly automatic?: boolean;
  /** Whether the guest had written its memory before. */
  readonly touched: boolean;
}

/** Long enough for every automatic technique to have done its work once, hinting every 300 s included. */
const settledSeconds = 320;
const hugeOrder = 9;

/**
 * Every mapping that comes or goes while a VM shrinks, grows again and uses its memory, page by page, each at the time by which the host's work
 * before it is done. What a technique waits for between its actions (polls, delays) is left out.
 * @throws StrataError `elastic.size`, `elastic.not-dma-safe`
 */
export function memoryEventsOf({
  touched,
  mib,
  profile,
  automatic = false,
  ...options
}: ResizeToRecord): readonly MemoryEvent[] {
  const events: MemoryEvent[] = [];
  const record = (kind: MemoryEventKind, frame: number, pages: number) => {
    events.push({ micros: microsSoFar(), kind, frame, pages });
  };
  let onMapping: typeof record | undefined;
  const vm = createElasticVm({ ...options, onMapping: (...mapping) => onMapping?.(...mapping) });
  const microsSoFar = () => {
    let micros = 0;
    for (const [cost, count] of vm.host.operations) micros += count * profile.costs[cost];
    return micros;
  };
  const useAll = () => {
    const handles: number[] = [];
    for (let handle = vm.allocate(0, hugeOrder, true); handle >= 0; handle = vm.allocate(0, hugeOrder, true))
      handles.push(handle);
    for (const handle of handles.reverse()) vm.free(0, handle);
  };
  if (touched) useAll();
  vm.host.resetCounts();
  onMapping = record;
  vm.resizeTo(options.totalMib - mib);
  if (automatic || typeof options.technique.resize === 'string') vm.advance(settledSeconds);
  vm.resizeTo(options.totalMib);
  useAll();
  return events;
}
