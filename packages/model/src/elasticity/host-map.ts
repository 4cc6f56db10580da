import type { MemoryEventKind } from '../machine/memory-events.ts';
import type { CostName } from './costs.ts';

/** Pages of 4 KiB in a frame of 2 MiB. */
export const pagesPerHuge = 512;
const wordsPerHuge = pagesPerHuge / 32;

/** How the host backs a frame of 2 MiB: not at all, by one huge page, or by single pages (a page table is there, maybe empty). */
const backing = { none: 0, huge: 1, small: 2 } as const;

/** What a discard of one page met. */
export type DiscardedPage = 'absent' | 'huge-backed' | 'small';

/**
 * A host's view of one VM: which of its pages have memory, whether in huge pages, and what the IOMMU of a passed-through device may reach
 * (specification 2.3). Frames are the guest's physical frames of 4 KiB. It counts the host's own work; techniques count theirs beside it.
 */
export interface HostMap {
  readonly frames: number;
  /** Pages of 4 KiB that have memory. */
  readonly residentPages: number;
  /** Work so far, by cost. */
  readonly operations: ReadonlyMap<CostName, number>;
  count(cost: CostName, by?: number): void;
  /** Counts from zero again, the maps stay. */
  resetCounts(): void;
  /** The guest writes pages: what has no memory gets some, a whole huge page where nothing of the frame was there. */
  touch(frame: number, pages: number): void;
  isPresent(frame: number): boolean;
  /** Whether a page is backed by a page of its own rather than a part of a huge page. */
  isSmall(frame: number): boolean;
  /** Pages of a 2 MiB frame that have memory. */
  presentIn(huge: number): number;
  /** Takes the memory of one page away; a huge page is split. */
  discardPage(frame: number): DiscardedPage;
  /** Takes the memory of a whole 2 MiB frame away; how many of its pages had some. */
  discardHuge(huge: number): number;
  /** Gives a whole 2 MiB frame memory in advance (MADV_POPULATE_WRITE); `mapped` whether the guest then reaches it without a fault. */
  populate(huge: number, mapped: boolean): void;
  /** Lets a passed-through device reach a 2 MiB frame, pinned; and takes that away. */
  mapDma(huge: number): void;
  unmapDma(huge: number): void;
  isDmaMapped(huge: number): boolean;
  /** Huge pages of the host that a discard of a part has split, and mappings taken away from the VM, since the last reset. */
  readonly hugePageSplits: number;
  readonly eptInvalidations: number;
  /** What must never be: 2 MiB frames that a device reaches though memory is missing. */
  violations(): string[];
}

/** Told of each mapping that comes or goes: guest-physical frames of 4 KiB. */
export type MappingListener = (kind: MemoryEventKind, frame: number, pages: number) => void;

const nobody: MappingListener = () => undefined;

