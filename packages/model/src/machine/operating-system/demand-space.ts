import { type Frame, hexAddress, type PageLevel, pagesIn, type Vpn } from '../address.ts';
import { hugePageOrder, maxOrder } from '../buddy.ts';
import { StrataError } from '../errors.ts';
import type { AddressSpace, AddressSpaceObserver, FrameSource, MutablePageTable, Vma } from '../page-table.ts';
import { createPageTable } from '../radix-table.ts';
import { createSharing, type FrameSharing } from './sharing.ts';
import { createVmaSet, type VmaSet } from './vmas.ts';

/**
 * Which pages a fault maps. `4k`, `2m`, `1g`: only that size (the last two as hugetlbfs: no fall-back; but where hugetlbfs refuses to unmap
 * a part of a page, EINVAL, the page is split, as transparent ones are, since a trace may come from a program that did not use them; what is
 * touched there again is mapped by smaller pages, until all of the huge page is unmapped). `thp`: transparent huge pages
 * `always`: 2 MiB where the aligned range is empty, lies in one VMA and memory has a block, else 4 KiB. `khugepaged`: 4 KiB, collapsed to
 * 2 MiB later in the background.
 */
export type PagePolicy = '4k' | '2m' | '1g' | 'thp' | 'khugepaged';

export interface KhugepagedOptions {
  /** Faults between two scans. Linux scans every 10 s; a trace without times has faults for a clock. Default 4096. */
  readonly faultsPerScan?: number;
  /** 4 KiB pages examined per scan. Default 4096 (Linux: khugepaged/pages_to_scan = 8 huge pages). */
  readonly pagesPerScan?: number;
  /** Pages of a 2 MiB range that must be present to collapse it, 1 to 512. Default 1 (Linux: max_ptes_none = 511). */
  readonly minPresentPages?: number;
}

export interface DemandSpaceOptions {
  /** Memory that pages and page-table nodes are taken from. */
  readonly frames: FrameSource;
  readonly levels?: 4 | 5;
  /** `physical` for the guest-physical space of a VM. */
  readonly addresses?: 'virtual' | 'physical';
  readonly pages?: PagePolicy;
  readonly khugepaged?: KhugepagedOptions;
  /** Known VMAs, as of /proc/PID/maps; touches outside of them are inferred (see `VmaSet`). */
  readonly vmas?: readonly Vma[];
  /** State of the memory below, where it is known. */
  readonly memoryState?: () => MemoryState;
}

/** What the operating system did, counted since the start. */
export interface SpaceStatistics {
  faults: number;
  hugeFaults: number;
  /** Faults that wanted a huge page and got 4 KiB for want of a free block. */
  hugeFallbacks: number;
  /** Ranges that khugepaged made into 2 MiB pages. */
  collapses: number;
  /** Collapses given up for want of a free block. */
  failedCollapses: number;
  /** Huge pages split into smaller ones, whole or because a part of them was unmapped or stored to after a fork. */
  splits: number;
  migrations: number;
  /** Ranges unmapped. */
  unmaps: number;
  forks: number;
  /** Stores to pages that a fork had left to two processes. */
  copyOnWrites: number;
  /** 4 KiB pages copied by collapses, migrations and copy-on-write. */
  copiedPages: number;
}

/** How broken up a memory is: both indices of Linux for a request of 2 MiB. */
export interface MemoryState {
  readonly unusableIndex: number;
  readonly fragmentationIndex: number;
}

/** An address space that its operating system (or hypervisor) fills on demand. */
export interface DemandSpace extends AddressSpace {
  readonly statistics: Readonly<SpaceStatistics>;
  ensure(vpn: Vpn): Frame;
  /** Makes a VMA; nothing is mapped until it is touched. */
  mmap(start: Vpn, end: Vpn): void;
  /** Removes a range: huge pages that lie in it in part are split first, frames go back to the memory. */
  munmap(start: Vpn, end: Vpn): void;
  /** Moves the page that maps `vpn` to another frame, as compaction or copy-on-write does. Returns the new frame, -1 when not mapped or no block is free. */
  migrate(vpn: Vpn): Frame | -1;
  /** One scan of khugepaged, whatever the policy. Returns the ranges collapsed. */
  collapseSome(): number;
  /** Splits the huge page that maps `vpn` into pages of the next smaller size; false when none does. */
  split(vpn: Vpn): boolean;
  /**
   * A process forks: the child maps the same frames, and who stores to one first gets a copy. `born` sees the child before it maps
   * anything.
   */
  fork(born: (child: DemandSpace) => void): DemandSpace;
  /** Whether a store to the page would fault because of a fork. */
  isWriteProtected(vpn: Vpn): boolean;
  /** A store to a page that a fork had protected: the page is copied, or kept by its last holder. */
  storeTo(vpn: Vpn): void;
  /** The process ends: everything goes back, the root's frame included. */
  exit(): void;
  readonly memoryState?: () => MemoryState;
}

