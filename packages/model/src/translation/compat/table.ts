import { pageBytes, type Vpn } from '../../machine/address.ts';
import { StrataError } from '../../machine/errors.ts';
import type { PageTable } from '../../machine/page-table.ts';

/** Levels of the tables that the original simulators know; column i of a dump is the table of level i + 1 counted from the root. */
export const tableLevels = 4;

/**
 * A page-table dump as the original simulators use it: one row per 4 KiB page with the addresses of the four tables on its way and of
 * the page itself, taken as byte addresses exactly as written. About 28 bytes per row where neighbouring rows share their tables.
 */
export interface CompatTable {
  /** Rows in the dump. */
  readonly listed: number;
  /** Rows with an address of their own: those of a repeated address but the first are ignored. */
  readonly rows: number;
  /** Row of a page, or -1. */
  rowOf(vpn: Vpn): number;
  /** Page of a row. */
  readonly pages: Float64Array;
  /** Rows with the same four tables share a path: index of the row's path. */
  readonly paths: Uint32Array;
  /** Byte address of the table of each level, four per path, root first. */
  readonly tables: Float64Array;
  /** Byte address of the row's data page. */
  readonly targets: Float64Array;
}

export interface CompatTableBuilder {
  /**
   * Adds a row; addresses are bytes, below 2^52.
   * @throws StrataError `compat.address-range`
   */
  add(vpn: Vpn, root: number, second: number, third: number, fourth: number, target: number): void;
  /** Counts a row whose address is not that of a page, and which no reference can therefore find. */
  addUnreachable(): void;
  build(): CompatTable;
}

const emptySlot = -1;
const addressLimit = 2 ** 52;

/** @param expectedRows what the dump's first line says; only saves memory */
export function compatTableBuilder(expectedRows = 1024): CompatTableBuilder {
  let capacity = Math.max(16, Math.min(expectedRows, 2 ** 28));
  let pages = new Float64Array(capacity);
  let targets = new Float64Array(capacity);
  let paths = new Uint32Array(capacity);
  let tables = new Float64Array(4 * 64);
  let slots = new Int32Array(slotsFor(capacity)).fill(emptySlot);
  let rows = 0;
  let pathCount = 0;
  let listed = 0;
  let unreachable = 0;

  function slotOf(vpn: Vpn): number {
    const mask = slots.length - 1;
    let slot = hash(vpn) & mask;
    while (slots[slot] !== emptySlot && pages[slots[slot]!] !== vpn) slot = (slot + 1) & mask;
    return slot;
  }

  function grow(): void {
    capacity *= 2;
    pages = extended(pages, capacity);
    targets = extended(targets, capacity);
    const widerPaths = new Uint32Array(capacity);
    widerPaths.set(paths);
    paths = widerPaths;
    slots = new Int32Array(slotsFor(capacity)).fill(emptySlot);
    for (let row = 0; row < rows; row++) slots[slotOf(pages[row]!)] = row;
  }

  /** Dumps ascend by address, so comparing with the row before finds nearly all shared paths. */
  function pathOf(root: number, second: number, third: number, fourth: number): number {
    const at = 4 * (pathCount - 1);
    if (
      pathCount > 0 &&
      tables[at] === root &&
      tables[at + 1] === second &&
      tables[at + 2] === third &&
      tables[at + 3] === fourth
    )
      return pathCount - 1;
    if (at + 8 > tables.length) tables = extended(tables, 2 * tables.length);
    tables[at + 4] = root;
    tables[at + 5] = second;
    tables[at + 6] = third;
    tables[at + 7] = fourth;
    return pathCount++;
  }

  return {
    add(vpn, root, second, third, fourth, target) {
      listed++;
      if (!(Math.max(root, second, third, fourth, target) < addressLimit)) throw addressOutOfRange(vpn);
      if (rows === capacity) grow();
      const slot = slotOf(vpn);
      if (slots[slot] !== emptySlot) return;
      slots[slot] = rows;
      pages[rows] = vpn;
      targets[rows] = target;
      paths[rows] = pathOf(root, second, third, fourth);
      rows++;
    },
    addUnreachable() {
      listed++;
      unreachable++;
    },
    build() {
      return {
        listed,
        rows: rows + unreachable,
        rowOf: (vpn) => slots[slotOf(vpn)]!,
        pages,
        paths,
        tables,
        targets,
      };
    },
  };
}

function extended(array: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const wider = new Float64Array(length);
  wider.set(array);
  return wider;
}

function slotsFor(rows: number): number {
  return 2 ** Math.ceil(Math.log2((rows * 4) / 3));
}

function hash(vpn: Vpn): number {
  const mixed = Math.imul((vpn >>> 0) ^ Math.imul((vpn / 2 ** 32) >>> 0, 0x85ebca6b), 0x9e3779b1);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

function addressOutOfRange(vpn: Vpn): StrataError {
  return new StrataError({
    code: 'compat.address-range',
    what: `the row of page 0x${vpn.toString(16)} has an address of 2^52 or more`,
    expected: 'physical addresses of at most 52 bits',
    mend: 'Check that the dump is not truncated or mixed with another file.',
  });
}

/**
 * A page table as the artifact's dumper prints it: huge pages as 4 KiB rows whose missing tables are pages inside the huge page.
 * @throws StrataError `compat.five-levels`
 */
export function compatTableOf(table: PageTable): CompatTable {
  if (table.levels !== tableLevels)
    throw new StrataError({
      code: 'compat.five-levels',
      what: `the page table has ${table.levels} levels`,
      expected: '4 levels, all that the original simulators know',
      mend: 'Use --mode correct for tables of five levels.',
    });
  const builder = compatTableBuilder(table.mappedPages);
  const path = new Float64Array(tableLevels);
  table.forEachLeaf((vpn, frame, leafLevel) => {
    for (let page = 0; page < 512 ** (leafLevel - 1); page++) {
      for (let column = 0; column < tableLevels; column++) {
        const level = tableLevels - column;
        path[column] =
          pageBytes *
          (level >= leafLevel ? table.frameOf(table.nodeAt(vpn, level)) : frame + page - (page % 512 ** level));
      }
      builder.add(vpn + page, path[0]!, path[1]!, path[2]!, path[3]!, (frame + page) * pageBytes);
    }
  });
  return builder.build();
}
