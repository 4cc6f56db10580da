/**
 * What a hypervisor does to the memory of a VM while it shrinks and grows: what couples elasticity to the parts that model translation.
 * `ept-unmap` takes memory away that the VM could reach, `ept-map` gives some back; `iommu-unmap` and `iommu-map` are the same for a
 * passed-through device.
 */
export const memoryEventKinds = ['ept-unmap', 'ept-map', 'iommu-unmap', 'iommu-map'] as const;
export type MemoryEventKind = (typeof memoryEventKinds)[number];

export interface MemoryEvent {
  /** Since the first of them, in microseconds; never falls from one event to the next. */
  readonly micros: number;
  readonly kind: MemoryEventKind;
  /** First guest-physical frame of 4 KiB. */
  readonly frame: number;
  /** 1, or 512 for a frame of 2 MiB. */
  readonly pages: number;
}
