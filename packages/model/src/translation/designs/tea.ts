import { entriesPerPage, type Frame, indexAt, type PageLevel, pagesPerEntry, type Vpn } from '../../machine/address.ts';
import type { AddressSpace, PageTable, Vma } from '../../machine/page-table.ts';
import { MovedNodes } from './moved-nodes.ts';

/** Where a TEA lies: in the space below the table, and in host memory where it is contiguous there too. */
export interface TeaFrames {
  readonly frame: Frame;
  /** -1 when host frames behind `frame` are anywhere. */
  readonly hostFrame: Frame | -1;
  /** Of a gTEA: its number in the host's table. */
  readonly id?: number;
}

/** Contiguous memory for TEAs. */
export interface TeaMemory {
  allocate(count: number): TeaFrames | undefined;
  /** Takes the `count` frames right behind a TEA of `length`; false where they are not free, or growth in place is not possible. */
  extend(at: TeaFrames, length: number, count: number): boolean;
  release(at: TeaFrames, length: number): void;
}

/**
 * A translation entry area: the tables of one level for a range of units (what one table covers: 2 MiB for 4 KiB pages, 1 GiB for 2 MiB
 * pages) side by side, so that the place of an entry follows from the address.
 */
export interface Tea {
  readonly id: number;
  readonly level: PageLevel;
  start: number;
  length: number;
  frames: TeaFrames;
  /** Node of the radix table by unit, plus 1; 0 where the table does not exist yet. */
  nodes: Int32Array;
  used: number;
}

export interface TeaOptions {
  /** Page sizes that get TEAs. */
  readonly levels: readonly PageLevel[];
  /** VMAs below this get none. */
  readonly minVmaPages: number;
  readonly limit: number;
  /** Share of a joined range that its parts must fill, in percent. */
  readonly mergePercent: number;
  /** Whether a TEA is made for all of a VMA at once; otherwise it grows with what is touched. */
  readonly reserve: boolean;
}

/** What happens to TEAs. */
export const teaCounters = {
  areas: 'areas made',
  released: 'areas given back, their last table gone',
  merged: 'areas extended over a further range, the gap between being small',
  grownInPlace: 'areas extended into the frames behind them',
  migrated: 'areas extended by moving them',
  movedTables: 'tables of 4 KiB copied into an area, or from one to another',
  allocationFailures: 'requests for contiguous memory that failed',
  noSlot: 'ranges without an area because every slot is taken',
};
export type TeaCounts = Record<keyof typeof teaCounters, number>;

/** Number of the table of a level, in order of address, that has the entry for a page. */
export function unitOf(vpn: Vpn, level: number): number {
  return Math.floor(vpn * entriesPerPage[level + 1]!);
}

/** 4 KiB pages that one table of a level covers. */
export function pagesOfTable(level: number): number {
  return pagesPerEntry[level + 1]!;
}

/** Tables in the TEA of a VMA, one more than needed when it ends on a boundary: the prototype's formula (specs/translation.md 5, C17). */
export function teaTables({ start, end }: Vma, level: PageLevel): number {
  const pages = pagesOfTable(level);
  return Math.floor(end / pages) + 1 - Math.floor(start / pages);
}

/** Byte offset in a TEA that starts at unit `start` of the entry for page `vpn`. */
export function teaOffset(vpn: Vpn, start: number, level: PageLevel): number {
  const table = unitOf(vpn, level) - start;
  return table * 4096 + indexAt(vpn, level) * 8;
}

/** Units of a TEA whose VMA is not known, at first. Assumed. */
const initialUnits = 8;

/**
 * The TEAs of one address space. Tables of the radix tree that lie in the range of a TEA are kept there (so the tree stays walkable);
 * all others stay where the operating system put them, and their pages are walked for.
 */
export class TeaSet {
  readonly teas: Tea[] = [];
  /** The radix table with its nodes where they lie now. */
  readonly table: MovedNodes;

  private readonly space: AddressSpace;
  private readonly source: PageTable;
  private readonly memory: TeaMemory;
  private readonly options: TeaOptions;
  private readonly counts: TeaCounts;
  private nextId = 0;
  /** Smallest request that failed: a larger one is not tried, which would search all memory in vain, until much has been given back. */
  private refused = Number.POSITIVE_INFINITY;
  /** By level: the unit whose table was allocated last, and not used yet. */
  private readonly fresh = [-1, -1, -1];
  /** Size of the VMA when a range got no TEA, by unit and level: asked again only once that has changed. */
  private readonly givenUp = new Map<number, number>();

