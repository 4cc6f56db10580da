import {
  createPageTable,
  type Frame,
  hexAddress,
  type MutablePageTable,
  pagesIn,
  StrataError,
  type Vpn,
} from '@strata/model/machine';
import { atLine } from './imported-tables.ts';

/** Columns of a dump row below the root's: the node of level n is column 4 - n, the data frame is column 4. */
const levels = 4;
const dataColumn = 4;
const pages2m = pagesIn[2];
const pages1g = pagesIn[3];

export interface DumpBuilderOptions {
  readonly path: string;
  readonly addresses: 'virtual' | 'physical';
  readonly foldHugePages: boolean;
}

/**
 * Builds a table out of rows in ascending order, each with the frames of the nodes on the way, and keeps exactly those frames. Recognises
 * huge pages that the dumper expanded: 512 rows of one aligned 2 MiB block, whose last-level "table" lies inside that block; and a whole
 * aligned GiB of such rows whose level-2 "table" lies inside it.
 */
export class DumpBuilder {
  expanded2m = 0;
  expanded1g = 0;
  /** Undefined until the first row. */
  table: MutablePageTable | undefined;

  private readonly options: DumpBuilderOptions;
  /** Columns of the row before: root, nodes of level 3, 2, 1, data frame. */
  private readonly previous = new Float64Array(5);
  private lastVpn = -1;
  private readonly frameForNode: (level: number) => Frame;
  private row: Float64Array = this.previous;

  /** The 2 MiB range that rows are in: how many there were, and whether all were one aligned block. */
  private rowsInRange = 0;
  private rangeIsBlock = false;
  /** The 1 GiB range: consecutive 2 MiB blocks so far, how many of them count as expanded, and the last one's frame. */
  private blocksInGiB = 0;
  private expandedInGiB = 0;
  private lastBlock = -1;

  constructor(options: DumpBuilderOptions) {
    this.options = options;
    this.frameForNode = (level) => this.row[levels - level]!;
  }

  /** @throws StrataError `tables.duplicate`, `tables.not-ascending`, `tables.contradiction`, `page-table.*`, with the line */
  add(vpn: Vpn, row: Float64Array, line: number): void {
    if (vpn <= this.lastVpn) throw this.outOfOrder(vpn, line);
    this.table ??= createPageTable({ levels, rootFrame: row[0]!, addresses: this.options.addresses });
    if (this.lastVpn >= 0) this.checkNodes(vpn, row, line);
    this.row = row;
    try {
      this.table.map(vpn, row[dataColumn]!, 1, this.frameForNode);
    } catch (error) {
      throw atLine(error, this.options.path, line);
    }
    this.follow(vpn, row);
    this.previous.set(row);
    this.lastVpn = vpn;
  }

  /**
   * Adds consecutive pages from `vpn` on, in `frames[from]` up to `frames[to - 1]`, that lie in one 2 MiB range and name the same tables.
   * @param row tables of all of them; its last column is overwritten
   * @throws StrataError as `add`
   */
  addRun(vpn: Vpn, row: Float64Array, frames: Float64Array, from: number, to: number, line: number): void {
    row[dataColumn] = frames[from]!;
    this.add(vpn, row, line);
    if (to - from < 2) return;
    try {
      this.table!.mapRun(vpn + 1, frames, from + 1, to, this.frameForNode);
    } catch (error) {
      throw atLine(error, this.options.path, line);
    }
    for (let at = from + 1; at < to; at++) if (frames[at]! !== frames[at - 1]! + 1) this.rangeIsBlock = false;
    this.rowsInRange += to - from - 1;
    this.previous[dataColumn] = frames[to - 1]!;
    this.lastVpn = vpn + to - from - 1;
  }

  finish(): void {
    this.closeRange();
    this.closeGiB();
  }

