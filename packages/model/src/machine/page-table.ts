import type { Frame, PageLevel, Vpn } from './address.ts';

/**
 * A radix page table as the hardware sees it: nodes of 512 entries, each node in a frame of its own of the physical space that the
 * table's addresses lead into. Levels are numbered as in the manuals: 1 = last level (4 KiB entries), 4 or 5 = root.
 *
 * Nodes are numbers (0 = the root). An entry is one number: 0 = absent, else `target * 4 + kind` with kind 1 = child node (target is the
 * node's number), kind 2 = leaf (target is the first 4 KiB frame of the page). Read entries with `entryKind` and `entryTarget`.
 */
export interface PageTable {
  readonly levels: 4 | 5;
  /** 4 KiB pages mapped, huge pages counted as 512 or 262,144. */
  readonly mappedPages: number;
  /** Nodes in use, the root included. */
  readonly nodes: number;
  /** Frame that holds the node. */
  frameOf(node: number): Frame;
  entry(node: number, index: number): number;
  /** The same entry for loops that are in a hurry: 0 = absent, n > 0 = leaf whose first frame is n - 1, n < 0 = child node -n. */
  cell(node: number, index: number): number;
  /** Frame of the 4 KiB page `vpn`, wherever its leaf is; -1 when not mapped. */
  translate(vpn: Vpn): Frame | -1;
  /** Level of the leaf that maps `vpn`: 1, 2 or 3; 0 when not mapped. */
  leafLevel(vpn: Vpn): PageLevel | 0;
  /**
   * Node of `level` on the way to `vpn`, or -1 when there is none (not mapped, or a huge leaf above it).
   * `level` = `levels` gives the root.
   */
  nodeAt(vpn: Vpn, level: number): number;
  /** Leaves in ascending order of page number. */
  forEachLeaf(visit: (vpn: Vpn, frame: Frame, level: PageLevel) => void): void;
}

export function entryKind(entry: number): 0 | 1 | 2 {
  return (entry & 3) as 0 | 1 | 2;
}

export function entryTarget(entry: number): number {
  return Math.floor(entry / 4);
}

/** A table that can change. Every change is told to the observers of the address space that owns it, not by the table. */
export interface MutablePageTable extends PageTable {
  /**
   * Maps the page of `level` at `vpn` (aligned to its size) to `frame` (aligned alike). Missing nodes are created in frames that
   * `frameForNode` gives. Returns the number of nodes created.
   * @throws StrataError `page-table.conflict` where another mapping is in the way, `page-table.misaligned`
   */
  map(vpn: Vpn, frame: Frame, level: PageLevel, frameForNode: (level: number, vpn: Vpn) => Frame): number;
  /**
   * Maps consecutive 4 KiB pages from `vpn` on to `frames[from]` up to `frames[to - 1]`, as `map` would one by one, and faster where they
   * lie in one last-level node.
   * @throws StrataError `page-table.conflict`, `page-table.misaligned`, of the first page in the way; those before it are mapped
   */
  mapRun(
    vpn: Vpn,
    frames: Float64Array,
    from: number,
    to: number,
    frameForNode: (level: number, vpn: Vpn) => Frame,
  ): void;
  /** Removes the leaf that maps `vpn`; nodes left empty are freed and reported. Returns the leaf's level, 0 when nothing was mapped. */
  unmap(vpn: Vpn, nodeFreed?: (level: number, frame: Frame) => void): PageLevel | 0;
  /** Moves a node to another frame: contents and place in the tree stay. */
  moveNode(node: number, frame: Frame): void;
  /** Points the leaf that maps `vpn` to another frame (aligned to the leaf's size). @throws StrataError `page-table.misaligned` */
  remap(vpn: Vpn, frame: Frame): void;
  /**
   * Replaces the huge leaf that maps `vpn` by a node of 512 leaves one level below, same frames. Returns the level of the new leaves,
   * 0 (and nothing changes) when no huge leaf maps `vpn`.
   */
  split(vpn: Vpn, frameForNode: (level: number, vpn: Vpn) => Frame): PageLevel | 0;
  /**
   * Replaces the nodes below the entry of `level` at `vpn` (aligned) by one leaf to `frame` (aligned alike), whether or not they map all
   * of its range. Returns how many 4 KiB pages they mapped. The frames that they mapped are the caller's to free.
   * @throws StrataError `page-table.conflict` when there is no node below, `page-table.misaligned`
   */
  promote(vpn: Vpn, frame: Frame, level: 2 | 3, nodeFreed?: (level: number, frame: Frame) => void): number;
}

/** Hands out frames of one physical address space. */
export interface FrameSource {
  /** A free frame. @throws StrataError `memory.exhausted` */
  allocate(): Frame;
  /** `2^order` free frames, aligned to their size; -1 when fragmentation leaves none (the caller falls back). */
  allocateBlock(order: number): Frame | -1;
  /** `count` contiguous frames in any alignment; -1 when there are none. */
  allocateRange(count: number): Frame | -1;
  free(frame: Frame, order: number): void;
}

/** What an address space tells about its changes, in order. Designs keep tables of their own up to date with it. */
export interface AddressSpaceObserver {
  /** A leaf entry was written. */
  mapped?(vpn: Vpn, frame: Frame, level: PageLevel): void;
  /** A leaf entry was removed. */
  unmapped?(vpn: Vpn, frame: Frame, level: PageLevel): void;
  /** A page-table node was allocated for the range that starts at `vpn`. */
  nodeAllocated?(level: number, vpn: Vpn, frame: Frame): void;
  nodeFreed?(level: number, vpn: Vpn, frame: Frame): void;
  /** A leaf entry was written anew with the same frame and other rights. */
  rewritten?(vpn: Vpn, frame: Frame, level: PageLevel): void;
  /** Every leaf entry was: a fork took the right to store away. */
  writeProtected?(): void;
}

export interface MemoryPressure {
  /** Pages of 4 KiB copied. */
  readonly copiedPages: number;
  /** Requests for blocks of 2 MiB that failed. */
  readonly failedAllocations: number;
  /** Linux's indices for a request of 2 MiB, where the memory is known. */
  readonly unusableIndex?: number;
  readonly fragmentationIndex?: number;
}

/** A range of virtual pages with one meaning: what `mmap` made or the loader laid out. */
export interface Vma {
  readonly start: Vpn;
  /** First page after it. */
  readonly end: Vpn;
}

/**
 * One address space of one dimension: a process over its operating system's memory, or a VM's guest-physical space over its
 * hypervisor's. Either imported (fixed) or kept by the operating-system model (grows on demand).
 */
export interface AddressSpace {
  readonly table: PageTable;
  /** In order. The list of a space that grows is made anew at each look: ask `vmaAt` for the one around a page. */
  readonly vmas: readonly Vma[];
  vmaAt(vpn: Vpn): Vma | undefined;
  /** Frames of the physical space below, for tables that a design or hypervisor keeps there. */
  readonly frames: FrameSource;
  /**
   * Maps `vpn` if it is not: a demand fault. Returns its frame, or -1 when the space is imported and does not have it.
   */
  ensure(vpn: Vpn): Frame | -1;
  /** What its operating system copied and asked for in vain so far, and the state of the memory below, where a model keeps it. */
  pressure?(): MemoryPressure;
  observe(observer: AddressSpaceObserver): void;
  /**
   * Has `listener` called before each change of the table or the VMAs, so that work which depends on their state can wait until then. Absent
   * in a space that cannot tell: nothing may wait there.
   */
  beforeChange?(listener: () => void): void;
}
