import type { FreeTo } from '../fast-path.ts';
import type { LowerAllocator } from '../lower.ts';
import type { Reservations } from '../reservations.ts';
import type { TreeTable } from '../trees.ts';

/** What an upper allocator works on. */
export interface Parts {
  readonly lower: LowerAllocator;
  readonly trees: TreeTable;
  readonly locals: Reservations;
  readonly cores: number;
}

/** An upper allocator: which tree a core takes its frames from. Arguments are checked before it is asked. */
export interface Upper {
  readonly freeTo: FreeTo;
  /** The kind of movable requests below the order of a huge frame; that of the others is 0. Slots are numbered core * 3 + kind. */
  readonly movableKind: number;
  /** Prepares the tree entries of an allocator whose lower part is set; nothing is reserved. */
  rebuild(): void;
  /** The first of 2^order frames, or -1. */
  get(core: number, order: number, movable: boolean): number;
  /** The same from the first tree that nobody has reserved and that has it, without a reservation. */
  getFromAnyTree(core: number, order: number, movable: boolean): number;
  put(core: number, frame: number, order: number, movable: boolean): void;
  /** Gives up the core's reservations. */
  drain(core: number): void;
}

/** Distance from the start of the i-th tree to visit: 0, -1, +1, -2, +2, ... */
export function alternating(i: number): number {
  return i & 1 ? -((i + 1) >> 1) : i >> 1;
}

export function wrapped(index: number, length: number): number {
  const rest = index % length;
  return rest < 0 ? rest + length : rest;
}
