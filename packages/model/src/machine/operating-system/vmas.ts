import type { Vpn } from '../address.ts';
import type { Vma } from '../page-table.ts';

/** Smallest and largest growth of an inferred VMA: a huge page, and the arena of glibc's malloc (HEAP_MAX_SIZE, malloc/arena.c). */
const smallestUnitPages = 512;
const largestUnitPages = 16_384;

interface KnownVma extends Vma {
  /** Found from touches, so it may grow; a given one is as long as its `mmap` made it. */
  readonly inferred: boolean;
}

/**
 * The VMAs of a process: those that are given, and others inferred from what is touched. A trace does not say what was mapped, and it is
 * read once, so the rule works online: a touch outside of every VMA extends an inferred neighbour that is nearer than its unit, or else
 * makes a VMA of 2 MiB; both end on multiples of the unit, and VMAs that meet become one. The unit of a VMA is its own size, from 2 MiB
 * to 64 MiB, as arenas and heaps grow.
 */
export interface VmaSet {
  readonly list: readonly Vma[];
  find(vpn: Vpn): Vma | undefined;
  /** The VMA around `vpn`, inferred when there is none. */
  around(vpn: Vpn): Vma;
  /** Adds a given VMA; what lies in its way is replaced. */
  add(start: Vpn, end: Vpn): void;
  /** Cuts a range out of all VMAs. */
  remove(start: Vpn, end: Vpn): void;
}

/** VMAs per block of the sorted list: a change moves at most one block, so a sparse terabyte costs no more per VMA than a dense gigabyte. */
const largestBlock = 256;

/** A place in the sorted list: a block, and an index that may be one past its end. */
interface Place {
  block: number;
  index: number;
}

export function createVmaSet(given: readonly Vma[] = []): VmaSet {
  /** Sorted, and none empty but for a sole one. */
  const blocks: KnownVma[][] = [[]];
  let flat: readonly KnownVma[] | undefined;

  /** Of the first VMA that ends after `vpn`. */
  function placeAfter(vpn: Vpn): Place {
    const block = lowerBound(0, blocks.length - 1, (at) => blocks[at]!.at(-1)!.end > vpn);
    const vmas = blocks[block]!;
    return { block, index: lowerBound(0, vmas.length, (at) => vmas[at]!.end > vpn) };
  }

  function find(vpn: Vpn): KnownVma | undefined {
    const { block, index } = placeAfter(vpn);
    const vma = blocks[block]![index];
    return vma !== undefined && vma.start <= vpn ? vma : undefined;
  }

  function insert(vma: KnownVma): void {
    const { block, index } = placeAfter(vma.start);
    const vmas = blocks[block]!;
    vmas.splice(index, 0, vma);
    if (vmas.length > largestBlock) blocks.splice(block + 1, 0, vmas.splice(largestBlock / 2));
    flat = undefined;
  }

  function takeOut({ block, index }: Place): void {
    const vmas = blocks[block]!;
    vmas.splice(index, 1);
    if (vmas.length === 0 && blocks.length > 1) blocks.splice(block, 1);
    flat = undefined;
  }

  function infer(vpn: Vpn): KnownVma {
    const { block, index } = placeAfter(vpn);
    const before = index > 0 ? blocks[block]![index - 1] : blocks[block - 1]?.at(-1);
    const after = blocks[block]![index];
    const [start, end] = extent(vpn, before, after);
    const joinsBefore = before?.inferred === true && start <= before.end;
    const joinsAfter = after?.inferred === true && end >= after.start;
    const vma: KnownVma = {
      start: joinsBefore ? before.start : Math.max(start, before?.end ?? 0),
      end: joinsAfter ? after.end : Math.min(end, after?.start ?? Number.POSITIVE_INFINITY),
      inferred: true,
    };
    if (joinsAfter) takeOut(placeAfter(after.start));
    if (joinsBefore) takeOut(placeAfter(before.start));
    insert(vma);
    return vma;
  }

  function remove(start: Vpn, end: Vpn): void {
    for (;;) {
      const place = placeAfter(start);
      const vma = blocks[place.block]![place.index];
      if (vma === undefined || vma.start >= end) return;
      takeOut(place);
      if (vma.start < start) insert({ ...vma, end: start });
      if (vma.end > end) insert({ ...vma, start: end });
    }
  }

  function add(start: Vpn, end: Vpn): void {
    remove(start, end);
    insert({ start, end, inferred: false });
  }

  for (const { start, end } of given) if (end > start) add(start, end);
  return {
    get list() {
      flat ??= blocks.flat();
      return flat;
    },
    find,
    around: (vpn) => find(vpn) ?? infer(vpn),
    add,
    remove,
  };
}

/** The VMA of a sorted list that holds `vpn`. */
export function findVma(vmas: readonly Vma[], vpn: Vpn): Vma | undefined {
  const vma = vmas[lowerBound(0, vmas.length, (at) => vmas[at]!.end > vpn)];
  return vma !== undefined && vma.start <= vpn ? vma : undefined;
}

/** The first integer of `low` to `high` from which on `holds`; `high` where it holds nowhere before. */
function lowerBound(low: number, high: number, holds: (at: number) => boolean): number {
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function extent(vpn: Vpn, before: KnownVma | undefined, after: KnownVma | undefined): [Vpn, Vpn] {
  if (before?.inferred) {
    const unit = unitOf(before);
    if (vpn - before.end < unit) return [before.end, (Math.floor(vpn / unit) + 1) * unit];
  }
  if (after?.inferred) {
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
