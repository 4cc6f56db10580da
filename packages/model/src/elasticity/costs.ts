import { type RangeNotes, real, resolve, type Spec, type ValuesOf } from '../machine/fields.ts';
import { createRegistry, type Named, type Registry } from '../machine/registry.ts';

const fitted = 'fitted to 36 measured means of HyperAlloc (EuroSys 2025), 1.8 % mean error; specification 5.1';

function cost(microseconds: number, summary: string, notes: RangeNotes = {}) {
  return real(microseconds, summary, { unit: 'us', min: 0, source: fitted, ...notes });
}

/** What one operation costs on a host, in microseconds: the vocabulary in which techniques say what they do. */
export const costFields = {
  balloonInflate4k: cost(2.537, 'guest allocates a page, queues, kicks, waits; host translates and discards (4 KiB)'),
  balloonZap4k: cost(1.918, 'unmapping a present 4 KiB page on top'),
  balloonZapHugeBacked4k: cost(0.706, 'the same where the host still has it in a huge page'),
  balloonDeflate4k: cost(1.783, 'dequeue, free, notify (4 KiB)'),
  hostFault4k: cost(3.741, 'EPT violation and a zeroed 4 KiB host page'),
  balloonInflate2m: cost(7.524, 'patched balloon: one 2 MiB frame out'),
  balloonDeflate2m: cost(6.639, 'patched balloon: one 2 MiB frame back'),
  zap2m: cost(5.89, 'unmapping a present 2 MiB frame: madvise, EPT, flush'),
  discardCall: cost(2.621, 'extra when each 2 MiB frame is a discard of its own'),
  memUnplug2m: cost(52.39, 'virtio-mem, guest side: isolate, migrate, offline (2 MiB)'),
  memPlug2m: cost(21.31, 'virtio-mem, guest side: online (2 MiB)'),
  reclaimState2m: cost(0.4308, 'HyperAlloc: compare-and-swap on child and tree to take a frame'),
  returnState2m: cost(0.2555, 'HyperAlloc: the same to give it back'),
  iommuUnmap2m: cost(32.82, 'unmapping from the IOMMU and unpinning 512 pages'),
  iommuMap2m: cost(70.42, 'mapping in the IOMMU and pinning 512 pages'),
  zero2m: cost(363.1, 'host zeroes 2 MiB (5.8 GB/s) and maps it'),
  install2m: cost(6.13, 'HyperAlloc: request to install and its answer'),
  mapPopulated2m: cost(38, 'EPT fault on memory that is populated already'),
  guestTouch4k: cost(0.2355, 'guest allocates a page and writes one word, huge backing, Linux buddy'),
  guestTouchLlfree4k: cost(0.2726, 'the same, LLFree'),
  guestTouchSmallBacked4k: cost(0.3867, 'the same, 4 KiB backing'),
  reportCycle4k: cost(8.2, 'reporting one 4 KiB page and faulting it in again', { source: 'specification 5.2' }),
} satisfies Spec;

export type Costs = ValuesOf<typeof costFields>;
export type CostName = keyof Costs;

/** Costs of the operations on one host. */
export interface HostProfile extends Named {
  readonly source: string;
  readonly costs: Costs;
}

/** The host of the publication's artifact. */
export const xeon6252: HostProfile = {
  name: 'xeon-6252',
  summary: '2 x Xeon Gold 6252 at 2.1 GHz, 375 GiB, guest with 12 vCPUs, Linux 6.1',
  source: `HyperAlloc (EuroSys 2025) artifact; ${fitted}`,
  costs: resolve(costFields),
};

export const hostProfiles: Registry<HostProfile> = createRegistry('host profile', [xeon6252]);

/** A host of the user's own: what is not given is that of `base`. @throws StrataError `config.*` */
export function hostProfileOf(
  name: string,
  given: Readonly<Record<string, unknown>>,
  base: HostProfile = xeon6252,
): HostProfile {
  const own = resolve(costFields, { ...base.costs, ...given }, name);
  return { name, summary: `costs given by the user, the others of ${base.name}`, source: name, costs: own };
}

/** So many operations of one kind, one after the other. */
export interface Operation {
  readonly cost: CostName;
  readonly count: number;
}

/** Sum of count x cost, in milliseconds. */
export function millisecondsOf(operations: readonly Operation[], costs: Costs): number {
  return operations.reduce((sum, { cost, count }) => sum + count * costs[cost], 0) / 1000;
}
