import { StrataError } from '../machine/errors.ts';

/** Linux's MIGRATE_UNMOVABLE, MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE. */
export const migrateTypes = ['unmovable', 'movable', 'reclaimable'] as const;
const typeCount = migrateTypes.length;
const movable = 1;
/** Where a type takes pages from when it has none of its own, in this order (Linux mm/page_alloc.c, `fallbacks`). */
const fallbacks = [
  [2, 1],
  [2, 0],
  [0, 1],
] as const;
const largestOrder = 10;
const pageblockOrder = 9;
/** A stolen block of at least this order changes the type of its pageblock (`can_steal_fallback`). */
const claimOrder = pageblockOrder / 2;
/** Pages that move at once between a per-CPU list and the free lists, and how many a list may hold (Linux 6.1 on a large zone). */
const batchPages = 63;
const highPages = 6 * batchPages;
const none = -1;

/** One zone of a Linux-like page allocator: free lists per migrate type and order, last in first out, and per-CPU lists of single pages. */
export interface LinuxBuddy {
  readonly frames: number;
  /** Takes 2^order aligned frames; the first, or -1 when none are left. */
  allocate(cpu: number, order: number, migrateType: number): number;
  /** Gives back 2^order frames, also a part of what was taken at once. */
  free(cpu: number, frame: number, order: number): void;
  /** Puts every per-CPU list back. */
  drain(): void;
  /** Free frames, those on per-CPU lists included. */
  readonly freeFrames: number;
  /** Free blocks of that order, per-CPU lists left out: a column of /proc/buddyinfo. */
  freeBlocks(order: number): number;
  /** Free blocks on one list. */
  listLength(order: number, migrateType: number): number;
  /**
   * Takes exactly these aligned frames out of the free lists; false, with nothing changed, unless all of them are free in one block there. For taking
   * memory out of a running guest: per-CPU lists must have been drained.
   */
  takeAt(frame: number, order: number): boolean;
  /** The order of the free block that a frame lies in, or -1 where it is taken or on a per-CPU list. */
  freeOrderOf(frame: number): number;
  /** Up to `most` blocks of a list whose mark is clear, in the order of the list. */
  unmarked(order: number, migrateType: number, most: number): number[];
  /** Marks a free block, as free page reporting does. The mark goes when the block is taken, split or merged (Linux `PageReported`). */
  mark(frame: number): void;
}

