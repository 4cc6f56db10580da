/**
 * A hash table from (group, id) to a row of numbers, outside the JavaScript heap: open addressing with linear probing and backward-shift
 * deletion, so that there are no tombstones. A row number is valid until the next insertion or removal. Used by the agent to find objects
 * and by the client to know where they are; both hold one row per object, so bytes per row are what counts (24 plus the columns, at a load
 * of at most 0.7).
 */
export interface ObjectIndex<Name extends string> {
  readonly size: number;
  /** Rows in the table, used or not: for scans. */
  readonly capacity: number;
  /** Memory of the table, bytes. */
  readonly bytes: number;
  find(group: number, id: number): number;
  /** The row of the object, new rows being all zero. */
  insert(group: number, id: number): number;
  /** Removes a row; whether the object was there. */
  remove(group: number, id: number): boolean;
  isUsed(row: number): boolean;
  groupOf(row: number): number;
  idOf(row: number): number;
  get(column: Name, row: number): number;
  set(column: Name, row: number, value: number): void;
  /** Every used row; the visitor must not insert or remove. */
  forEach(visit: (row: number) => void): void;
  clear(): void;
}

type Column = Float64Array | Uint32Array;
type Width = 'u32' | 'f64';

const leastCapacity = 64;
const greatestLoad = 0.7;

/** An empty index with the named columns. */
export function createObjectIndex<Name extends string>(
  widths: Readonly<Record<Name, Width>>,
  capacityHint: number = leastCapacity,
): ObjectIndex<Name> {
  const names = Object.keys(widths) as Name[];
  let capacity = leastCapacity;
  while (capacity < capacityHint) capacity *= 2;
  let mask = capacity - 1;
  let size = 0;
  let groups = new Uint32Array(capacity);
  let ids = new Float64Array(capacity);
  let used = new Uint8Array(capacity);
  let columns = allocate(capacity);

  function allocate(rows: number): Record<Name, Column> {
    const made: Partial<Record<Name, Column>> = {};
    for (const name of names) made[name] = widths[name] === 'f64' ? new Float64Array(rows) : new Uint32Array(rows);
    return made as Record<Name, Column>;
  }

  function home(group: number, id: number): number {
    return hashObject(group, id) & mask;
  }

  function find(group: number, id: number): number {
    for (let row = home(group, id); used[row] === 1; row = (row + 1) & mask)
      if (ids[row] === id && groups[row] === group) return row;
    return -1;
  }

  function place(group: number, id: number): number {
    let row = home(group, id);
    while (used[row] === 1) row = (row + 1) & mask;
    used[row] = 1;
    groups[row] = group;
    ids[row] = id;
    return row;
  }

  function grow(): void {
    const before = { capacity, groups, ids, used, columns };
    capacity *= 2;
    mask = capacity - 1;
    groups = new Uint32Array(capacity);
    ids = new Float64Array(capacity);
    used = new Uint8Array(capacity);
    columns = allocate(capacity);
    for (let from = 0; from < before.capacity; from++) {
      if (before.used[from] === 0) continue;
      const to = place(before.groups[from]!, before.ids[from]!);
      for (const name of names) columns[name][to] = before.columns[name][from]!;
    }
  }

  function move(from: number, to: number): void {
    groups[to] = groups[from]!;
    ids[to] = ids[from]!;
    for (const name of names) columns[name][to] = columns[name][from]!;
  }

  function vacate(row: number): void {
    let hole = row;
    for (let next = (hole + 1) & mask; used[next] === 1; next = (next + 1) & mask) {
      const distance = (next - home(groups[next]!, ids[next]!)) & mask;
      if (distance < ((next - hole) & mask)) continue;
      move(next, hole);
      hole = next;
    }
    used[hole] = 0;
    for (const name of names) columns[name][hole] = 0;
  }

  return {
    get size() {
      return size;
    },
    get capacity() {
      return capacity;
    },
    get bytes() {
      return names.reduce((sum, name) => sum + columns[name].byteLength, capacity * 13);
    },
    find,
    insert(group, id) {
      const row = find(group, id);
      if (row >= 0) return row;
      if (size + 1 > capacity * greatestLoad) grow();
      size++;
      return place(group, id);
    },
    remove(group, id) {
      const row = find(group, id);
      if (row < 0) return false;
      vacate(row);
      size--;
      return true;
    },
    isUsed: (row) => used[row] === 1,
    groupOf: (row) => groups[row]!,
    idOf: (row) => ids[row]!,
    get: (column, row) => columns[column][row]!,
    set(column, row, value) {
      columns[column][row] = value;
    },
    forEach(visit) {
      for (let row = 0; row < capacity; row++) if (used[row] === 1) visit(row);
    },
    clear() {
      size = 0;
      capacity = leastCapacity;
      mask = capacity - 1;
      groups = new Uint32Array(capacity);
      ids = new Float64Array(capacity);
      used = new Uint8Array(capacity);
      columns = allocate(capacity);
    },
  };
}

/** 32 well-mixed bits of an object's name (the finalizer of MurmurHash3 over its three words). */
export function hashObject(group: number, id: number): number {
  const low = (id % 2 ** 32) | 0;
  const high = (id / 2 ** 32) | 0;
  return mix32(Math.imul(mix32(low) ^ high, 0x9e3779b1) ^ Math.imul(group, 0x85ebca6b));
}

/** The finalizer of MurmurHash3 (fmix32): a bijection whose every output bit depends on every input bit. */
export function mix32(word: number): number {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
