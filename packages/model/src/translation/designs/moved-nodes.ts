import type { Frame, PageLevel, Vpn } from '../../machine/address.ts';
import type { PageTable } from '../../machine/page-table.ts';

/** Nodes below this are a table's own; those above it belong to an arena, see `TableWithArena`. */
const nearNodes = 2 ** 28;

/** A table some of whose nodes lie in other frames than the operating system's: what a design makes of it that places tables itself. */
export class MovedNodes implements PageTable {
  readonly levels: 4 | 5;
  private readonly table: PageTable;
  /** By node, for those with small numbers (an array answers faster); -1 = where the operating system put it. */
  private near = new Float64Array(1024).fill(-1);
  private readonly far = new Map<number, Frame>();

  constructor(table: PageTable) {
    this.levels = table.levels;
    this.table = table;
  }

  get mappedPages(): number {
    return this.table.mappedPages;
  }

  get nodes(): number {
    return this.table.nodes;
  }

  move(node: number, frame: Frame): void {
    if (node >= nearNodes) this.far.set(node, frame);
    else {
      if (node >= this.near.length) this.grow(node);
      this.near[node] = frame;
    }
  }

  putBack(node: number): void {
    if (node >= nearNodes) this.far.delete(node);
    else if (node < this.near.length) this.near[node] = -1;
  }

  frameOf(node: number): Frame {
    const moved = node < this.near.length ? this.near[node]! : node < nearNodes ? -1 : (this.far.get(node) ?? -1);
    return moved >= 0 ? moved : this.table.frameOf(node);
  }

  cell(node: number, index: number): number {
    return this.table.cell(node, index);
  }

  entry(node: number, index: number): number {
    return this.table.entry(node, index);
  }

  translate(vpn: Vpn): Frame | -1 {
    return this.table.translate(vpn);
  }

  leafLevel(vpn: Vpn): PageLevel | 0 {
    return this.table.leafLevel(vpn);
  }

  nodeAt(vpn: Vpn, level: number): number {
    return this.table.nodeAt(vpn, level);
  }

  forEachLeaf(visit: (vpn: Vpn, frame: Frame, level: PageLevel) => void): void {
    this.table.forEachLeaf(visit);
  }

  private grow(node: number): void {
    const near = new Float64Array(Math.max(node + 1, 2 * this.near.length)).fill(-1);
    near.set(this.near);
    this.near = near;
  }
}
