import { type Frame, guestPage, type PageLevel, type Vpn } from '../machine/address.ts';
import type { FrameSource, PageTable } from '../machine/page-table.ts';
import type { DesignResources, WalkMemory } from './design.ts';
import { framesBeyond } from './design-frames.ts';

/** Page tables of a design's own making, which take the place of the operating system's radix tables of one dimension. */
export interface OwnTable {
  map(vpn: Vpn, frame: Frame, level: PageLevel): void;
  unmap(vpn: Vpn, level: PageLevel): void;
}

export interface OwnDimension<T extends OwnTable> {
  readonly table: T;
  /** Whether this instance keeps the table up to date; otherwise the instance of an earlier process over the same VM does. */
  readonly kept: boolean;
}

interface Shared<T extends OwnTable> {
  readonly table: T;
  /** Memory for the tables of the dimension above: what the guest of this dimension's hypervisor takes. */
  readonly guestFrames: FrameSource;
}

/** VMs outlive processes: the tables below a process are shared by the instances of one design, which have their memory in common. */
const sharedBy = new WeakMap<WalkMemory, Map<PageTable, Shared<OwnTable>>>();

/**
 * Guest-physical pages for tables that a design adds in a VM: the uppermost eighth of what four levels can address, where no memory of a VM lies.
 */
export const guestArenaStart = 2 ** 36 - 2 ** 33;

/**
 * The own tables of every dimension, from the process down, holding what the spaces map now. Tables of a guest lie in guest-physical memory
 * of their own, which the own table of the dimension below maps in 4 KiB pages as soon as it is handed out; it stays backed when freed.
 * @param make an empty table of a dimension that takes its memory from `frames`
 */
export function ownTables<T extends OwnTable>(
  { spaces, memory }: DesignResources,
  make: (dimension: number, frames: FrameSource) => T,
): OwnDimension<T>[] {
  let known = sharedBy.get(memory);
  if (known === undefined) {
    known = new Map();
    sharedBy.set(memory, known);
  }
  const dimensions: OwnDimension<T>[] = [];
  let frames = spaces.at(-1)!.frames;
  for (let dimension = spaces.length - 1; dimension >= 0; dimension--) {
    const source = spaces[dimension]!.table;
    let shared = dimension > 0 ? (known.get(source) as Shared<T> | undefined) : undefined;
    const kept = shared === undefined;
    if (shared === undefined) {
      const table = make(dimension, frames);
      source.forEachLeaf((vpn, frame, level) => table.map(vpn, frame, level));
      shared = { table, guestFrames: backedFrames(table, frames) };
      if (dimension > 0) known.set(source, shared);
    }
    dimensions.unshift({ table: shared.table, kept });
    frames = shared.guestFrames;
  }
  return dimensions;
}

function backedFrames(table: OwnTable, below: FrameSource): FrameSource {
  const arena = framesBeyond(guestArenaStart);
  const backed = new Set<Frame>();
  function back(first: Frame | -1, count: number): Frame | -1 {
    if (first < 0) return first;
    for (let frame = first as Frame; frame < first + count; frame++) {
      if (backed.has(frame)) continue;
      backed.add(frame);
      table.map(guestPage(frame), below.allocate(), 1);
    }
    return first;
  }
  return {
    allocate: () => back(arena.allocate(), 1),
    allocateBlock: (order) => back(arena.allocateBlock(order), 2 ** order),
    allocateRange: (count) => back(arena.allocateRange(count), count),
    free: arena.free,
  };
}