/** @throws StrataError `memory.size` for sizes that are not from 1 to 2^30 frames */
export function createLinuxBuddy(frames: number, cpus = 1): LinuxBuddy {
  if (!(Number.isInteger(frames) && frames >= 1 && frames <= 2 ** 30))
    throw new StrataError({
      code: 'memory.size',
      what: 'a zone cannot have that much memory',
      expected: '1 to 2^30 frames',
      found: `${frames}`,
    });
  const next = new Int32Array(frames).fill(none);
  const previous = new Int32Array(frames).fill(none);
  /** Order of the free block that begins at a frame, or -1. */
  const orderAt = new Int8Array(frames).fill(none);
  const listAt = new Uint8Array(frames);
  const pageblockType = new Uint8Array(Math.ceil(frames / 2 ** pageblockOrder)).fill(movable);
  const heads = new Int32Array(typeCount * (largestOrder + 1)).fill(none);
  const blocks = new Float64Array(largestOrder + 1);
  const lengths = new Float64Array(heads.length);
  const marked = new Uint8Array(frames);
  const perCpu: number[][] = Array.from({ length: cpus * typeCount }, () => []);
  let free = 0;

  const listOf = (type: number, order: number) => type * (largestOrder + 1) + order;
  const typeOf = (frame: number) => pageblockType[frame >>> pageblockOrder]!;

  function add(frame: number, order: number, type: number): void {
    const list = listOf(type, order);
    const head = heads[list]!;
    next[frame] = head;
    previous[frame] = none;
    if (head !== none) previous[head] = frame;
    heads[list] = frame;
    orderAt[frame] = order;
    listAt[frame] = list;
    marked[frame] = 0;
    blocks[order]!++;
    lengths[list]!++;
    free += 2 ** order;
  }

  function remove(frame: number): void {
    const order = orderAt[frame]!;
    const after = next[frame]!;
    const before = previous[frame]!;
    if (before === none) heads[listAt[frame]!] = after;
    else next[before] = after;
    if (after !== none) previous[after] = before;
    orderAt[frame] = none;
    blocks[order]!--;
    lengths[listAt[frame]!]!--;
    free -= 2 ** order;
  }

  /** Takes the front of a block and puts the halves behind it on a list of `type`. */
  function split(frame: number, from: number, to: number, type: number): number {
    remove(frame);
    for (let order = from - 1; order >= to; order--) add(frame + 2 ** order, order, type);
    return frame;
  }

  function takeBlock(order: number, type: number): number {
    for (let larger = order; larger <= largestOrder; larger++) {
      const head = heads[listOf(type, larger)]!;
      if (head !== none) return split(head, larger, order, type);
    }
    for (let larger = largestOrder; larger >= order; larger--)
      for (const other of fallbacks[type]!) {
        const head = heads[listOf(other, larger)]!;
        if (head === none) continue;
        const claims = larger >= claimOrder || type !== movable;
        if (claims && larger >= pageblockOrder)
          for (let at = head; at < head + 2 ** larger; at += 2 ** pageblockOrder)
            pageblockType[at >>> pageblockOrder] = type;
        else if (claims && larger >= claimOrder) pageblockType[head >>> pageblockOrder] = type;
        return split(head, larger, order, claims ? type : other);
      }
    return none;
  }

  function giveBlock(frame: number, order: number): void {
    let start = frame;
    let merged = order;
    for (; merged < largestOrder; merged++) {
      const buddy = start ^ (1 << merged);
      if (buddy + 2 ** merged > frames || orderAt[buddy] !== merged) break;
      remove(buddy);
      start = Math.min(start, buddy);
    }
    add(start, merged, typeOf(start));
  }

  function drain(): void {
    for (const list of perCpu) {
      for (const frame of list) giveBlock(frame, 0);
      list.length = 0;
    }
  }

  function takePage(cpu: number, type: number): number {
    const list = perCpu[(cpu % cpus) * typeCount + type]!;
    if (list.length === 0) {
      for (let page = 0; page < batchPages; page++) {
        const frame = takeBlock(0, type);
        if (frame === none) break;
        list.push(frame);
      }
      // The first page of a batch is used first.
      list.reverse();
    }
    return list.pop() ?? none;
  }

  function freeOrderOf(frame: number): number {
    for (let order = 0; order <= largestOrder; order++)
      if (orderAt[frame - (frame % 2 ** order)] === order) return order;
    return none;
  }

  const attempt = (cpu: number, order: number, type: number) =>
    order === 0 ? takePage(cpu, type) : takeBlock(order, type);

  for (let frame = frames; frame > 0; ) {
    let order = 0;
    while (order < largestOrder && frame % 2 ** (order + 1) === 0) order++;
    frame -= 2 ** order;
    add(frame, order, movable);
  }

  return {
    frames,
    allocate(cpu, order, migrateType) {
      if (order > largestOrder) return none;
      const type = migrateType < typeCount ? migrateType : movable;
      const frame = attempt(cpu, order, type);
      if (frame !== none) return frame;
      drain();
      return attempt(cpu, order, type);
    },
    free(cpu, frame, order) {
      if (order > 0) {
        giveBlock(frame, order);
        return;
      }
      const list = perCpu[(cpu % cpus) * typeCount + typeOf(frame)]!;
      list.push(frame);
      if (list.length <= highPages) return;
      for (const page of list.splice(0, batchPages)) giveBlock(page, 0);
    },
    drain,
    get freeFrames() {
      return free + perCpu.reduce((sum, list) => sum + list.length, 0);
    },
    freeBlocks: (order) => blocks[order] ?? 0,
    listLength: (order, migrateType) => lengths[listOf(migrateType, order)] ?? 0,
    freeOrderOf,
    takeAt(frame, order) {
      const found = freeOrderOf(frame);
      if (found < order) return false;
      const block = frame - (frame % 2 ** found);
      const type = Math.floor(listAt[block]! / (largestOrder + 1));
      remove(block);
      // The halves that do not hold the wanted frames stay on the list of the block.
      for (let half = found - 1, start = block; half >= order; half--) {
        const upper = start + 2 ** half;
        const wantsUpper = frame >= upper;
        add(wantsUpper ? start : upper, half, type);
        if (wantsUpper) start = upper;
      }
      return true;
    },
    unmarked(order, migrateType, most) {
      const found: number[] = [];
      for (let at = heads[listOf(migrateType, order)]!; at !== none && found.length < most; at = next[at]!)
        if (marked[at] === 0) found.push(at);
      return found;
    },
    mark(frame) {
      if (orderAt[frame] !== none) marked[frame] = 1;
    },
  };
}