  constructor(space: AddressSpace, memory: TeaMemory, options: TeaOptions, counts: TeaCounts) {
    this.counts = counts;
    this.space = space;
    this.source = space.table;
    this.table = new MovedNodes(space.table);
    this.memory = memory;
    this.options = options;
    this.coverWhatIsMapped();
  }

  find(level: PageLevel, unit: number): Tea | undefined {
    const { teas } = this;
    for (let index = 0; index < teas.length; index++) {
      const tea = teas[index]!;
      const offset = unit - tea.start;
      if (tea.level === level && offset >= 0 && offset < tea.length) return tea;
    }
    return undefined;
  }

  /** Bytes of all tables: those of the tree, and what TEAs hold in reserve. */
  get tableBytes(): number {
    return (this.source.nodes + this.unusedTables) * 4096;
  }

  /** Tables that TEAs have reserved and that do not exist. */
  get unusedTables(): number {
    return this.teas.reduce((sum, { length, used }) => sum + length - used, 0);
  }

  /** A leaf was mapped; the tables of these levels on the way to it are used from now on. */
  mapped(vpn: Vpn, ...levels: readonly PageLevel[]): void {
    for (const level of levels) if (this.options.levels.includes(level)) this.used(vpn, level);
    // Whatever else is covered later had its tables before.
    this.fresh.fill(-1);
  }

  private used(vpn: Vpn, level: PageLevel): void {
    const unit = unitOf(vpn, level);
    const tea = this.find(level, unit);
    if (tea === undefined) this.cover(vpn, unit, level);
    else if (tea.nodes[unit - tea.start] === 0) this.place(tea, unit);
  }

  nodeAllocated(level: number, vpn: Vpn): void {
    const unit = unitOf(vpn, level);
    const tea = this.find(level as PageLevel, unit);
    if (tea !== undefined) this.place(tea, unit);
    else this.fresh[level] = unit;
  }

  nodeFreed(level: number, vpn: Vpn): void {
    const unit = unitOf(vpn, level);
    const tea = this.find(level as PageLevel, unit);
    if (tea === undefined) return;
    const node = tea.nodes[unit - tea.start]!;
    if (node === 0) return;
    tea.nodes[unit - tea.start] = 0;
    this.table.putBack(node - 1);
    if (--tea.used > 0) return;
    this.teas.splice(this.teas.indexOf(tea), 1);
    this.release(tea);
    this.counts.released++;
  }

  /** TEAs for tables that are there already. Without a list of VMAs, runs of tables stand for them, the longest first. */
  private coverWhatIsMapped(): void {
    if (this.space.vmas.length > 0) {
      this.source.forEachLeaf((vpn, _frame, level) => this.mapped(vpn, level));
      return;
    }
    const runs: { level: PageLevel; start: number; end: number }[] = [];
    const last: (typeof runs)[number][] = [];
    this.source.forEachLeaf((vpn, _frame, level) => {
      if (!this.options.levels.includes(level)) return;
      const unit = unitOf(vpn, level);
      const run = last[level];
      if (run !== undefined && unit <= run.end) {
        run.end = unit + 1;
        return;
      }
      last[level] = { level, start: unit, end: unit + 1 };
      runs.push(last[level]);
    });
    runs.sort((a, b) => b.end - b.start - (a.end - a.start));
    for (const { level, start, end } of runs) this.coverRange(level, start, end);
  }

  private cover(vpn: Vpn, unit: number, level: PageLevel): void {
    const key = unit * 4 + level;
    const vma = this.space.vmaAt(vpn);
    const size = vma === undefined ? 0 : vma.end - vma.start;
    if (this.givenUp.get(key) === size) return;
    const isCovered =
      vma !== undefined && this.options.reserve
        ? size >= this.options.minVmaPages && this.coverVma(vma, unit, level)
        : this.coverTouched(unit, level);
    if (!isCovered) this.givenUp.set(key, size);
  }

  private coverVma(vma: Vma, unit: number, level: PageLevel): boolean {
    const first = Math.floor(vma.start / pagesOfTable(level));
    const [start, end] = this.clip(level, unit, first, first + teaTables(vma, level));
    const grown = this.teas.find((tea) => tea.level === level && tea.start <= end && tea.start + tea.length >= start);
    // The VMA has grown since its TEA was made.
    if (grown !== undefined && grown.start >= first) {
      const from = Math.min(start, grown.start);
      const to = Math.max(end, grown.start + grown.length);
      const [, doubled] = this.clip(level, unit, from, Math.max(to, from + 2 * grown.length), grown);
      if (this.growTo(grown, from, Math.max(to, doubled)) || this.growTo(grown, from, to)) return true;
    }
    return this.coverRange(level, start, end);
  }

