import {
  childrenPerTree,
  framesPerChild,
  type Layout,
  localFree,
  localPresent,
  localTree,
  treeFree,
  treeOffline,
  treeReserved,
} from './layout.ts';
import type { LowerAllocator } from './lower.ts';
import type { Reservations } from './reservations.ts';
import type { TreeTable } from './trees.ts';

export interface Violation {
  /** Which promise does not hold. */
  readonly invariant: string;
  readonly where: string;
  readonly expected: string;
  readonly found: string;
}

/** The invariants of a quiescent allocator that do not hold: counters of children, trees and reservations against the bits. */
export function violations(layout: Layout, lower: LowerAllocator, trees: TreeTable, locals: Reservations): Violation[] {
  const found: Violation[] = [];
  const reservations = reservationsByTree(locals, found);
  for (let tree = 0; tree < layout.trees; tree++) {
    for (let i = 0; i < childrenPerTree; i++) checkChild(lower, tree * childrenPerTree + i, found);
    checkTree(lower, trees, tree, reservations.get(tree), found);
  }
  return found;
}

function checkChild(lower: LowerAllocator, child: number, found: Violation[]): void {
  const where = `huge frame ${child}`;
  const zeroBits = lower.zeroBitsIn(child);
  const free = lower.freeIn(child);
  if (lower.isHuge(child)) {
    if (zeroBits !== framesPerChild || free !== 0)
      found.push({
        invariant: 'a taken huge frame has an empty bit field and nothing free',
        where,
        expected: '0 bits set, 0 free',
        found: `${framesPerChild - zeroBits} bits set, ${free} free`,
      });
    return;
  }
  if (free !== zeroBits)
    found.push({
      invariant: 'a counter equals the zero bits of its field',
      where,
      expected: String(zeroBits),
      found: String(free),
    });
}

function checkTree(
  lower: LowerAllocator,
  trees: TreeTable,
  tree: number,
  reservedFree: number | undefined,
  found: Violation[],
): void {
  const entry = trees.entry(tree);
  const where = `tree ${tree}`;
  if (entry & treeOffline) return;
  if (((entry & treeReserved) !== 0) !== (reservedFree !== undefined))
    found.push({
      invariant: 'a tree is marked reserved exactly if a core holds it',
      where,
      expected: reservedFree === undefined ? 'not reserved' : 'reserved',
      found: entry & treeReserved ? 'reserved' : 'not reserved',
    });
  const free = (entry & treeFree) + (reservedFree ?? 0);
  const below = lower.freeInTree(tree);
  if (free !== below)
    found.push({
      invariant: "a tree's counter and its reservation sum up to the free frames of its children",
      where,
      expected: String(below),
      found: `${entry & treeFree} + ${reservedFree ?? 0}`,
    });
}

function reservationsByTree(locals: Reservations, found: Violation[]): Map<number, number> {
  const free = new Map<number, number>();
  for (let slot = 0; slot < locals.length; slot++) {
    const entry = locals.entry(slot);
    if ((entry & localPresent) === 0) continue;
    const tree = localTree(entry);
    if (free.has(tree))
      found.push({
        invariant: 'one core reserves a tree',
        where: `tree ${tree}`,
        expected: 'one reservation',
        found: 'two',
      });
    free.set(tree, (free.get(tree) ?? 0) + localFree(entry));
  }
  return free;
}
