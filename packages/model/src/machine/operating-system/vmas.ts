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

export function createVmaSet(given: readonly Vma[] = []): VmaSet {
  let vmas: KnownVma[] = [];

  /** Index of the first VMA that ends after `vpn`. */
  function indexAfter(vpn: Vpn): number {
    let low = 0;
    let high = vmas.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (vmas[middle]!.end > vpn) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  function find(vpn: Vpn): KnownVma | undefined {
    const vma = vmas[indexAfter(vpn)];
    return vma !== undefined && vma.start <= vpn ? vma : undefined;
  }

  function infer(vpn: Vpn): KnownVma {
    const index = indexAfter(vpn);
    const before = vmas[index - 1];
    const after = vmas[index];
    const [start, end] = extent(vpn, before, after);
    const joinsBefore = before?.inferred === true && start <= before.end;
    const joinsAfter = after?.inferred === true && end >= after.start;
    const vma: KnownVma = {
      start: joinsBefore ? before.start : Math.max(start, before?.end ?? 0),
      end: joinsAfter ? after.end : Math.min(end, after?.start ?? Number.POSITIVE_INFINITY),
      inferred: true,
    };
    vmas.splice(index - (joinsBefore ? 1 : 0), (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), vma);
    return vma;
  }

  function remove(start: Vpn, end: Vpn): void {
    vmas = vmas.flatMap((vma) => {
      if (vma.end <= start || vma.start >= end) return [vma];
      const rest: KnownVma[] = [];
      if (vma.start < start) rest.push({ ...vma, end: start });
      if (vma.end > end) rest.push({ ...vma, start: end });
      return rest;
    });
  }

  function add(start: Vpn, end: Vpn): void {
    remove(start, end);
    vmas.splice(indexAfter(start), 0, { start, end, inferred: false });
  }

  for (const { start, end } of given) if (end > start) add(start, end);
  return {
    get list() {
      return vmas;
    },
    find,
    around: (vpn) => find(vpn) ?? infer(vpn),
    add,
    remove,
  };
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
