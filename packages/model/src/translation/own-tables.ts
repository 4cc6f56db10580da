import type { Frame, PageLevel, Vpn } from '../machine/address.ts';
import type { FrameSource, PageTable } from '../machine/page-table.ts';
import type { DesignResources, WalkMemory } from './design.ts';
import { TableWithArena } from './table-with-arena.ts';

/** Page tables of a design's own making, which take the place of the operating system's radix tables of one dimension. */
export interface OwnTable {
  /** Also of a page that is mapped already. */
  map(vpn: Vpn, frame: Frame, level: PageLevel): void;
  unmap(vpn: Vpn, level: PageLevel): void;
}

export interface OwnDimension<T extends OwnTable> {
  readonly table: T;
  /** Whether this instance keeps the table up to date; otherwise the instance of an earlier process over the same VM does. */
  readonly kept: boolean;
}

/** VMs outlive processes: the tables below a process are shared by the instances of one design, which have their memory in common. */
const sharedBy = new WeakMap<WalkMemory, Map<PageTable, OwnTable>>();

/**
 * The own tables of every dimension, from the process down, holding what the spaces map now. A design with tables in guests says
 * `keepsGuestTables`, so that the dimensions below hear of the memory that these take.
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
  for (let dimension = spaces.length - 1; dimension >= 0; dimension--) {
    const { table: source, frames } = spaces[dimension]!;
    const key = source instanceof TableWithArena ? source.base : source;
    const shared = dimension > 0 ? (known.get(key) as T | undefined) : undefined;
    const table = shared ?? make(dimension, frames);
    if (shared === undefined) {
      source.forEachLeaf((vpn, frame, level) => table.map(vpn, frame, level));
      if (dimension > 0) known.set(key, table);
    }
    dimensions.unshift({ table, kept: shared === undefined });
  }
  return dimensions;
}
