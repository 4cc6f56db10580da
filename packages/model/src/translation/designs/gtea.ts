import type { Frame } from '../../machine/address.ts';

/**
 * The table, kept by the lowest hypervisor, of the areas that hypercalls handed out. A guest names an area by its number only, and the
 * hardware reads an entry at a host-physical address only after the check that the area is the guest's and the entry lies inside it.
 */
export interface GteaTable {
  /** Enters an area of `tables` tables for `owner`; returns its number. */
  grant(owner: number, hostFrame: Frame, tables: number): number;
  revoke(id: number): void;
  /** Host frame of table `table` of the area, or -1: not an area, not of this owner, or beyond its end. */
  check(id: number, owner: number, table: number): Frame | -1;
  readonly areas: number;
}

export function createGteaTable(): GteaTable {
  const areas = new Map<number, { readonly owner: number; readonly hostFrame: Frame; readonly tables: number }>();
  let next = 0;
  return {
    grant(owner, hostFrame, tables) {
      areas.set(next, { owner, hostFrame, tables });
      return next++;
    },
    revoke: (id) => areas.delete(id),
    check(id, owner, table) {
      const area = areas.get(id);
      if (area === undefined || area.owner !== owner || !(table >= 0 && table < area.tables)) return -1;
      return area.hostFrame + table;
    },
    get areas() {
      return areas.size;
    },
  };
}
