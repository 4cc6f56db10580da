import {
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
  treeKindMask,
  treeKindShift,
  treeOffline,
  treeReserved,
  treeShift,
} from '../layout.ts';
import { firstRow } from '../lower.ts';
import { getReserved, release, takeOver } from './reserved.ts';
import { alternating, type Parts, type Upper, wrapped } from './version.ts';

const immovable = 0;
const movable = 1;
/** Frames beyond the need that must have been freed into a reserved tree before a get takes them in. */
const oneMoreThanNeeded = 1;
/** Trees that a search remembers to try the best of them first. */
const candidates = 8;
/** A tree as good as this one is taken at once. */
const perfect = 255;

/**
 * How well a tree of class `target` with `free` frames suits a request: higher is better, from 0 to `perfect`. Nearly empty ones suit worst, half-empty
 * ones are spared for others.
 */
function suitability(free: number): number {
  if (free >= framesPerTree / 2) return 1;
  if (free >= framesPerTree / 64) return perfect;
  return 2;
}

/** The newer upper allocator (llfree-c 970bb3d, 2026) with its three "movable" classes: trees are chosen by how well they suit a request. */
export class HeadUpper implements Upper {
  private readonly parts: Parts;
  readonly freeTo = 'reservation';
  readonly movableKind = movable;
  private readonly near: number;
  private readonly startAlign: number;

  constructor(parts: Parts) {
    this.parts = parts;
    this.near = Math.max(Math.floor(parts.trees.length / 16), 4);
    this.startAlign = 2 ** Math.ceil(Math.log2(2 * this.near));
  }

  rebuild(): void {
    this.parts.trees.rebuild(this.parts.lower, hugeKind, immovable);
  }

  get(core: number, order: number, isMovable: boolean): number {
    const kind = classFor(order, isMovable);
    const slot = core * kindsPerCore + kind;
    let frame = getReserved(this.parts, slot, order, oneMoreThanNeeded);
    if (frame < 0) frame = this.search(core, slot, order, kind);
    if (frame < 0) frame = this.stealLocal(core, order, kind);
    if (frame < 0) frame = this.demoteLocal(core, slot, order, kind);
    return frame < 0 ? this.getAnywhere(order, kind) : frame;
  }

  getFromAnyTree(_core: number, order: number, isMovable: boolean): number {
    return this.getAnywhere(order, classFor(order, isMovable));
  }

  put(core: number, frame: number, order: number, isMovable: boolean): void {
    const { lower, locals, trees } = this.parts;
    lower.put(frame, order);
    const tree = frame >> treeShift;
    const count = 1 << order;
    if (locals.give(core * kindsPerCore + classFor(order, isMovable), tree, count)) return;
    for (;;) {
      const old = trees.entry(tree);
      let next = old + count;
      if ((next & treeFree) === framesPerTree) next = (next & ~treeKindMask) | (hugeKind << treeKindShift);
      if (trees.replace(tree, old, next)) return;
    }
  }

  drain(core: number): void {
    for (let kind = 0; kind < kindsPerCore; kind++)
      release(this.parts, this.parts.locals.clear(core * kindsPerCore + kind), kind);
  }

  private search(core: number, slot: number, order: number, kind: number): number {
    const { locals, trees, cores } = this.parts;
    const entry = locals.entry(slot);
    const { length } = trees;
    const own = entry & localPresent ? localTree(entry) : Math.floor(length / cores) * core;
    const start = own - (own % this.startAlign);
    if (order < hugeOrder) {
      const frame = this.searchNear(slot, order, kind, start);
      if (frame >= 0) return frame;
    }
    for (let i = 0; i < length; i++) {
      const tree = wrapped(start + alternating(i), length);
      if (this.priority(tree, order, kind) < 0) continue;
      const frame = this.tryReserve(slot, order, kind, tree);
      if (frame >= 0) return frame;
    }
    return this.stealTree(order, kind, start);
  }