  /** A TEA near enough doubles, as the prototype's do; else a new one begins small. */
  private coverTouched(unit: number, level: PageLevel): boolean {
    for (const tea of this.teas) {
      const { start, length } = tea;
      if (tea.level !== level || unit < start - length || unit >= start + 2 * length) continue;
      const wanted = unit < start ? [start - length, start + length] : [start, start + 2 * length];
      const [from, to] = this.clip(level, unit, wanted[0]!, wanted[1]!, tea);
      if (from <= start && to >= start + length && this.growTo(tea, from, to)) return true;
    }
    return this.coverRange(level, ...this.clip(level, unit, unit, unit + initialUnits));
  }

  private coverRange(level: PageLevel, start: number, end: number): boolean {
    for (const tea of this.teas) {
      if (tea.level !== level) continue;
      const from = Math.min(start, tea.start);
      const to = Math.max(end, tea.start + tea.length);
      const isFull = ((end - start + tea.length) * 100) / (to - from) >= this.options.mergePercent;
      if (!isFull || this.overlaps(level, from, to, tea) || !this.growTo(tea, from, to)) continue;
      this.counts.merged++;
      return true;
    }
    if (this.teas.length >= this.options.limit) {
      this.counts.noSlot++;
      return false;
    }
    const frames = this.allocate(end - start);
    if (frames === undefined) return false;
    const tea: Tea = {
      id: this.nextId++,
      level,
      start,
      length: end - start,
      frames,
      nodes: new Int32Array(end - start),
      used: 0,
    };
    this.teas.push(tea);
    this.counts.areas++;
    this.adopt(tea, start, end);
    return true;
  }

  private allocate(tables: number): TeaFrames | undefined {
    const frames = tables < this.refused ? this.memory.allocate(tables) : undefined;
    if (frames !== undefined) return frames;
    this.refused = Math.min(this.refused, tables);
    this.counts.allocationFailures++;
    return undefined;
  }

  private release({ frames, length }: Tea): void {
    this.memory.release(frames, length);
    if (2 * length >= this.refused) this.refused = Number.POSITIVE_INFINITY;
  }

  /** In place where the frames behind are free, else by moving to a new area. */
  private growTo(tea: Tea, start: number, end: number): boolean {
    const oldEnd = tea.start + tea.length;
    const nodes = new Int32Array(end - start);
    nodes.set(tea.nodes, tea.start - start);
    if (start === tea.start && this.memory.extend(tea.frames, tea.length, end - oldEnd)) {
      this.counts.grownInPlace++;
    } else {
      const frames = this.allocate(end - start);
      if (frames === undefined) return false;
      this.release(tea);
      tea.frames = frames;
      this.counts.migrated++;
      this.counts.movedTables += tea.used;
    }
    const oldStart = tea.start;
    tea.start = start;
    tea.length = end - start;
    tea.nodes = nodes;
    for (let unit = oldStart; unit < oldEnd; unit++) this.point(tea, unit);
    this.adopt(tea, start, oldStart);
    this.adopt(tea, oldEnd, end);
    return true;
  }

  /** Moves tables that exist already into the TEA; the one that is being made for this fault is made there at once. */
  private adopt(tea: Tea, start: number, end: number): void {
    for (let unit = start; unit < end; unit++)
      if (this.place(tea, unit) && unit !== this.fresh[tea.level]) this.counts.movedTables++;
  }

  private place(tea: Tea, unit: number): boolean {
    const node = this.source.nodeAt(unit * pagesOfTable(tea.level), tea.level);
    if (node < 0 || tea.nodes[unit - tea.start] === node + 1) return false;
    tea.nodes[unit - tea.start] = node + 1;
    tea.used++;
    this.point(tea, unit);
    return true;
  }

  private point(tea: Tea, unit: number): void {
    const node = tea.nodes[unit - tea.start]!;
    if (node > 0) this.table.move(node - 1, tea.frames.frame + unit - tea.start);
  }

  /** The part of a range around `unit` that no TEA (but `self`) has. */
  private clip(level: PageLevel, unit: number, from: number, to: number, self?: Tea): [number, number] {
    let start = from;
    let end = to;
    for (const tea of this.teas) {
      if (tea.level !== level || tea === self) continue;
      if (tea.start + tea.length <= unit) start = Math.max(start, tea.start + tea.length);
      else end = Math.min(end, tea.start);
    }
    return [start, end];
  }

  private overlaps(level: PageLevel, from: number, to: number, self: Tea): boolean {
    return this.teas.some(
      (tea) => tea !== self && tea.level === level && tea.start < to && tea.start + tea.length > from,
    );
  }
}
