import { StrataError } from '../machine/index.ts';
import { countOnes, lowestFreeRun, runMask } from './bit-search.ts';
import {
  childEvicted,
  childFree,
  childHuge,
  childrenPerTree,
  childSplitting,
  framesPerChild,
  framesPerTree,
  hugeOrder,
  type Layout,
  rowsPerChild,
  wordsPerChild,
} from './layout.ts';
import type { Words } from './words.ts';

/** Loads before a partial free gives up waiting for another thread to finish splitting the same huge frame. */
const splitPatience = 1 << 24;

/**
 * LLFree's lower allocator (ATC'23, section 4): which frames are taken, as one bit per frame and one counter per huge frame ("child"). Everything
 * in it survives a crash. A claim takes from the counter first and then the bits, a free gives the bits first: counters never promise too much.
 */
export class LowerAllocator {
  private readonly words: Words;
  private readonly layout: Layout;
  private readonly rowsAt: number;
  private readonly childrenAt: number;

  constructor(words: Words, layout: Layout) {
    this.words = words;
    this.layout = layout;
    this.rowsAt = layout.rowsAt;
    this.childrenAt = layout.childrenAt;
  }

  /** Takes 2^order frames from the tree of `startRow`, searching from there; the first frame, or -1. */
  get(startRow: number, order: number): number {
    const first = Math.floor(startRow / rowsPerChild);
    if (order < hugeOrder) return this.getSmall(first, startRow % rowsPerChild, order);
    if (order === hugeOrder) return this.getHuge(first);
    return this.getGroup(first, 1 << (order - hugeOrder));
  }

  /** Takes exactly these frames; false if any of them is taken. `frame` is a multiple of 2^order. */
  getAt(frame: number, order: number): boolean {
    const child = Math.floor(frame / framesPerChild);
    if (order >= hugeOrder) return this.claimGroup(child, 1 << (order - hugeOrder));
    if (!this.take(child, 1 << order)) return false;
    if (this.claimBits(frame, order)) return true;
    this.give(child, 1 << order);
    return false;
  }

  /** Gives frames back. @throws StrataError `llfree.double-free` if they are not all taken; then nothing has changed. */
  put(frame: number, order: number): void {
    const child = Math.floor(frame / framesPerChild);
    if (order >= hugeOrder) this.putGroup(child, 1 << (order - hugeOrder), frame, order);
    else this.putSmall(child, frame, order);
  }

  /** Free frames by the counter of a child. */
  freeIn(child: number): number {
    return this.words.load(this.childrenAt + child) & childFree;
  }

  /** Free frames by the counters of a tree's children. */
  freeInTree(tree: number): number {
    let free = 0;
    for (let child = tree * childrenPerTree; child < (tree + 1) * childrenPerTree; child++) free += this.freeIn(child);
    return free;
  }

  isHuge(child: number): boolean {
    return (this.words.load(this.childrenAt + child) & childHuge) !== 0;
  }

  /** Whether the host holds no memory for the child until it is installed. */
  isEvicted(child: number): boolean {
    return (this.words.load(this.childrenAt + child) & childEvicted) !== 0;
  }

  /** Zero bits in the bit field of a child. */
  zeroBitsIn(child: number): number {
    let ones = 0;
    const at = this.rowsAt + child * wordsPerChild;
    for (let word = at; word < at + wordsPerChild; word++) ones += countOnes(this.words.load(word));
    return framesPerChild - ones;
  }

  /** Whether 2^order aligned frames are free anywhere. Looks at everything: for the rare case that a search by counters found nothing. */
  hasRun(order: number): boolean {
    const group = order > hugeOrder ? 1 << (order - hugeOrder) : 1;
    for (let child = 0; child < this.layout.children; child += group)
      if (order < hugeOrder ? this.childHasRun(child, order) : this.groupIsFree(child, group)) return true;
    return false;
  }

  /** Whether a frame is taken, by itself or as part of a huge frame. */
  isTaken(frame: number): boolean {
    if (this.isHuge(Math.floor(frame / framesPerChild))) return true;
    return ((this.words.load(this.wordOf(frame)) >>> (frame & 31)) & 1) === 1;
  }

  /** Takes a wholly free child out of the guest's memory for good (HyperAlloc's hard reclaim). -1 if the tree has none, else `child << 1 | wasEvicted`. */
  reclaimHard(tree: number): number {
    for (let child = tree * childrenPerTree; child < (tree + 1) * childrenPerTree; ) {
      const old = this.words.load(this.childrenAt + child);
      if ((old & (childFree | childHuge)) !== framesPerChild) child++;
      else if (this.words.replace(this.childrenAt + child, old, childHuge | childEvicted))
        return (child << 1) | (old & childEvicted ? 1 : 0);
    }
    return -1;
  }

  /** Marks a wholly free, present child evicted; it stays allocatable (soft reclaim). The child, or -1. */
  reclaimSoft(tree: number): number {
    for (let child = tree * childrenPerTree; child < (tree + 1) * childrenPerTree; child++) {
      if (this.words.replace(this.childrenAt + child, framesPerChild, framesPerChild | childEvicted)) return child;
    }
    return -1;
  }

