import {
  framesPerTree,
  kindOf,
  type Layout,
  treeEntry,
  treeFree,
  treeKindMask,
  treeKindShift,
  treeOffline,
  treeReserved,
} from './layout.ts';
import type { LowerAllocator } from './lower.ts';
import type { Words } from './words.ts';

/** One entry per tree: free frames that nobody has reserved, whether a core has reserved the tree, and the kind of what lies in it. */
export class TreeTable {
  readonly length: number;
  private readonly words: Words;
  private readonly at: number;

  constructor(words: Words, layout: Layout) {
    this.words = words;
    this.at = layout.treesAt;
    this.length = layout.trees;
  }

  entry(tree: number): number {
    return this.words.load(this.at + tree);
  }

  set(tree: number, entry: number): void {
    this.words.store(this.at + tree, entry);
  }

  replace(tree: number, expected: number, next: number): boolean {
    return this.words.replace(this.at + tree, expected, next);
  }

  /** Adds `count` free frames; the entry before. */
  give(tree: number, count: number): number {
    for (;;) {
      const old = this.entry(tree);
      if (this.replace(tree, old, old + count)) return old;
    }
  }

  /** Takes `count` frames from what nobody has reserved; false if there are fewer. */
  takeSome(tree: number, count: number): boolean {
    for (;;) {
      const old = this.entry(tree);
      if (old & treeOffline || (old & treeFree) < count) return false;
      if (this.replace(tree, old, old - count)) return true;
    }
  }

  /** Takes everything that was freed into a reserved tree, if that is at least `least` frames; how many, or 0. */
  takeAll(tree: number, least: number): number {
    for (;;) {
      const old = this.entry(tree);
      const free = old & treeFree;
      if ((old & treeReserved) === 0 || free < least || free === 0) return 0;
      if (this.replace(tree, old, old & ~treeFree)) return free;
    }
  }

  /** Gives up a reservation with what is left of it. */
  unreserve(tree: number, free: number, kind: number): void {
    for (;;) {
      const old = this.entry(tree);
      const kept = old & ~(treeReserved | treeKindMask);
      if (this.replace(tree, old, (kept + free) | (kind << treeKindShift))) return;
    }
  }

  /** Rebuilds every entry from the children: nothing reserved. `kind` is what wholly free trees get, others get `usedKind`. */
  rebuild(lower: LowerAllocator, freeKind: number, usedKind: number): void {
    for (let tree = 0; tree < this.length; tree++) {
      if (this.entry(tree) & treeOffline) continue;
      const free = lower.freeInTree(tree);
      this.set(tree, treeEntry(free, free === framesPerTree ? freeKind : usedKind));
    }
  }

  setKind(tree: number, kind: number): void {
    for (;;) {
      const old = this.entry(tree);
      if (this.replace(tree, old, (old & ~treeKindMask) | (kind << treeKindShift))) return;
    }
  }

  kind(tree: number): number {
    return kindOf(this.entry(tree));
  }
}