  private searchNear(slot: number, order: number, kind: number, start: number): number {
    const { length } = this.parts.trees;
    const found: { tree: number; priority: number }[] = [];
    for (let i = 1; i <= Math.min(this.near, length); i++) {
      const tree = wrapped(start + alternating(i), length);
      const priority = this.priority(tree, order, kind);
      if (priority < 0) continue;
      if (priority === perfect) {
        const frame = this.tryReserve(slot, order, kind, tree);
        if (frame >= 0) return frame;
      } else found.push({ tree, priority });
    }
    found.sort((a, b) => b.priority - a.priority);
    for (const { tree } of found.slice(0, candidates)) {
      const frame = this.tryReserve(slot, order, kind, tree);
      if (frame >= 0) return frame;
    }
    return -1;
  }

  /** -1: not to be reserved for this request. */
  private priority(tree: number, order: number, kind: number): number {
    const entry = this.parts.trees.entry(tree);
    const free = entry & treeFree;
    if (entry & (treeReserved | treeOffline) || free < 1 << order) return -1;
    const target = kindOf(entry);
    if (kind === target) return suitability(free);
    return kind < target && free === framesPerTree ? 0 : -1;
  }

  private tryReserve(slot: number, order: number, kind: number, tree: number): number {
    const { trees, lower, locals } = this.parts;
    let old: number;
    for (;;) {
      old = trees.entry(tree);
      if (this.priority(tree, order, kind) < 0) return -1;
      if (trees.replace(tree, old, treeReserved | (kind << treeKindShift))) break;
    }
    const free = old & treeFree;
    const frame = lower.get(firstRow(tree), order);
    if (frame < 0) {
      trees.unreserve(tree, free, kindOf(old));
      return -1;
    }
    const previous = locals.swap(slot, tree, free - (1 << order));
    locals.moveCursor(slot, frame >> rowShift);
    release(this.parts, previous, kind);
    return frame;
  }

  /** From a tree of a lower class, which keeps it. */
  private stealTree(order: number, kind: number, start: number): number {
    const { length } = this.parts.trees;
    for (let i = 0; i < length; i++) {
      const tree = wrapped(start + alternating(i), length);
      const frame = this.takeFrom(tree, order, (target) => (target < kind ? target : -1));
      if (frame >= 0) return frame;
    }
    return -1;
  }

  private getAnywhere(order: number, kind: number): number {
    for (let tree = 0; tree < this.parts.trees.length; tree++) {
      const frame = this.takeFrom(tree, order, (target) => Math.min(target, kind));
      if (frame >= 0) return frame;
    }
    return -1;
  }

  private takeFrom(tree: number, order: number, newKind: (target: number) => number): number {
    const { trees, lower } = this.parts;
    const count = 1 << order;
    for (;;) {
      const old = trees.entry(tree);
      const free = old & treeFree;
      const kind = newKind(kindOf(old));
      if (kind < 0 || old & (treeReserved | treeOffline) || free < count) return -1;
      if (trees.replace(tree, old, treeEntry(free - count, kind))) break;
    }
    const frame = lower.get(firstRow(tree), order);
    if (frame < 0) trees.give(tree, count);
    return frame;
  }

  private stealLocal(core: number, order: number, kind: number): number {
    const { cores } = this.parts;
    for (let target = kind; target >= 0; target--)
      for (let i = 0; i < cores; i++) {
        const frame = getReserved(this.parts, ((core + i) % cores) * kindsPerCore + target, order, oneMoreThanNeeded);
        if (frame >= 0) return frame;
      }
    return -1;
  }

  /** A reservation of a higher class becomes the core's own, and its tree one of the lower class. */
  private demoteLocal(core: number, slot: number, order: number, kind: number): number {
    const { cores } = this.parts;
    for (let target = kind + 1; target < kindsPerCore; target++)
      for (let i = 0; i < cores; i++) {
        const frame = takeOver(this.parts, slot, ((core + i) % cores) * kindsPerCore + target, order, kind);
        if (frame >= 0) return frame;
      }
    return -1;
  }
}

function classFor(order: number, isMovable: boolean): number {
  if (order >= hugeOrder) return hugeKind;
  return isMovable ? movable : immovable;
}
