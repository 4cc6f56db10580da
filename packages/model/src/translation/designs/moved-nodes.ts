import type { Frame, PageLevel, Vpn } from '../../machine/address.ts';
import type { PageTable } from '../../machine/page-table.ts';

/** A table some of whose nodes lie in other frames than the operating system's: what a design makes of it that places tables itself. */
export class MovedNodes implements PageTable {
  readonly levels: 4 | 5;
  private readonly table: PageTable;
  private readonly frames = new Map<number, Frame>();

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
    this.frames.set(node, frame);
  }

  putBack(node: number): void {
    this.frames.delete(node);
  }

  frameOf(node: number): Frame {
    return this.frames.get(node) ?? this.table.frameOf(node);
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
}
