import type { Frame, PageLevel, Vpn } from '../../machine/address.ts';
import type { FrameSource } from '../../machine/page-table.ts';
import type { DesignResources } from '../design.ts';

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

/**
 * The own tables of every dimension, from the process down, holding what the spaces map now. VMs outlive processes: the tables below a
 * process are shared by the instances of a design. A design with tables in guests says `keepsGuestTables`, so that the dimensions below
 * hear of the memory that these take.
 * @param make an empty table of a dimension that takes its memory from `frames`
 */
export function ownTables<T extends OwnTable>(
  { spaces, shared }: DesignResources,
  make: (dimension: number, frames: FrameSource) => T,
): OwnDimension<T>[] {
  const dimensions: OwnDimension<T>[] = [];
  for (let dimension = spaces.length - 1; dimension >= 0; dimension--) {
    const space = spaces[dimension]!;
    let kept = false;
    const create = (): T => {
      kept = true;
      const table = make(dimension, space.frames);
      space.table.forEachLeaf((vpn, frame, level) => table.map(vpn, frame, level));
      return table;
    };
    const table = dimension === 0 ? create() : shared(space, create);
    dimensions.unshift({ table, kept });
  }
  return dimensions;
}
