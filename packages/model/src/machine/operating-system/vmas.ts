import type { Vpn } from '../address.ts';
import type { Vma } from '../page-table.ts';
import { createSortedRanges, type MarkedRange } from './sorted-ranges.ts';

/** Smallest and largest growth of an inferred VMA: a huge page, and the arena of glibc's malloc (HEAP_MAX_SIZE, malloc/arena.c). */
const smallestUnitPages = 512;
const largestUnitPages = 16_384;

/** Marked are the inferred ones: they may grow, while a given one is as long as its `mmap` made it. */
type KnownVma = MarkedRange;

/**
 * The VMAs of a process: those that are given, and others inferred from what is touched. A trace does not say what was mapped, and it is
 * read once, so the rule works online: a touch outside of every VMA extends an inferred neighbour that is nearer than its unit, or else
 * makes a VMA of 2 MiB; both end on multiples of the unit, and VMAs that meet become one. The unit of a VMA is its own size, from 2 MiB
 * to 64 MiB, as arenas and heaps grow.
 */
export interface VmaSet {
  readonly size: number;
  /** All of them in order, made anew at each look; see `next`. */
  readonly list: readonly Vma[];
  find(vpn: Vpn): Vma | undefined;
  /** The VMA around `vpn`, or the first one behind it. */
  next(vpn: Vpn): Vma | undefined;
  /** The VMA around `vpn`, inferred when there is none. */
  around(vpn: Vpn): Vma;
  /** Adds a given VMA; what lies in its way is replaced. */
  add(start: Vpn, end: Vpn): void;
  /** Cuts a range out of all VMAs. */
  remove(start: Vpn, end: Vpn): void;
  /** The same VMAs for a process of its own, inferred ones still able to grow: what a fork leaves to the child. */
  copy(): VmaSet;
}

export function createVmaSet(given: readonly Vma[] = []): VmaSet {
  return createSet(given.map(({ start, end }) => ({ start, end, marked: false })));
}

function createSet(known: readonly KnownVma[]): VmaSet {
  const ranges = createSortedRanges();

  function find(vpn: Vpn): KnownVma | undefined {
    const vma = ranges.next(vpn);
    return vma !== undefined && vma.start <= vpn ? vma : undefined;
  }

  function infer(vpn: Vpn): Vma {
    const before = ranges.previous(vpn);
    const after = ranges.next(vpn);
    const [from, to] = extent(vpn, before, after);
    const joinsBefore = before?.marked === true && from <= before.end;
    const joinsAfter = after?.marked === true && to >= after.start;
    const start = joinsBefore ? before.start : Math.max(from, before?.end ?? 0);
    const end = joinsAfter ? after.end : Math.min(to, after?.start ?? Number.POSITIVE_INFINITY);
    if (joinsBefore && joinsAfter) ranges.delete(after.start);
    if (joinsBefore) ranges.resize(before.start, start, end);
    else if (joinsAfter) ranges.resize(after.start, start, end);
    else ranges.insert(start, end, true);
    return { start, end };
  }

  function remove(start: Vpn, end: Vpn): void {
    for (let vma = ranges.next(start); vma !== undefined && vma.start < end; vma = ranges.next(start)) {
      if (vma.start < start) ranges.resize(vma.start, vma.start, start);
      else ranges.delete(vma.start);
      if (vma.end > end) ranges.insert(end, vma.end, vma.marked);
    }
  }

  function place(start: Vpn, end: Vpn, marked: boolean): void {
    remove(start, end);
    ranges.insert(start, end, marked);
  }

  function all(): KnownVma[] {
    const vmas: KnownVma[] = [];
    for (let vma = ranges.next(0); vma !== undefined; vma = ranges.next(vma.end)) vmas.push({ ...vma });
    return vmas;
  }

  for (const { start, end, marked } of known) if (end > start) place(start, end, marked);
  return {
    get size() {
      return ranges.size;
    },
    get list() {
      return all().map(({ start, end }) => ({ start, end }));
    },
    find,
    next: ranges.next,
    around: (vpn) => find(vpn) ?? infer(vpn),
    add: (start, end) => place(start, end, false),
    remove,
    copy: () => createSet(all()),
  };
}

function extent(vpn: Vpn, before: KnownVma | undefined, after: KnownVma | undefined): [Vpn, Vpn] {
  if (before?.marked) {
    const unit = unitOf(before);
    if (vpn - before.end < unit) return [before.end, (Math.floor(vpn / unit) + 1) * unit];
  }
  if (after?.marked) {
    const unit = unitOf(after);
    if (after.start - vpn <= unit) return [Math.floor(vpn / unit) * unit, after.start];
  }
  const start = Math.floor(vpn / smallestUnitPages) * smallestUnitPages;
  return [start, start + smallestUnitPages];
}

function unitOf(vma: Vma): number {
  const size = 2 ** Math.floor(Math.log2(vma.end - vma.start));
  return Math.min(largestUnitPages, Math.max(smallestUnitPages, size));
}

/**
 * VMAs of a process whose touched pages are all known: pages less than `gapPages` apart belong together.
 * @param touched page numbers in ascending order
 */
export function clusterVmas(touched: ArrayLike<Vpn>, gapPages: number = smallestUnitPages): Vma[] {
  const vmas: Vma[] = [];
  for (let index = 0; index < touched.length; ) {
    const start = touched[index]!;
    let end = start + 1;
    for (index++; index < touched.length && touched[index]! - end < gapPages; index++) end = touched[index]! + 1;
    vmas.push({ start, end });
  }
  return vmas;
}
