import { StrataError } from '../machine/index.ts';

/** A huge frame, the "child" of a tree: 2 MiB of 4 KiB frames. */
export const framesPerChild = 512;
/** Frame numbers fit in 30 bits, so shifts do for division and round down. */
export const childShift = 9;
export const treeShift = 12;
export const rowShift = 6;
export const rowsPerChildShift = childShift - rowShift;
export const rowsPerTreeShift = treeShift - rowShift;
/** 32-bit words of a child's bit field. Two of them make one 64-bit row, the unit in which the published allocators search. */
export const wordsPerChild = 16;
export const rowsPerChild = 8;
export const framesPerRow = 64;
/** Both published C versions: trees of 16 MiB. */
export const childrenPerTree = 8;
export const framesPerTree = childrenPerTree * framesPerChild;
export const rowsPerTree = childrenPerTree * rowsPerChild;
export const hugeOrder = 9;
export const maxOrder = 10;

/** Words of a 64-byte cache line: what one core writes often shares no line with another's. */
const wordsPerLine = 16;
/** Bounded by the tree number in a reservation word (18 bits): 4 TiB of 4 KiB frames. */
export const maxFrames = 2 ** 18 * framesPerTree;
export const maxCores = 1024;
/** Every core has one reservation per kind (fixed, movable, huge), each of a line of its own. */
export const kindsPerCore = 3;
/** The kind (`ae`) or class (`head`) of whole huge frames; in `head` also of wholly free trees. */
export const hugeKind = 2;

/** Where everything lies in the one array of 32-bit words that an allocator is. All positions and lengths in words. */
export interface Layout {
  readonly frames: number;
  readonly cores: number;
  readonly trees: number;
  /** Children that hold at least one frame; the arrays are padded to whole trees. */
  readonly children: number;
  readonly rowsAt: number;
  readonly childrenAt: number;
  readonly treesAt: number;
  readonly localsAt: number;
  readonly words: number;
}

/** The header's words: what an attaching thread must find again. */
export const header = { magic: 0, frames: 1, cores: 2, version: 3, words: wordsPerLine } as const;
/** "LLF1" */
export const magic = 0x4c4c4631;

/** @throws StrataError `llfree.frames` or `llfree.cores` outside 1 to 2^30 frames, 1 to 1024 cores. */
export function layoutOf(frames: number, cores: number): Layout {
  requireCount('llfree.frames', 'number of frames', frames, maxFrames);
  requireCount('llfree.cores', 'number of cores', cores, maxCores);
  const trees = Math.ceil(frames / framesPerTree);
  const rowsAt = header.words;
  const childrenAt = rowsAt + trees * childrenPerTree * wordsPerChild;
  const treesAt = childrenAt + wholeLines(trees * childrenPerTree);
  const localsAt = treesAt + wholeLines(trees);
  const words = localsAt + localWords(cores);
  return {
    frames,
    cores,
    trees,
    children: Math.ceil(frames / framesPerChild),
    rowsAt,
    childrenAt,
    treesAt,
    localsAt,
    words,
  };
}

/** The words of the reservations of `cores` cores. */
export function localWords(cores: number): number {
  return cores * kindsPerCore * wordsPerLine;
}

function wholeLines(words: number): number {
  return Math.ceil(words / wordsPerLine) * wordsPerLine;
}

function requireCount(code: string, what: string, count: number, limit: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= limit) return;
  throw new StrataError({
    code,
    what: `the ${what} is out of range`,
    expected: `an integer from 1 to ${limit}`,
    found: String(count),
  });
}

// Child entry: free frames (0..512) in bits 0..9, huge in bit 10, evicted in bit 11, splitting in bit 12.
export const childFree = 0x3ff;
export const childHuge = 1 << 10;
/** HyperAlloc's "reclaimed": the host holds no memory for this huge frame until it is installed. */
export const childEvicted = 1 << 11;
/** A thread is turning the huge frame into single frames. */
export const childSplitting = 1 << 12;

// Tree entry: free frames in bits 0..19, reserved in bit 20, kind or class in bits 21..23, offline in bit 24.
export const treeFree = 0xfffff;
export const treeReserved = 1 << 20;
export const treeKindShift = 21;
export const treeKindMask = 7 << treeKindShift;
export const treeOffline = 1 << 24;

export function treeEntry(free: number, kind: number): number {
  return free | (kind << treeKindShift);
}

export function kindOf(entry: number): number {
  return (entry & treeKindMask) >> treeKindShift;
}

// Reservation: present in bit 0, free frames in bits 1..13, tree in bits 14..31. The word after it is the row where to search next: a hint.
export const localPresent = 1;
export const localOne = 2;
export const localStride = wordsPerLine;

export function localEntry(tree: number, free: number): number {
  return (tree << 14) | (free << 1) | localPresent;
}

export function localFree(entry: number): number {
  return (entry >>> 1) & 0x1fff;
}

export function localTree(entry: number): number {
  return entry >>> 14;
}
