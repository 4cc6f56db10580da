import { lowestZero } from './bit-search.ts';
import {
  childFree,
  childHuge,
  childShift,
  framesPerTree,
  hugeKind,
  kindsPerCore,
  type Layout,
  localFree,
  localOne,
  localPresent,
  localStride,
  localTree,
  rowShift,
  rowsPerChild,
  rowsPerChildShift,
  rowsPerTreeShift,
  treeFree,
  treeKindMask,
  treeKindShift,
  treeShift,
  wordsPerChild,
} from './layout.ts';
import type { Words } from './words.ts';

/**
 * The quick road for single frames: what nearly every get and put of order 0 does, in one piece. Whatever it does not find at once it leaves to the
 * allocator proper, as if it had not been asked; what it does is what the allocator would have done, access by access.
 */
export interface FastPath {
  /** Takes a frame from the core's reservation, out of the huge frame where its search stands; -1 if that takes more, or there is no such core. */
  get(core: number, movable: boolean): number;
  /** Gives a frame back; false if that takes more than clearing its bit and counting it, or there is no such frame or core. */
  put(core: number, frame: number, movable: boolean): boolean;
}

/** Where a free is counted: in the tree (`ae`), or in the caller's reservation if it is of that tree, else in the tree (`head`). */
export type FreeTo = 'tree' | 'reservation';

/**
 * The quick road on any kind of words, written to be read. `fast-path-printed.ts` is the same for one thread, `fast-path.wat` for threads that share
 * a WebAssembly memory.
 */
export function wordsFastPath(words: Words, layout: Layout, freeTo: FreeTo, movableKind: number): FastPath {
  const { rowsAt, childrenAt, treesAt, localsAt, frames, cores } = layout;

  function isNumberBelow(limit: number, value: number): boolean {
    return (value | 0) === value && value >= 0 && value < limit;
  }

  function localOf(core: number, movable: boolean): number {
    return localsAt + (core * kindsPerCore + (movable ? movableKind : 0)) * localStride;
  }

  function increment(at: number): void {
    for (;;) {
      const old = words.load(at);
      if (words.replace(at, old, old + 1)) return;
    }
  }

  function giveToReservation(at: number, tree: number): boolean {
    for (;;) {
      const old = words.load(at);
      if ((old & localPresent) === 0 || localTree(old) !== tree) return false;
      if (words.replace(at, old, old + localOne)) return true;
    }
  }

  /** `head`: a tree that becomes wholly free may be taken for anything again. */
  function giveToTree(at: number): void {
    for (;;) {
      const old = words.load(at);
      let next = old + 1;
      if ((next & treeFree) === framesPerTree) next = (next & ~treeKindMask) | (hugeKind << treeKindShift);
      if (words.replace(at, old, next)) return;
    }
  }

  function takeReserved(at: number): number {
    for (;;) {
      const old = words.load(at);
      if ((old & localPresent) === 0 || localFree(old) === 0) return -1;
      if (words.replace(at, old, old - localOne)) return localTree(old);
    }
  }

  function takeChild(at: number): boolean {
    for (;;) {
      const old = words.load(at);
      if ((old & childHuge) !== 0 || (old & childFree) === 0) return false;
      if (words.replace(at, old, old - 1)) return true;
    }
  }

  /** The offset in the child of a frame that is now taken, searched from a word on, or -1. */
  function takeBit(at: number, start: number): number {
    for (let i = 0; i < wordsPerChild; i++) {
      const word = (start + i) & (wordsPerChild - 1);
      for (;;) {
        const old = words.load(at + word);
        if (old === -1) break;
        const bit = lowestZero(old);
        if (words.replace(at + word, old, old | (1 << bit))) return (word << 5) + bit;
      }
    }
    return -1;
  }

  return {
    get(core, movable) {
      if (!isNumberBelow(cores, core)) return -1;
      const at = localOf(core, movable);
      const tree = takeReserved(at);
      if (tree < 0) return -1;
      const hint = words.load(at + 1);
      const row = hint >> rowsPerTreeShift === tree ? hint : tree << rowsPerTreeShift;
      const child = row >> rowsPerChildShift;
      if (takeChild(childrenAt + child)) {
        const offset = takeBit(rowsAt + child * wordsPerChild, (row & (rowsPerChild - 1)) * 2);
        if (offset >= 0) {
          const frame = (child << childShift) + offset;
          if (frame >> rowShift !== row) words.store(at + 1, frame >> rowShift);
          return frame;
        }
        increment(childrenAt + child);
      }
      if (!giveToReservation(at, tree)) increment(treesAt + tree);
      return -1;
    },

    put(core, frame, movable) {
      if (!isNumberBelow(cores, core) || !isNumberBelow(frames, frame)) return false;
      const child = childrenAt + (frame >> childShift);
      if (words.load(child) & childHuge) return false;
      const word = rowsAt + (frame >> 5);
      const mask = 1 << (frame & 31);
      for (;;) {
        const old = words.load(word);
        if ((old & mask) === 0) return false;
        if (words.replace(word, old, old & ~mask)) break;
      }
      increment(child);
      const tree = frame >> treeShift;
      if (freeTo === 'tree') increment(treesAt + tree);
      else if (!giveToReservation(localOf(core, movable), tree)) giveToTree(treesAt + tree);
      return true;
    },
  };
}
