import {
  createPageTable,
  type Frame,
  forEachNode,
  type MutablePageTable,
  type PageLevel,
  pagesIn,
  StrataError,
  type Vpn,
} from '@strata/model/machine';
import { atLine } from './imported-tables.ts';

/**
 * Builds a table from leaves alone, for formats that do not say where the nodes are: these get consecutive frames above all data. Four
 * levels, five as soon as an address needs them. Leaves may come in any order.
 */
export interface LeafBuilder {
  readonly mappedPages: number;
  /** @throws StrataError `page-table.conflict` and the like, with the line */
  add(vpn: Vpn, frame: Frame, level: PageLevel, line: number): void;
  /** A page that is present in an unknown frame: gets one above all data. */
  addWithoutFrame(vpn: Vpn, line: number): void;
  /** Makes the aligned 2 MiB range at `vpn`, whose pages are all there, one huge leaf. */
  fold(vpn: Vpn, frame: Frame): void;
  finish(): MutablePageTable;
}

export function createLeafBuilder(path: string): LeafBuilder {
  // Nodes are numbered for now; their frames are known at the end.
  const numberNode = () => 0;
  let table = createPageTable({ levels: 4, rootFrame: 0 });
  let end = 0;
  const unplaced: { readonly vpn: Vpn; readonly line: number }[] = [];

  function deepen(): void {
    const deeper = createPageTable({ levels: 5, rootFrame: 0 });
    table.forEachLeaf((vpn, frame, level) => deeper.map(vpn, frame, level, numberNode));
    table = deeper;
  }

  function add(vpn: Vpn, frame: Frame, level: PageLevel, line: number): void {
    try {
      table.map(vpn, frame, level, numberNode);
    } catch (error) {
      if (table.levels === 5 || !(error instanceof StrataError) || error.code !== 'page-table.address-out-of-range')
        throw atLine(error, path, line);
      deepen();
      add(vpn, frame, level, line);
      return;
    }
    end = Math.max(end, frame + pagesIn[level]);
  }

  return {
    get mappedPages() {
      return table.mappedPages + unplaced.length;
    },
    add,
    addWithoutFrame: (vpn, line) => unplaced.push({ vpn, line }),
    fold: (vpn, frame) => table.promote(vpn, frame, 2),
    finish() {
      for (const { vpn, line } of unplaced) add(vpn, end, 1, line);
      forEachNode(table, (_level, _frame, _vpn, node) => table.moveNode(node, end++));
      return table;
    },
  };
}
