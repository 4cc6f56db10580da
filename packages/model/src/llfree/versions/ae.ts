import {
  childShift,
  framesPerChild,
  framesPerRow,
  framesPerTree,
  hugeKind,
  hugeOrder,
  kindOf,
  kindsPerCore,
  localPresent,
  localTree,
  rowShift,
  treeEntry,
  treeFree,
  treeKindShift,
  treeOffline,
  treeReserved,
  treeShift,
} from '../layout.ts';
import { firstRow } from '../lower.ts';
import { getReserved, release, takeOver } from './reserved.ts';
import { alternating, type Parts, type Upper, wrapped } from './version.ts';

const fixed = 0;
const movable = 1;
/** Frames beyond the need that must have been freed into a reserved tree before a get takes them in. */
const everyFreed = 0;
/** The search starts at a multiple of a cache line of the original's 16-bit entries. */
const treesPerLine = 32;

export interface Reclaimed {
  /** The first frame of the huge frame. */
  readonly frame: number;
  /** Whether it was evicted before: then there is nothing to unmap. */
  readonly wasEvicted: boolean;
}

/** The upper allocator that HyperAlloc uses (llfree-c 9f10f94, EuroSys'25): three kinds, reservations that search from coarse to fine, reclaim. */
export class AeUpper implements Upper {
  private readonly parts: Parts;
  readonly freeTo = 'tree';
  readonly movableKind: number;
  private readonly near: number;
  private readonly onlyFixed: boolean;

  constructor(parts: Parts) {
    this.parts = parts;
    const { trees, cores } = parts;
    this.near = Math.min(Math.max(Math.floor(trees.length / cores / 4), 8), 64);
    this.onlyFixed = trees.length < kindsPerCore * cores;
    this.movableKind = this.onlyFixed ? fixed : movable;
  }

  rebuild(): void {
    this.parts.trees.rebuild(this.parts.lower, fixed, fixed);
  }

  get(core: number, order: number, isMovable: boolean): number {
    const kind = this.kindFor(order, isMovable);
    const slot = core * kindsPerCore + kind;
    const frame = getReserved(this.parts, slot, order, everyFreed);
    if (frame >= 0) return frame;
    const reserved = this.reserve(core, slot, order, kind);
    if (reserved >= 0) return reserved;
    const stolen = this.steal(core, order, kind);
    return stolen >= 0 ? stolen : this.getAnywhere(core, order, kind);
  }

  getFromAnyTree(core: number, order: number, isMovable: boolean): number {
    return this.getAnywhere(core, order, this.kindFor(order, isMovable));
  }

  put(_core: number, frame: number, order: number, _movable: boolean): void {
    this.parts.lower.put(frame, order);
    this.parts.trees.give(frame >> treeShift, 1 << order);
  }

  drain(core: number): void {
    for (let kind = 0; kind < kindsPerCore; kind++)
      release(this.parts, this.parts.locals.clear(core * kindsPerCore + kind), kind);
  }

  /** Takes one wholly free huge frame from the trees that no core has reserved; undefined if there is none. */
  reclaimHard(core: number): Reclaimed | undefined {
    const { trees, lower } = this.parts;
    return this.visitFromCursor(core, (tree) => {
      for (;;) {
        const old = trees.entry(tree);
        if (old & (treeReserved | treeOffline) || (old & treeFree) < framesPerChild) return undefined;
        if (trees.replace(tree, old, old - framesPerChild)) break;
      }
      const found = lower.reclaimHard(tree);
      if (found >= 0) return { frame: (found >> 1) * framesPerChild, wasEvicted: (found & 1) === 1 };
      trees.give(tree, framesPerChild);
      return undefined;
    });
  }

  /** Marks one wholly free, present huge frame evicted, in the trees that no core has reserved; undefined if there is none. */
  reclaimSoft(core: number): Reclaimed | undefined {
    const { trees, lower } = this.parts;
    return this.visitFromCursor(core, (tree) => {
      const entry = trees.entry(tree);
      if (entry & (treeReserved | treeOffline) || (entry & treeFree) < framesPerChild) return undefined;
      const child = lower.reclaimSoft(tree);
      return child < 0 ? undefined : { frame: child * framesPerChild, wasEvicted: false };
    });
  }

  /** Gives a hard-reclaimed huge frame back to the guest, still evicted. False if it was not hard-reclaimed. */
  returnFrame(frame: number): boolean {
    if (!this.parts.lower.returnChild(frame >> childShift)) return false;
    this.parts.trees.give(frame >> treeShift, framesPerChild);
    return true;
  }

