import type { Vpn } from '../address.ts';
import type { Vma } from '../page-table.ts';

/** A range with a mark of its owner's. */
export interface MarkedRange extends Vma {
  readonly marked: boolean;
}

/**
 * Ranges that do not overlap, in ascending order. A sparse process has millions of them, and one sorted array would be moved at every
 * insertion: they stand in blocks, so that an insertion moves one block, and the list of blocks once for every block that overflows. A
 * range costs 17 bytes, twice that in blocks that are half full.
 */
export interface SortedRanges {
  readonly size: number;
  /** The first range that ends after `vpn`: the one around it, or the one that follows. */
  next(vpn: Vpn): MarkedRange | undefined;
  /** The last range that ends at or before `vpn`. */
  previous(vpn: Vpn): MarkedRange | undefined;
  /** Adds a range where there is none. */
  insert(start: Vpn, end: Vpn, marked: boolean): void;
  /** Gives the range that starts at `oldStart` new limits, in its own space and the free space around it. */
  resize(oldStart: Vpn, start: Vpn, end: Vpn): void;
  delete(start: Vpn): void;
}

interface Block {
  length: number;
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  readonly marks: Uint8Array;
}

/** @param blockRanges ranges that a block holds at most, even; tests take few */
export function createSortedRanges(blockRanges = 512): SortedRanges {
  /** None of them empty. */
  const blocks: Block[] = [];
  /** End of the last range of each block: side by side, because every look-up begins here. */
  const lastEnds: number[] = [];
  let size = 0;

  const blockAfter = (vpn: Vpn): number => firstAbove(lastEnds, lastEnds.length, vpn);
  const indexAfter = ({ ends, length }: Block, vpn: Vpn): number => firstAbove(ends, length, vpn);

  function next(vpn: Vpn): MarkedRange | undefined {
    const block = blocks[blockAfter(vpn)];
    return block === undefined ? undefined : rangeAt(block, indexAfter(block, vpn));
  }

  function previous(vpn: Vpn): MarkedRange | undefined {
    const number = blockAfter(vpn);
    const block = blocks[number];
    const index = block === undefined ? 0 : indexAfter(block, vpn);
    if (block !== undefined && index > 0) return rangeAt(block, index - 1);
    const before = blocks[number - 1];
    return before === undefined ? undefined : rangeAt(before, before.length - 1);
  }

  function insert(start: Vpn, end: Vpn, marked: boolean): void {
    const number = blockFor(start);
    const block = blocks[number]!;
    const index = indexAfter(block, start);
    moveRanges(block, index, block, index + 1, block.length - index);
    block.length++;
    block.starts[index] = start;
    block.ends[index] = end;
    block.marks[index] = marked ? 1 : 0;
    noteEnd(number);
    size++;
  }

  /** The block that takes a range at `start`, with room for it. */
  function blockFor(start: Vpn): number {
    const number = blockAfter(start);
    const isLast = number === blocks.length;
    const candidate = isLast ? number - 1 : number;
    const block = blocks[candidate];
    if (block !== undefined && block.length < blockRanges) return candidate;
    // Behind the last range a new block begins, so that ascending insertions leave full blocks.
    if (block === undefined || isLast) return addBlock(number);
    const half = blockRanges >>> 1;
    const upper = addBlock(candidate + 1);
    moveRanges(block, half, blocks[upper]!, 0, blockRanges - half);
    blocks[upper]!.length = blockRanges - half;
    block.length = half;
    noteEnd(candidate);
    noteEnd(upper);
    return lastEnds[candidate]! > start ? candidate : upper;
  }

  function addBlock(number: number): number {
    const block: Block = {
      length: 0,
      starts: new Float64Array(blockRanges),
      ends: new Float64Array(blockRanges),
      marks: new Uint8Array(blockRanges),
    };
    blocks.splice(number, 0, block);
    lastEnds.splice(number, 0, 0);
    return number;
  }

  function noteEnd(number: number): void {
    const { ends, length } = blocks[number]!;
    lastEnds[number] = ends[length - 1]!;
  }

  function resize(oldStart: Vpn, start: Vpn, end: Vpn): void {
    const { block, index, number } = find(oldStart);
    block.starts[index] = start;
    block.ends[index] = end;
    noteEnd(number);
  }

  function remove(start: Vpn): void {
    const { block, index, number } = find(start);
    moveRanges(block, index + 1, block, index, block.length - index - 1);
    block.length--;
    size--;
    if (block.length === 0) dropBlock(number);
    else {
      noteEnd(number);
      joinWithNext(number);
    }
  }

  function dropBlock(number: number): void {
    blocks.splice(number, 1);
    lastEnds.splice(number, 1);
  }

  /** Keeps blocks from standing nearly empty after many removals. */
  function joinWithNext(number: number): void {
    const lower = blocks[number]!;
    const upper = blocks[number + 1];
    if (upper === undefined || lower.length + upper.length > blockRanges >>> 1) return;
    moveRanges(upper, 0, lower, lower.length, upper.length);
    lower.length += upper.length;
    dropBlock(number + 1);
    noteEnd(number);
  }

  function find(start: Vpn): { readonly block: Block; readonly index: number; readonly number: number } {
    const number = blockAfter(start);
    const block = blocks[number];
    const index = block === undefined ? 0 : indexAfter(block, start);
    if (block?.starts[index] !== start) throw new Error(`no range starts at page ${start}`);
    return { block, index, number };
  }

  return {
    get size() {
      return size;
    },
    next,
    previous,
    insert,
    resize,
    delete: remove,
  };
}

/** Index of the first of `length` ascending numbers that is above `limit`; `length` when none is. */
function firstAbove(ascending: ArrayLike<number>, length: number, limit: number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! > limit) high = middle;
    else low = middle + 1;
  }
  return low;
}

function rangeAt({ starts, ends, marks }: Block, index: number): MarkedRange {
  return { start: starts[index]!, end: ends[index]!, marked: marks[index] === 1 };
}

function moveRanges(from: Block, first: number, to: Block, target: number, count: number): void {
  if (count === 0) return;
  to.starts.set(from.starts.subarray(first, first + count), target);
  to.ends.set(from.ends.subarray(first, first + count), target);
  to.marks.set(from.marks.subarray(first, first + count), target);
}
