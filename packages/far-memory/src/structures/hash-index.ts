import type { Handle } from '../handles/words.ts';

/** From hashes to handles, outside the heap: 8 bytes per slot, at most 70 % full, growing by a few slots per change. */
export interface HashIndex {
  readonly size: number;
  /**
   * First candidate for a hash, or NONE. Candidates of one hash are told apart by their keys, which the index does not know. A position is
   * valid until the next change.
   */
  first(hash: number): Position;
  next(position: Position, hash: number): Position;
  /**
   * The same for the first `count` of many hashes (as 32 signed bits): positions, and handles where there is one. The slots of all are read
   * before any is looked at, so that the reads overlap.
   */
  firstOfMany(hashes: Int32Array, count: number, positions: Int32Array, handles: Uint32Array): void;
  handleAt(position: Position): Handle;
  replace(position: Position, handle: Handle): void;
  insert(hash: number, handle: Handle): void;
  remove(position: Position): void;
  /** Every handle, in no order. */
  handles(): Uint32Array;
  /** Bytes of the tables. */
  bytes(): number;
}

/** A slot: non-negative in the current table, negative in the one that is being left. */
export type Position = number & { readonly __brand: 'Position' };
export const NONE = 0x7fffffff as Position;

const EMPTY = 0;
const MOVED = -1;
const LARGEST_LOAD = 0.7;
const SMALLEST_CAPACITY = 16;
/** Old slots moved per change: the new table cannot fill before the old one is empty (0.7 of new inserts against 1 / 16). */
const SLOTS_PER_CHANGE = 16;

/**
 * Slots are pairs of hash and handle + 1, signed: half of all unsigned hashes would not be small integers to the engine, and be allocated.
 * Linear probing; the table that is being left keeps marks where entries were.
 */
interface Table {
  readonly slots: Int32Array;
  readonly mask: number;
}

function createTable(capacity: number): Table {
  return { slots: new Int32Array(capacity * 2), mask: capacity - 1 };
}

export function createHashIndex(initial: number): HashIndex {
  const wanted = Math.max(SMALLEST_CAPACITY, Math.ceil(initial / LARGEST_LOAD));
  let table = createTable(2 ** Math.ceil(Math.log2(wanted)));
  let old: Table | undefined;
  /** Slots of the old table below this are moved. */
  let moved = 0;
  let size = 0;
  /** What was read ahead goes here, so that no compiler leaves the reads out. */
  const readAhead = new Int32Array(1);

  function probe({ slots, mask }: Table, start: number, hash: number): number {
    for (let slot = start & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot * 2 + 1]!;
      if (entry === EMPTY) return -1;
      if (slots[slot * 2] === hash && entry !== MOVED) return slot;
    }
  }

  function probeOld(start: number, hash: number): Position {
    if (old === undefined) return NONE;
    const slot = probe(old, start, hash);
    return slot < 0 ? NONE : (-(slot + 1) as Position);
  }

  function handleAt(position: Position): Handle {
    const entry = position < 0 ? old!.slots[(-position - 1) * 2 + 1]! : table.slots[position * 2 + 1]!;
    return (entry - 1) as Handle;
  }

  function place({ slots, mask }: Table, hash: number, entry: number): void {
    let slot = hash & mask;
    while (slots[slot * 2 + 1] !== EMPTY) slot = (slot + 1) & mask;
    slots[slot * 2] = hash;
    slots[slot * 2 + 1] = entry;
  }

  function moveSome(): void {
    if (old === undefined) return;
    const { slots, mask } = old;
    const end = Math.min(moved + SLOTS_PER_CHANGE, mask + 1);
    for (; moved < end; moved++) {
      const entry = slots[moved * 2 + 1]!;
      if (entry === EMPTY || entry === MOVED) continue;
      place(table, slots[moved * 2]!, entry);
      slots[moved * 2 + 1] = MOVED;
    }
    if (moved > mask) old = undefined;
  }

  function growIfFull(): void {
    if (old !== undefined || size < (table.mask + 1) * LARGEST_LOAD) return;
    old = table;
    moved = 0;
    table = createTable((table.mask + 1) * 2);
  }

  /** Closes the gap, so that no probe ends early. */
  function removeShifting({ slots, mask }: Table, gap: number): void {
    for (let slot = (gap + 1) & mask; slots[slot * 2 + 1] !== EMPTY; slot = (slot + 1) & mask) {
      const home = slots[slot * 2]! & mask;
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      slots[gap * 2] = slots[slot * 2]!;
      slots[gap * 2 + 1] = slots[slot * 2 + 1]!;
      gap = slot;
    }
    slots[gap * 2 + 1] = EMPTY;
  }

  function collect({ slots }: Table, into: Uint32Array, from: number): number {
    let count = from;
    for (let index = 1; index < slots.length; index += 2)
      if (slots[index] !== EMPTY && slots[index] !== MOVED) into[count++] = slots[index]! - 1;
    return count;
  }

  return {
    get size() {
      return size;
    },
    first(unsigned) {
      const hash = unsigned | 0;
      const slot = probe(table, hash, hash);
      return slot < 0 ? probeOld(hash, hash) : (slot as Position);
    },
    next(position, unsigned) {
      const hash = unsigned | 0;
      if (position < 0) return probeOld(-position, hash);
      const slot = probe(table, position + 1, hash);
      return slot < 0 ? probeOld(hash, hash) : (slot as Position);
    },
    firstOfMany(hashes, count, positions, handles) {
      const { slots, mask } = table;
      let read = 0;
      for (let at = 0; at < count; at++) read ^= slots[(hashes[at]! & mask) * 2 + 1]!;
      readAhead[0] = read;
      for (let at = 0; at < count; at++) {
        const hash = hashes[at]!;
        let slot = hash & mask;
        let entry = slots[slot * 2 + 1]!;
        while (entry !== EMPTY && slots[slot * 2] !== hash) {
          slot = (slot + 1) & mask;
          entry = slots[slot * 2 + 1]!;
        }
        const position = entry === EMPTY ? probeOld(hash, hash) : slot;
        positions[at] = position;
        handles[at] = entry !== EMPTY ? entry - 1 : position === NONE ? 0 : handleAt(position as Position);
      }
    },
    handleAt,
    replace(position, handle) {
      if (position < 0) old!.slots[(-position - 1) * 2 + 1] = handle + 1;
      else table.slots[position * 2 + 1] = handle + 1;
    },
    insert(hash, handle) {
      growIfFull();
      place(table, hash | 0, handle + 1);
      size++;
      moveSome();
    },
    remove(position) {
      if (position < 0) old!.slots[(-position - 1) * 2 + 1] = MOVED;
      else removeShifting(table, position);
      size--;
      moveSome();
    },
    handles() {
      const handles = new Uint32Array(size);
      const count = old === undefined ? 0 : collect(old, handles, 0);
      collect(table, handles, count);
      return handles;
    },
    bytes: () => table.slots.byteLength + (old?.slots.byteLength ?? 0),
  };
}