  /** Rows of one range name the same node. Ascending order makes the row before enough to compare with. */
  private checkNodes(vpn: Vpn, row: Float64Array, line: number): void {
    const { previous, lastVpn } = this;
    if (row[3] === previous[3] && row[2] === previous[2] && row[1] === previous[1] && row[0] === previous[0]) return;
    for (let level = levels; level >= 1; level--) {
      const column = levels - level;
      const size = 512 ** level;
      if (level < levels && Math.floor(vpn / size) !== Math.floor(lastVpn / size)) return;
      if (row[column] !== previous[column]) throw this.contradiction(vpn, level, row[column]!, previous[column]!, line);
    }
  }

  private follow(vpn: Vpn, row: Float64Array): void {
    const frame = row[dataColumn]!;
    if (this.lastVpn < 0 || Math.floor(vpn / pages2m) !== Math.floor(this.lastVpn / pages2m)) {
      this.closeRange();
      if (this.lastVpn >= 0 && Math.floor(vpn / pages1g) !== Math.floor(this.lastVpn / pages1g)) this.closeGiB();
      this.rowsInRange = 0;
      this.rangeIsBlock = vpn % pages2m === 0 && frame % pages2m === 0;
    } else if (frame !== this.previous[dataColumn]! + 1) this.rangeIsBlock = false;
    this.rowsInRange++;
  }

  private closeRange(): void {
    const firstFrame = this.previous[dataColumn]! - pages2m + 1;
    if (!this.rangeIsBlock || this.rowsInRange !== pages2m) return;
    const continues = firstFrame === this.lastBlock + pages2m;
    this.blocksInGiB = continues ? this.blocksInGiB + 1 : 1;
    if (!continues) this.expandedInGiB = 0;
    this.lastBlock = firstFrame;
    const lastLevel = this.previous[3]!;
    // No such node can exist: its frame holds data.
    if (lastLevel < firstFrame || lastLevel >= firstFrame + pages2m) return;
    this.expanded2m++;
    this.expandedInGiB++;
    if (this.options.foldHugePages) this.table!.promote(this.lastVpn - (pages2m - 1), firstFrame, 2);
  }

  private closeGiB(): void {
    const { blocksInGiB: blocks, expandedInGiB: expanded } = this;
    this.blocksInGiB = 0;
    this.expandedInGiB = 0;
    const firstFrame = this.previous[dataColumn]! - pages1g + 1;
    // All of the GiB is data, so a lower "table" in it cannot exist either.
    if (blocks !== 512 || firstFrame % pages1g !== 0 || !sharesGiB(this.previous[2]!, firstFrame)) return;
    this.expanded1g++;
    this.expanded2m -= expanded;
    if (this.options.foldHugePages) this.table!.promote(this.lastVpn - (pages1g - 1), firstFrame, 3);
  }

  private outOfOrder(vpn: Vpn, line: number): StrataError {
    const isDuplicate = vpn === this.lastVpn;
    return new StrataError({
      code: isDuplicate ? 'tables.duplicate' : 'tables.not-ascending',
      where: `${this.options.path}, line ${line}`,
      what: isDuplicate ? 'the page is listed twice' : 'pages are not in ascending order',
      expected: `a page above ${hexAddress(this.lastVpn)}`,
      found: hexAddress(vpn),
      mend: isDuplicate
        ? 'Keep one of the lines, and correct the count in line 1.'
        : 'Sort the rows by their first column, below line 1.',
    });
  }

  private contradiction(vpn: Vpn, level: number, found: Frame, expected: Frame, line: number): StrataError {
    return new StrataError({
      code: 'tables.contradiction',
      where: `${this.options.path}, line ${line}`,
      what: `rows of the same range name different level-${level} tables for ${hexAddress(vpn)}`,
      expected: `${hexAddress(expected)} as in the line before`,
      found: hexAddress(found),
      mend: 'The table changed while it was dumped, or two dumps are mixed: dump again.',
    });
  }
}

function sharesGiB(a: Frame, b: Frame): boolean {
  return Math.floor(a / pages1g) === Math.floor(b / pages1g);
}