  /** Undoes a hard reclaim: the child is free, and still evicted. False if it was not hard-reclaimed. */
  returnChild(child: number): boolean {
    return this.words.replace(this.childrenAt + child, childHuge | childEvicted, framesPerChild | childEvicted);
  }

  /** Clears the evicted mark; false if it was clear. */
  install(child: number): boolean {
    for (;;) {
      const old = this.words.load(this.childrenAt + child);
      if ((old & childEvicted) === 0) return false;
      if (this.words.replace(this.childrenAt + child, old, old & ~childEvicted)) return true;
    }
  }

  /** Everything free; what lies past the last frame is taken. */
  clear(): void {
    const { words, layout } = this;
    for (let word = this.rowsAt; word < this.childrenAt; word++) {
      const missing = layout.frames - (word - this.rowsAt) * 32;
      words.store(word, missing >= 32 ? 0 : missing <= 0 ? -1 : -1 << missing);
    }
    for (let child = 0; child < layout.trees * childrenPerTree; child++)
      words.store(
        this.childrenAt + child,
        Math.min(Math.max(layout.frames - child * framesPerChild, 0), framesPerChild),
      );
  }

  /** Brings counters and bits together after threads died between the two: a huge frame's field is cleared, any other counter is recounted. */
  recover(): void {
    for (let child = 0; child < this.layout.trees * childrenPerTree; child++) {
      const old = this.words.load(this.childrenAt + child);
      if (old & childHuge) {
        this.fillBits(child, 0);
        this.words.store(this.childrenAt + child, old & ~childSplitting);
      } else this.words.store(this.childrenAt + child, this.zeroBitsIn(child) | (old & childEvicted));
    }
  }

  private childHasRun(child: number, order: number): boolean {
    if (this.freeIn(child) < 1 << order) return false;
    const at = this.rowsAt + child * wordsPerChild;
    const count = order > 5 ? 1 << (order - 5) : 1;
    for (let word = at; word < at + wordsPerChild; word += count) {
      let i = 0;
      while (i < count && lowestFreeRun(this.words.load(word + i), Math.min(order, 5)) >= 0) i++;
      if (i === count) return true;
    }
    return false;
  }

  private groupIsFree(child: number, count: number): boolean {
    for (let i = 0; i < count; i++) if (this.freeIn(child + i) !== framesPerChild) return false;
    return true;
  }

  private getSmall(first: number, startRow: number, order: number): number {
    const count = 1 << order;
    for (let i = 0; i < childrenPerTree; i++) {
      const child = nthChild(first, i);
      if (!this.take(child, count)) continue;
      const frame = this.findBits(child, startRow, order);
      if (frame >= 0) return frame;
      this.give(child, count);
    }
    return -1;
  }

  private findBits(child: number, startRow: number, order: number): number {
    if (order > 5) return this.findWords(child, startRow, 1 << (order - 5));
    const at = this.rowsAt + child * wordsPerChild;
    const mask = runMask(order);
    for (let i = 0; i < wordsPerChild; i++) {
      const word = (startRow * 2 + i) & (wordsPerChild - 1);
      for (;;) {
        const old = this.words.load(at + word);
        const bit = lowestFreeRun(old, order);
        if (bit < 0) break;
        if (this.words.replace(at + word, old, old | (mask << bit))) return child * framesPerChild + word * 32 + bit;
      }
    }
    return -1;
  }

  /** Orders 6 to 8: aligned groups of whole words. */
  private findWords(child: number, startRow: number, count: number): number {
    const at = this.rowsAt + child * wordsPerChild;
    const start = startRow * 2 - ((startRow * 2) % count);
    for (let i = 0; i < wordsPerChild; i += count) {
      const word = (start + i) & (wordsPerChild - 1);
      if (this.claimWords(at + word, count)) return child * framesPerChild + word * 32;
    }
    return -1;
  }

  private claimWords(at: number, count: number): boolean {
    for (let i = 0; i < count; i++) {
      if (this.words.replace(at + i, 0, -1)) continue;
      while (--i >= 0) this.words.store(at + i, 0);
      return false;
    }
    return true;
  }

  private claimBits(frame: number, order: number): boolean {
    if (order > 5) return this.claimWords(this.wordOf(frame), 1 << (order - 5));
    const word = this.wordOf(frame);
    const mask = runMask(order) << (frame & 31);
    for (;;) {
      const old = this.words.load(word);
      if (old & mask) return false;
      if (this.words.replace(word, old, old | mask)) return true;
    }
  }

  private releaseBits(frame: number, order: number): boolean {
    const word = this.wordOf(frame);
    if (order > 5) return this.releaseWords(word, 1 << (order - 5));
    const mask = runMask(order) << (frame & 31);
    for (;;) {
      const old = this.words.load(word);
      if ((old & mask) !== mask) return false;
      if (this.words.replace(word, old, old & ~mask)) return true;
    }
  }