const orderOf: Readonly<Record<PageLevel, number>> = { 1: 0, 2: hugePageOrder, 3: maxOrder };

/** @throws StrataError `memory.exhausted`, `memory.no-huge-page` (also later, from `ensure`) */
export function createDemandSpace(options: DemandSpaceOptions): DemandSpace {
  return createSpace(options, createSharing(options.frames));
}

interface HeirSpace extends DemandSpace {
  /** Maps a page of the parent. */
  inherit(vpn: Vpn, frame: Frame, level: PageLevel): void;
}

/** @param sharing of the process and all that were forked from it */
function createSpace(
  options: DemandSpaceOptions,
  sharing: FrameSharing,
  vmas: VmaSet = createVmaSet(options.vmas),
): HeirSpace {
  const { frames, levels = 4, addresses = 'virtual', pages = '4k' } = options;
  const { faultsPerScan = 4096, pagesPerScan = 4096, minPresentPages = 1 } = options.khugepaged ?? {};
  const table: MutablePageTable = createPageTable({ levels, addresses, rootFrame: frames.allocate() });
  const observers: AddressSpaceObserver[] = [];
  const listeners: (() => void)[] = [];
  const statistics: SpaceStatistics = {
    faults: 0,
    hugeFaults: 0,
    hugeFallbacks: 0,
    collapses: 0,
    failedCollapses: 0,
    splits: 0,
    migrations: 0,
    unmaps: 0,
    forks: 0,
    copyOnWrites: 0,
    copiedPages: 0,
  };
  /** First pages of the leaves that a fork has protected. */
  const writeProtected = new Set<Vpn>();
  let scanPosition = 0;

  /** Called first in whatever changes the table or the VMAs. */
  function announceChange(): void {
    for (const listener of listeners) listener();
  }

  // Nodes are told to the observers once they are linked, before the leaf.
  const newNodes: { level: number; vpn: Vpn; frame: Frame }[] = [];
  const frameForNode = (level: number, vpn: Vpn): Frame => {
    const frame = frames.allocate();
    newNodes.push({ level, vpn, frame });
    return frame;
  };

  function map(vpn: Vpn, frame: Frame, level: PageLevel): void {
    newNodes.length = 0;
    table.map(vpn, frame, level, frameForNode);
    tellNewNodes();
    for (const observer of observers) observer.mapped?.(vpn, frame, level);
  }

  function tellNewNodes(): void {
    for (const { level, vpn, frame } of newNodes)
      for (const observer of observers) observer.nodeAllocated?.(level, vpn, frame);
  }

  const freedNodes: { level: number; frame: Frame }[] = [];
  const nodeFreed = (level: number, frame: Frame): void => {
    freedNodes.push({ level, frame });
  };

  /** Gives the frames of freed nodes back and tells of them; what they mapped has been told before. */
  function releaseFreedNodes(vpn: Vpn): void {
    for (const { level, frame } of freedNodes) {
      frames.free(frame, 0);
      for (const observer of observers) observer.nodeFreed?.(level, vpn - (vpn % 512 ** level), frame);
    }
    freedNodes.length = 0;
  }

  function ensure(vpn: Vpn): Frame {
    const frame = table.translate(vpn);
    return frame >= 0 ? frame : fault(vpn);
  }

  function fault(vpn: Vpn): Frame {
    announceChange();
    const vma = vmas.around(vpn);
    statistics.faults++;
    const level = mapFaulting(vpn, vma);
    if (level > 1) statistics.hugeFaults++;
    if (pages === 'khugepaged' && statistics.faults % faultsPerScan === 0) collapseSome();
    return table.translate(vpn) as Frame;
  }

  function mapFaulting(vpn: Vpn, vma: Vma): PageLevel {
    if (pages === '2m' || pages === '1g') {
      const level = levelLeft(vpn, pages === '2m' ? 2 : 3);
      if (level !== 1) return mapForced(vpn, level);
    }
    if (pages === 'thp' && isInside(vpn - (vpn % pagesIn[2]), vma) && table.nodeAt(vpn, 1) < 0) {
      const block = frames.allocateBlock(hugePageOrder);
      if (block >= 0) {
        map(vpn - (vpn % pagesIn[2]), block, 2);
        return 2;
      }
      statistics.hugeFallbacks++;
    }
    map(vpn, frames.allocate(), 1);
    return 1;
  }

  function mapForced(vpn: Vpn, level: 2 | 3): PageLevel {
    const block = frames.allocateBlock(orderOf[level]);
    if (block < 0)
      throw new StrataError({
        code: 'memory.no-huge-page',
        what: `no free ${level === 2 ? '2 MiB' : '1 GiB'} block is left for the page at ${hexAddress(vpn)}`,
        mend: 'Give the memory more bytes or less fragmentation, or let pages be thp, which falls back to 4 KiB.',
      });
    map(vpn - (vpn % pagesIn[level]), block, level);
    return level;
  }

  /** The largest page that no smaller table is in the way of: a part of a huge page was unmapped there. */
  function levelLeft(vpn: Vpn, wanted: 2 | 3): PageLevel {
    if (wanted === 3 && table.nodeAt(vpn, 2) < 0) return 3;
    return table.nodeAt(vpn, 1) < 0 ? 2 : 1;
  }

  function mmap(start: Vpn, end: Vpn): void {
    announceChange();
    vmas.add(start, end);
  }

  function munmap(start: Vpn, end: Vpn): void {
    announceChange();
    statistics.unmaps++;
    vmas.remove(start, end);
    for (let vpn = start; vpn < end; ) vpn = unmapLeaf(vpn, start, end);
  }

  /** Unmaps the leaf at `vpn`, or splits it when it reaches out of the range; returns where to go on. */
  function unmapLeaf(vpn: Vpn, start: Vpn, end: Vpn): Vpn {
    const level = table.leafLevel(vpn);
    if (level === 0) return nextPresent(vpn);
    const first = vpn - (vpn % pagesIn[level]);
    if (first < start || first + pagesIn[level] > end) {
      splitLeaf(first, level);
      return vpn;
    }
    const frame = table.translate(first) as Frame;
    table.unmap(first, nodeFreed);
    sharing.release(frame, orderOf[level]);
    writeProtected.delete(first);
    for (const observer of observers) observer.unmapped?.(first, frame, level);
    releaseFreedNodes(first);
    return first + pagesIn[level];
  }

  function splitLeaf(first: Vpn, level: PageLevel): void {
    const frame = table.translate(first) as Frame;
    newNodes.length = 0;
    const smaller = table.split(first, frameForNode) as PageLevel;
    statistics.splits++;
    if (writeProtected.delete(first))
      for (let offset = 0; offset < pagesIn[level]; offset += pagesIn[smaller]) writeProtected.add(first + offset);
    for (const observer of observers) observer.unmapped?.(first, frame, level);
    tellNewNodes();
    for (let offset = 0; offset < pagesIn[level]; offset += pagesIn[smaller])
      for (const observer of observers) observer.mapped?.(first + offset, frame + offset, smaller);
  }

  /** First page after an unmapped one that a node could hold: skips as much as the lowest missing node covers. */
  function nextPresent(vpn: Vpn): Vpn {
    let level = 1;
    while (level < levels && table.nodeAt(vpn, level) < 0) level++;
    const size = 512 ** (level - 1);
    return vpn - (vpn % size) + size;
  }

  function migrate(vpn: Vpn): Frame | -1 {
    const level = table.leafLevel(vpn);
    if (level === 0) return -1;
    const first = vpn - (vpn % pagesIn[level]);
    if (writeProtected.has(first)) return -1;
    announceChange();
    const to = move(first, level);
    if (to < 0) return -1;
    statistics.migrations++;
    return to + (vpn - first);
  }

  /** Copies a leaf's pages to new frames; -1 when no block is free. */
  function move(first: Vpn, level: PageLevel): Frame | -1 {
    const from = table.translate(first) as Frame;
    const to = frames.allocateBlock(orderOf[level]);
    if (to < 0) return -1;
    // The nodes stay: what is unmapped is mapped again at once.
    table.remap(first, to);
    sharing.release(from, orderOf[level]);
    statistics.copiedPages += pagesIn[level];
    for (const observer of observers) observer.unmapped?.(first, from, level);
    for (const observer of observers) observer.mapped?.(first, to, level);
    return to;
  }

  function split(vpn: Vpn): boolean {
    const level = table.leafLevel(vpn);
    if (level < 2) return false;
    announceChange();
    splitLeaf(vpn - (vpn % pagesIn[level as PageLevel]), level as PageLevel);
    return true;
  }

  function fork(born: (child: DemandSpace) => void): DemandSpace {
    announceChange();
    statistics.forks++;
    const child = createSpace(options, sharing, vmas.copy());
    born(child);
    table.forEachLeaf((vpn, frame, level) => {
      sharing.share(frame, pagesIn[level]);
      writeProtected.add(vpn);
    });
    for (const observer of observers) observer.writeProtected?.();
    table.forEachLeaf((vpn, frame, level) => child.inherit(vpn, frame, level));
    return child;
  }

  function isWriteProtected(vpn: Vpn): boolean {
    if (writeProtected.size === 0) return false;
    const level = table.leafLevel(vpn);
    return level > 0 && writeProtected.has(vpn - (vpn % pagesIn[level as PageLevel]));
  }

  function storeTo(vpn: Vpn): void {
    if (!isWriteProtected(vpn)) return;
    announceChange();
    statistics.copyOnWrites++;
    // A store to a shared huge page splits it, and copies 4 KiB (Linux since 5.8).
    while (table.leafLevel(vpn) > 1) split(vpn);
    writeProtected.delete(vpn);
    const frame = table.translate(vpn) as Frame;
    if (!sharing.isShared(frame)) {
      for (const observer of observers) observer.rewritten?.(vpn, frame, 1);
      return;
    }
    if (move(vpn, 1) < 0) frames.allocate();
  }

  function exit(): void {
    announceChange();
    const leaves: Vpn[] = [];
    table.forEachLeaf((vpn) => leaves.push(vpn));
    for (const vpn of leaves) unmapLeaf(vpn, vpn, Number.POSITIVE_INFINITY);
    frames.free(table.frameOf(0), 0);
  }

  function collapseSome(): number {
    announceChange();
    let budget = pagesPerScan;
    let collapsed = 0;
    for (const [from, to] of [
      [scanPosition, Number.POSITIVE_INFINITY],
      [0, scanPosition],
    ] as const) {
      for (let vma = vmas.next(from); vma !== undefined && vma.start < to; vma = vmas.next(vma.end)) {
        const first = Math.ceil(Math.max(vma.start, from) / pagesIn[2]) * pagesIn[2];
        for (let start = first; start + pagesIn[2] <= vma.end && start < to; start += pagesIn[2]) {
          if (budget <= 0) {
            scanPosition = start;
            return collapsed;
          }
          const present = presentLeaves(start);
          // A range without a last-level table is passed over at the cost of one look.
          budget -= present.length > 0 ? pagesIn[2] : 1;
          if (present.length >= minPresentPages && collapse(start, present)) collapsed++;
        }
      }
    }
    scanPosition = 0;
    return collapsed;
  }

  /** Pages that the last-level table of a 2 MiB range maps. */
  function presentLeaves(start: Vpn): Vpn[] {
    const node = table.nodeAt(start, 1);
    const present: Vpn[] = [];
    if (node < 0) return present;
    for (let index = 0; index < pagesIn[2]; index++) if (table.entry(node, index) !== 0) present.push(start + index);
    return present;
  }

  function collapse(start: Vpn, present: readonly Vpn[]): boolean {
    const block = frames.allocateBlock(hugePageOrder);
    if (block < 0) {
      statistics.failedCollapses++;
      return false;
    }
    const old = present.map((vpn) => table.translate(vpn) as Frame);
    table.promote(start, block, 2, nodeFreed);
    for (const [index, frame] of old.entries()) {
      sharing.release(frame, 0);
      writeProtected.delete(present[index]!);
      for (const observer of observers) observer.unmapped?.(present[index]!, frame, 1);
    }
    releaseFreedNodes(start);
    for (const observer of observers) observer.mapped?.(start, block, 2);
    statistics.collapses++;
    statistics.copiedPages += present.length;
    return true;
  }

  return {
    table,
    get vmas() {
      return vmas.list;
    },
    vmaAt: vmas.find,
    frames,
    statistics,
    ensure,
    mmap,
    munmap,
    migrate,
    collapseSome,
    split,
    pressure: () => ({
      copiedPages: statistics.copiedPages,
      failedAllocations: statistics.hugeFallbacks + statistics.failedCollapses,
      ...options.memoryState?.(),
    }),
    inherit(vpn, frame, level) {
      announceChange();
      map(vpn, frame, level);
      writeProtected.add(vpn);
    },
    fork,
    isWriteProtected,
    storeTo,
    exit,
    ...(options.memoryState === undefined ? {} : { memoryState: options.memoryState }),
    observe(observer) {
      observers.push(observer);
    },
    beforeChange(listener) {
      listeners.push(listener);
    },
  };
}

function isInside(start: Vpn, vma: Vma): boolean {
  return start >= vma.start && start + pagesIn[2] <= vma.end;
}
