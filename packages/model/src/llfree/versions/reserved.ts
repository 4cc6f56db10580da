import { localFree, localPresent, localTree, rowShift } from '../layout.ts';
import { firstRow } from '../lower.ts';
import type { Parts } from './version.ts';

/** Times that a get takes in what was freed into its tree before it looks for another tree. */
const syncLimit = 4;

/**
 * Takes 2^order frames from a reservation, or -1.
 * @param spare how many frames more than needed must have been freed into the tree before they are taken into the reservation
 */
export function getReserved(parts: Parts, slot: number, order: number, spare: number): number {
  const { locals, lower, trees } = parts;
  const count = 1 << order;
  for (let tries = 0; tries <= syncLimit; tries++) {
    const tree = locals.take(slot, count);
    if (tree < 0) {
      if (!takeInFreed(parts, slot, count, spare)) return -1;
      continue;
    }
    const row = locals.row(slot, tree);
    const frame = lower.get(row, order);
    if (frame < 0) {
      // To the tree, not to the reservation: the next get must not find the same dead end.
      trees.give(tree, count);
      return -1;
    }
    const foundRow = frame >> rowShift;
    if (foundRow !== row) locals.moveCursor(slot, foundRow);
    return frame;
  }
  return -1;
}

/** Takes what was freed into the reserved tree into the reservation, if that makes it large enough. */
function takeInFreed({ locals, trees }: Parts, slot: number, count: number, spare: number): boolean {
  const entry = locals.entry(slot);
  if ((entry & localPresent) === 0) return false;
  const tree = localTree(entry);
  const taken = trees.takeAll(tree, Math.max(count - localFree(entry), 0) + spare);
  if (taken === 0) return false;
  if (locals.give(slot, tree, taken)) return true;
  trees.give(tree, taken);
  return false;
}

/** The reservation `other` of a higher kind becomes that of `slot`, and its tree one of the lower kind; the frame taken from it, or -1. */
export function takeOver(parts: Parts, slot: number, other: number, order: number, kind: number): number {
  const { locals, trees, lower } = parts;
  const count = 1 << order;
  const entry = locals.entry(other);
  if ((entry & localPresent) === 0 || localFree(entry) < count) return -1;
  if (!locals.replace(other, entry, 0)) return -1;
  const tree = localTree(entry);
  const frame = lower.get(firstRow(tree), order);
  if (frame < 0) {
    trees.unreserve(tree, localFree(entry), trees.kind(tree));
    return -1;
  }
  trees.setKind(tree, kind);
  const previous = locals.swap(slot, tree, localFree(entry) - count);
  locals.moveCursor(slot, frame >> rowShift);
  release(parts, previous, kind);
  return frame;
}

/** Gives up what was a reservation of that kind. */
export function release({ trees }: Parts, entry: number, kind: number): void {
  if (entry & localPresent) trees.unreserve(localTree(entry), localFree(entry), kind);
}