  private releaseWords(at: number, count: number): boolean {
    for (let i = 0; i < count; i++) if (this.words.load(at + i) !== -1) return false;
    for (let i = 0; i < count; i++) this.words.store(at + i, 0);
    return true;
  }

  private putSmall(child: number, frame: number, order: number): void {
    if (this.words.load(this.childrenAt + child) & childHuge) this.split(child, frame, order);
    if (!this.releaseBits(frame, order)) throw doubleFree(frame, order);
    this.give(child, 1 << order);
  }

  private getHuge(first: number): number {
    for (let i = 0; i < childrenPerTree; i++) {
      const child = nthChild(first, i);
      if (this.claimHuge(child)) return child * framesPerChild;
    }
    return -1;
  }

  private getGroup(first: number, count: number): number {
    for (let i = 0; i < childrenPerTree; i += count) {
      const child = nthChild(first - (first % count), i);
      if (this.claimGroup(child, count)) return child * framesPerChild;
    }
    return -1;
  }

  private claimGroup(child: number, count: number): boolean {
    for (let i = 0; i < count; i++) {
      if (this.claimHuge(child + i)) continue;
      while (--i >= 0) this.releaseHuge(child + i);
      return false;
    }
    return true;
  }

  private claimHuge(child: number): boolean {
    const at = this.childrenAt + child;
    for (;;) {
      const old = this.words.load(at);
      if ((old & (childFree | childHuge)) !== framesPerChild) return false;
      if (this.words.replace(at, old, (old & childEvicted) | childHuge)) return true;
    }
  }

  private releaseHuge(child: number): boolean {
    const at = this.childrenAt + child;
    for (;;) {
      const old = this.words.load(at);
      if ((old & (childHuge | childSplitting)) !== childHuge) return false;
      if (this.words.replace(at, old, (old & childEvicted) | framesPerChild)) return true;
    }
  }

  private putGroup(child: number, count: number, frame: number, order: number): void {
    for (let i = 0; i < count; i++) if (!this.isHuge(child + i)) throw doubleFree(frame, order);
    for (let i = 0; i < count; i++) if (!this.releaseHuge(child + i)) throw doubleFree(frame, order);
  }

  /**
   * A huge frame of which a part is given back becomes 512 single frames, all taken. Whoever sets the splitting mark does it, others wait. (The
   * published allocators elect by the first row instead; a late loser can then win on a row that has been freed since.)
   */
  private split(child: number, frame: number, order: number): void {
    const at = this.childrenAt + child;
    for (;;) {
      const old = this.words.load(at);
      if ((old & childHuge) === 0) return;
      if (old & childSplitting) {
        this.waitForSplit(at, frame, order);
        return;
      }
      if (this.words.replace(at, old, old | childSplitting)) break;
    }
    this.fillBits(child, -1);
    for (;;) {
      const old = this.words.load(at);
      if (this.words.replace(at, old, old & childEvicted)) return;
    }
  }

  private waitForSplit(at: number, frame: number, order: number): void {
    for (let i = 0; i < splitPatience; i++) if ((this.words.load(at) & childHuge) === 0) return;
    throw new StrataError({
      code: 'llfree.split-stuck',
      what: `a part of the huge frame of frame ${frame} (order ${order}) cannot be freed: the thread that splits it does not finish`,
      mend: 'Run recover() if a thread has died.',
    });
  }

  private fillBits(child: number, value: number): void {
    const at = this.rowsAt + child * wordsPerChild;
    for (let word = at; word < at + wordsPerChild; word++) this.words.store(word, value);
  }

  private take(child: number, count: number): boolean {
    const at = this.childrenAt + child;
    for (;;) {
      const old = this.words.load(at);
      if ((old & childHuge) !== 0 || (old & childFree) < count) return false;
      if (this.words.replace(at, old, old - count)) return true;
    }
  }

  private give(child: number, count: number): void {
    const at = this.childrenAt + child;
    for (;;) {
      const old = this.words.load(at);
      if (this.words.replace(at, old, old + count)) return;
    }
  }

  private wordOf(frame: number): number {
    return this.rowsAt + Math.floor(frame / 32);
  }
}

/** The i-th child to visit in the tree of `first`, circularly. */
function nthChild(first: number, i: number): number {
  return (first & -childrenPerTree) | ((first + i) & (childrenPerTree - 1));
}

function doubleFree(frame: number, order: number): StrataError {
  return new StrataError({
    code: 'llfree.double-free',
    what: `frame ${frame} of order ${order} is given back but is not taken`,
    expected: `all ${2 ** order} frames from ${frame} taken${order >= hugeOrder ? ' as a huge frame' : ''}`,
    found: 'at least one free or taken in another order',
    mend: 'Free each allocation once, with the frame and order that get() gave.',
  });
}

/** The first row of a tree. */
export function firstRow(tree: number): number {
  return (tree * framesPerTree) / 64;
}
