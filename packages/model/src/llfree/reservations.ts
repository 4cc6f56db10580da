import {
  kindsPerCore,
  localEntry,
  localFree,
  localOne,
  localPresent,
  localStride,
  localTree,
  rowsPerTree,
} from './layout.ts';
import type { Words } from './words.ts';

/**
 * Each core has one reservation per kind: a tree, how many of its free frames belong to the reservation, and the row to search from. Slots are
 * numbered core * 3 + kind. A view of an allocator (HyperAlloc's host) has reservations of its own in memory of its own.
 */
export class Reservations {
  readonly length: number;
  private readonly words: Words;
  private readonly at: number;

  constructor(words: Words, at: number, cores: number) {
    this.words = words;
    this.at = at;
    this.length = cores * kindsPerCore;
  }

  entry(slot: number): number {
    return this.words.load(this.at + slot * localStride);
  }

  /** The row to search from: the hint if it lies in the tree, else the tree's first row. */
  row(slot: number, tree: number): number {
    const hint = this.cursor(slot);
    return Math.floor(hint / rowsPerTree) === tree ? hint : tree * rowsPerTree;
  }

  /** The hint itself, also without a reservation. */
  cursor(slot: number): number {
    return this.words.load(this.at + slot * localStride + 1);
  }

  moveCursor(slot: number, row: number): void {
    this.words.store(this.at + slot * localStride + 1, row);
  }

  /** Takes `count` frames of the reservation; its tree, or -1 if it is absent or has fewer. */
  take(slot: number, count: number): number {
    for (;;) {
      const old = this.entry(slot);
      if ((old & localPresent) === 0 || localFree(old) < count) return -1;
      if (this.replace(slot, old, old - count * localOne)) return localTree(old);
    }
  }

  /** Takes `count` frames if the reservation is of that tree and has as many. */
  takeOf(slot: number, tree: number, count: number): boolean {
    for (;;) {
      const old = this.entry(slot);
      if ((old & localPresent) === 0 || localTree(old) !== tree || localFree(old) < count) return false;
      if (this.replace(slot, old, old - count * localOne)) return true;
    }
  }

  /** Adds `count` frames if the reservation is of that tree. */
  give(slot: number, tree: number, count: number): boolean {
    for (;;) {
      const old = this.entry(slot);
      if ((old & localPresent) === 0 || localTree(old) !== tree) return false;
      if (this.replace(slot, old, old + count * localOne)) return true;
    }
  }

  /** Installs a new reservation; the old entry. */
  swap(slot: number, tree: number, free: number): number {
    return this.swapEntry(slot, localEntry(tree, free));
  }

  /** Removes the reservation; the old entry. */
  clear(slot: number): number {
    return this.swapEntry(slot, 0);
  }

  replace(slot: number, expected: number, next: number): boolean {
    return this.words.replace(this.at + slot * localStride, expected, next);
  }

  private swapEntry(slot: number, next: number): number {
    for (;;) {
      const old = this.entry(slot);
      if (this.replace(slot, old, next)) return old;
    }
  }
}