  private kindFor(order: number, isMovable: boolean): number {
    if (this.onlyFixed) return fixed;
    if (order >= hugeOrder) return hugeKind;
    return isMovable ? this.movableKind : fixed;
  }

  private reserve(core: number, slot: number, order: number, kind: number): number {
    const { locals, trees, cores } = this.parts;
    const entry = locals.entry(slot);
    const length = trees.length;
    const own = entry & localPresent ? localTree(entry) : Math.floor(length / cores) * core;
    const start = own - (own % treesPerLine);
    const { near } = this;
    const size = framesPerTree;
    let frame = this.searchAndReserve(slot, order, kind, start, 1, near, size / 16, size / 2);
    if (frame < 0) frame = this.searchAndReserve(slot, order, kind, start, 1, 2 * near, size / 64, size - size / 16);
    if (frame < 0) frame = this.searchAndReserve(slot, order, kind, start, 1, near, 0, size - 1);
    if (frame < 0) frame = this.searchAndReserve(slot, order, kind, start, 0, length, 0, size);
    return frame;
  }

  private searchAndReserve(
    slot: number,
    order: number,
    kind: number,
    start: number,
    offset: number,
    visits: number,
    leastFree: number,
    mostFree: number,
  ): number {
    const { length } = this.parts.trees;
    const least = Math.max(leastFree, 1 << order);
    for (let i = offset; i < Math.min(visits, length); i++) {
      const frame = this.tryReserve(slot, order, kind, wrapped(start + alternating(i), length), least, mostFree);
      if (frame >= 0) return frame;
    }
    return -1;
  }

  private tryReserve(slot: number, order: number, kind: number, tree: number, least: number, most: number): number {
    const { trees, lower, locals } = this.parts;
    let old: number;
    for (;;) {
      old = trees.entry(tree);
      const free = old & treeFree;
      if (old & (treeReserved | treeOffline) || free < least || free > most) return -1;
      if (kindOf(old) !== kind && free !== framesPerTree) return -1;
      if (trees.replace(tree, old, treeReserved | (kind << treeKindShift))) break;
    }
    const frame = lower.get(firstRow(tree), order);
    if (frame < 0) {
      trees.unreserve(tree, old & treeFree, kindOf(old));
      return -1;
    }
    const previous = locals.swap(slot, tree, (old & treeFree) - (1 << order));
    locals.moveCursor(slot, frame >> rowShift);
    release(this.parts, previous, kind);
    return frame;
  }

  private steal(core: number, order: number, kind: number): number {
    const { cores } = this.parts;
    for (let i = 0; i < cores; i++) {
      const other = ((core + i) % cores) * kindsPerCore;
      for (let otherKind = kind; otherKind >= 0; otherKind--) {
        const frame = getReserved(this.parts, other + otherKind, order, everyFreed);
        if (frame >= 0) return frame;
      }
      for (let otherKind = kind + 1; otherKind < kindsPerCore; otherKind++) {
        const frame = takeOver(this.parts, core * kindsPerCore + kind, other + otherKind, order, kind);
        if (frame >= 0) return frame;
      }
    }
    return -1;
  }

  private getAnywhere(core: number, order: number, kind: number): number {
    const { trees, lower, cores } = this.parts;
    const count = 1 << order;
    const start = Math.floor(trees.length / cores) * core;
    for (let i = 0; i < trees.length; i++) {
      const tree = wrapped(start + alternating(i), trees.length);
      const old = trees.entry(tree);
      const free = old & treeFree;
      if (old & (treeReserved | treeOffline) || free < count) continue;
      if (!trees.replace(tree, old, treeEntry(free - count, Math.min(kindOf(old), kind)))) {
        i--;
        continue;
      }
      const frame = lower.get(firstRow(tree), order);
      if (frame >= 0) return frame;
      trees.give(tree, count);
    }
    return -1;
  }

  private visitFromCursor(core: number, visit: (tree: number) => Reclaimed | undefined): Reclaimed | undefined {
    const { locals, trees } = this.parts;
    const slot = core * kindsPerCore + hugeKind;
    const cursor = Math.min(locals.cursor(slot), firstRow(trees.length - 1));
    const start = Math.floor((cursor * framesPerRow) / framesPerTree);
    for (let i = 0; i < trees.length; i++) {
      const tree = wrapped(start + alternating(i), trees.length);
      const found = visit(tree);
      if (!found) continue;
      locals.moveCursor(slot, found.frame / framesPerRow);
      return found;
    }
    return undefined;
  }
}
