import type { Frame, PageLevel, Vpn } from '../machine/address.ts';
import type { PageTable } from '../machine/page-table.ts';

/** Nodes of the second table are numbered from here on; the roots are one. */
const nodeUnit = 2 ** 30;

/**
 * Two tables under one root: `base` below page `start`, `arena` from there on (a multiple of what a root entry covers). What a VM's table
 * looks like to a design that keeps tables of its own in the guest.
 */
export class TableWithArena implements PageTable {
  readonly levels: 4 | 5;
  private readonly base: PageTable;
  private readonly arena: PageTable;
  private readonly start: Vpn;
  private readonly firstRootIndex: number;

  constructor(base: PageTable, arena: PageTable, start: Vpn) {
    this.levels = base.levels;
    this.base = base;
    this.arena = arena;
    this.start = start;
    this.firstRootIndex = start / 512 ** (base.levels - 1);
  }

  get mappedPages(): number {
    return this.base.mappedPages + this.arena.mappedPages;
  }

  get nodes(): number {
    return this.base.nodes + this.arena.nodes - 1;
  }

  frameOf(node: number): Frame {
    return node < nodeUnit ? this.base.frameOf(node) : this.arena.frameOf(node - nodeUnit);
  }

  entry(node: number, index: number): number {
    const cell = this.cell(node, index);
    if (cell < 0) return -cell * 4 + 1;
    return cell === 0 ? 0 : (cell - 1) * 4 + 2;
  }

  cell(node: number, index: number): number {
    if (node >= nodeUnit) return renumbered(this.arena.cell(node - nodeUnit, index));
    return node === 0 && index >= this.firstRootIndex
      ? renumbered(this.arena.cell(0, index))
      : this.base.cell(node, index);
  }

  translate(vpn: Vpn): Frame | -1 {
    return this.tableOf(vpn).translate(vpn);
  }

  leafLevel(vpn: Vpn): PageLevel | 0 {
    return this.tableOf(vpn).leafLevel(vpn);
  }

  nodeAt(vpn: Vpn, level: number): number {
    if (vpn < this.start) return this.base.nodeAt(vpn, level);
    const node = this.arena.nodeAt(vpn, level);
    return node > 0 ? node + nodeUnit : node;
  }

  forEachLeaf(visit: (vpn: Vpn, frame: Frame, level: PageLevel) => void): void {
    this.base.forEachLeaf(visit);
    this.arena.forEachLeaf(visit);
  }

  private tableOf(vpn: Vpn): PageTable {
    return vpn < this.start ? this.base : this.arena;
  }
}

function renumbered(cell: number): number {
  return cell < 0 ? cell - nodeUnit : cell;
}