export function createHostMap(frames: number, tell: MappingListener = nobody): HostMap {
  const hugeFrames = Math.ceil(frames / pagesPerHuge);
  const present = new Uint32Array(hugeFrames * wordsPerHuge);
  const presentPages = new Uint16Array(hugeFrames);
  const backed = new Uint8Array(hugeFrames);
  /** Populated in advance, so that the first touch only maps. */
  const unmapped = new Uint8Array(hugeFrames);
  const dma = new Uint8Array(hugeFrames);
  const operations = new Map<CostName, number>();
  let resident = 0;
  let hugePageSplits = 0;
  let eptInvalidations = 0;

  const count = (cost: CostName, by = 1) => {
    operations.set(cost, (operations.get(cost) ?? 0) + by);
  };
  const isPresent = (frame: number) => ((present[frame >>> 5]! >>> (frame & 31)) & 1) === 1;
  const pagesIn = (huge: number) => Math.min(pagesPerHuge, frames - huge * pagesPerHuge);

  function fill(huge: number): void {
    const pages = pagesIn(huge);
    for (let page = 0; page < pages; page += 32)
      present[(huge * pagesPerHuge + page) >>> 5] = pages - page >= 32 ? 0xffffffff : 2 ** (pages - page) - 1;
    resident += pages - presentPages[huge]!;
    presentPages[huge] = pages;
  }

  function touchPage(frame: number): void {
    const huge = Math.floor(frame / pagesPerHuge);
    if (unmapped[huge]) {
      unmapped[huge] = 0;
      count('mapPopulated2m');
    }
    if (isPresent(frame)) return;
    if (backed[huge] === backing.none) {
      backed[huge] = backing.huge;
      fill(huge);
      count('zero2m');
      tell('ept-map', huge * pagesPerHuge, pagesIn(huge));
      return;
    }
    backed[huge] = backing.small;
    present[frame >>> 5] = (present[frame >>> 5]! | (1 << (frame & 31))) >>> 0;
    presentPages[huge]!++;
    resident++;
    count('hostFault4k');
    tell('ept-map', frame, 1);
  }

  return {
    frames,
    operations,
    count,
    isPresent,
    get residentPages() {
      return resident;
    },
    get hugePageSplits() {
      return hugePageSplits;
    },
    get eptInvalidations() {
      return eptInvalidations;
    },
    resetCounts() {
      operations.clear();
      hugePageSplits = 0;
      eptInvalidations = 0;
    },
    touch(frame, pages) {
      for (let page = frame; page < frame + pages; page++) touchPage(page);
    },
    isSmall: (frame) => backed[Math.floor(frame / pagesPerHuge)] === backing.small,
    presentIn: (huge) => presentPages[huge]!,
    discardPage(frame) {
      if (!isPresent(frame)) return 'absent';
      const huge = Math.floor(frame / pagesPerHuge);
      const wasHuge = backed[huge] === backing.huge;
      // A split huge page keeps counting as one until a page of its own faults in: its pages are still torn from it.
      if (wasHuge && presentPages[huge] === pagesIn(huge)) hugePageSplits++;
      present[frame >>> 5] = (present[frame >>> 5]! & ~(1 << (frame & 31))) >>> 0;
      presentPages[huge]!--;
      resident--;
      eptInvalidations++;
      if (wasHuge && presentPages[huge] === 0) backed[huge] = backing.small;
      tell('ept-unmap', frame, 1);
      return wasHuge ? 'huge-backed' : 'small';
    },
    discardHuge(huge) {
      const pages = presentPages[huge]!;
      if (pages === 0) return 0;
      present.fill(0, huge * wordsPerHuge, (huge + 1) * wordsPerHuge);
      presentPages[huge] = 0;
      backed[huge] = backing.none;
      unmapped[huge] = 0;
      resident -= pages;
      eptInvalidations++;
      tell('ept-unmap', huge * pagesPerHuge, pagesIn(huge));
      return pages;
    },
    populate(huge, mapped) {
      if (presentPages[huge] === pagesIn(huge)) return;
      backed[huge] = backing.huge;
      unmapped[huge] = mapped ? 0 : 1;
      fill(huge);
      count('zero2m');
      tell('ept-map', huge * pagesPerHuge, pagesIn(huge));
    },
    mapDma(huge) {
      if (dma[huge]) return;
      dma[huge] = 1;
      count('iommuMap2m');
      tell('iommu-map', huge * pagesPerHuge, pagesIn(huge));
    },
    unmapDma(huge) {
      if (!dma[huge]) return;
      dma[huge] = 0;
      count('iommuUnmap2m');
      tell('iommu-unmap', huge * pagesPerHuge, pagesIn(huge));
    },
    isDmaMapped: (huge) => dma[huge] === 1,
    violations() {
      const wrong: string[] = [];
      for (let huge = 0; huge < hugeFrames; huge++)
        if (dma[huge] && presentPages[huge] !== pagesIn(huge))
          wrong.push(`a device reaches the 2 MiB frame ${huge}, of which only ${presentPages[huge]} pages have memory`);
      return wrong;
    },
  };
}
