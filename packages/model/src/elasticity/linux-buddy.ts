import { StrataError } from '../machine/errors.ts';
import { createPerCpuLists } from './per-cpu-lists.ts';

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
const pageblockFrames = 2 ** pageblockOrder;
/** With a stolen block of at least this order the free rest of its pageblock is stolen too (`can_steal_fallback`: pageblock_order / 2). */
const stealOrder = pageblockOrder >> 1;
const none = -1;

/**
 * One zone of a page allocator as in Linux 6.1: free lists per migrate type and order, per-CPU lists before them, and the rules by which a type without
 * pages steals from another (`__rmqueue_fallback`, `steal_suitable_fallback`), which keep pages that cannot move together. One zone: no
 * ALLOC_NOFRAGMENT, watermarks, CMA, isolation or high-order reserves.
 */
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
  /** Type of the request that took a frame. */
  const takenAs = new Uint8Array(frames);
  const heads = new Int32Array(typeCount * (largestOrder + 1)).fill(none);
  const tails = new Int32Array(heads.length).fill(none);
  const blocks = new Float64Array(largestOrder + 1);
  const lengths = new Float64Array(heads.length);
  const marked = new Uint8Array(frames);
  const perCpu = createPerCpuLists(cpus, typeCount, { take: takeBlock, give: giveBlock });
  let free = 0;

  const listOf = (type: number, order: number) => type * (largestOrder + 1) + order;
  const typeOf = (frame: number) => pageblockType[frame >>> pageblockOrder]!;

  function add(frame: number, order: number, type: number, atTail = false): void {
    const list = listOf(type, order);
    const head = heads[list]!;
    const tail = tails[list]!;
    next[frame] = atTail ? none : head;
    previous[frame] = atTail ? tail : none;
    if (!atTail || head === none) heads[list] = frame;
    else next[tail] = frame;
    if (atTail || head === none) tails[list] = frame;
    else previous[head] = frame;
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
    if (after === none) tails[listAt[frame]!] = before;
    else previous[after] = before;
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
    const own = takeSmallest(order, type);
    if (own !== none || !steal(order, type)) return own;
    return takeSmallest(order, type);
  }

  function takeSmallest(order: number, type: number): number {
    for (let larger = order; larger <= largestOrder; larger++) {
      const head = heads[listOf(type, larger)]!;
      if (head !== none) return split(head, larger, order, type);
    }
    return none;
  }

  /** Moves free blocks of another type to the lists of `type`: at least one that has the order, if there is one. */
  function steal(order: number, type: number): boolean {
    for (let larger = largestOrder; larger >= order; larger--) {
      const found = headOfOthers(larger, type);
      if (found === none) continue;
      const takesPageblock = larger >= stealOrder || type !== movable;
      // A small piece for pages that can move: the smallest that will do, as larger ones are worth more whole.
      if (takesPageblock || larger === order) stealFrom(found, larger, type, takesPageblock);
      else stealFrom(...smallestOfOthers(order, type), type, false);
      return true;
    }
    return false;
  }

  function headOfOthers(order: number, type: number): number {
    for (const other of fallbacks[type]!) {
      const head = heads[listOf(other, order)]!;
      if (head !== none) return head;
    }
    return none;
  }

  function smallestOfOthers(order: number, type: number): [frame: number, order: number] {
    let smallest = order;
    while (headOfOthers(smallest, type) === none) smallest++;
    return [headOfOthers(smallest, type), smallest];
  }

  function stealFrom(frame: number, order: number, type: number, takesPageblock: boolean): void {
    if (order >= pageblockOrder)
      for (let at = frame; at < frame + 2 ** order; at += pageblockFrames) pageblockType[at >>> pageblockOrder] = type;
    else if (takesPageblock && stealPageblock(frame, type)) return;
    move(frame, order, type);
  }

  /** Every free block of a pageblock; the pageblock changes its type when at least half of it is free or of the like. False for one that is not whole. */
  function stealPageblock(frame: number, type: number): boolean {
    const start = frame - (frame % pageblockFrames);
    const end = start + pageblockFrames;
    if (end > frames) return false;
    const before = typeOf(start);
    let freed = 0;
    let movables = 0;
    for (let at = start; at < end; ) {
      const order = orderAt[at]!;
      if (order === none) {
        if (takenAs[at] === movable) movables++;
        at++;
      } else {
        move(at, order, type);
        freed += 2 ** order;
        at += 2 ** order;
      }
    }
    const others = before === movable ? pageblockFrames - freed - movables : 0;
    const alike = type === movable ? movables : others;
    if (freed + alike >= pageblockFrames / 2) pageblockType[start >>> pageblockOrder] = type;
    return true;
  }

  function move(frame: number, order: number, type: number): void {
    remove(frame);
    add(frame, order, type, true);
  }

  function giveBlock(frame: number, order: number): void {
    const type = typeOf(frame);
    let start = frame;
    let merged = order;
    for (; merged < largestOrder; merged++) {
      const buddy = start ^ (1 << merged);
      if (buddy + 2 ** merged > frames || orderAt[buddy] !== merged) break;
      remove(buddy);
      start = Math.min(start, buddy);
    }
    add(start, merged, type, mergesSoon(start, merged));
  }

  /** Whether the block would merge twice if its buddy became free: it is handed out last, so that it may (`buddy_merge_likely`). */
  function mergesSoon(frame: number, order: number): boolean {
    if (order >= largestOrder - 1) return false;
    const parent = frame - (frame % 2 ** (order + 1));
    return orderAt[parent ^ (1 << (order + 1))] === order + 1;
  }

  function freeOrderOf(frame: number): number {
    for (let order = 0; order <= largestOrder; order++)
      if (orderAt[frame - (frame % 2 ** order)] === order) return order;
    return none;
  }

  const attempt = (cpu: number, order: number, type: number) =>
    perCpu.holds(order) ? perCpu.allocate(cpu, order, type) : takeBlock(order, type);

  function takenBy(type: number, frame: number, order: number): number {
    if (frame !== none) takenAs.fill(type, frame, frame + 2 ** order);
    return frame;
  }

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
      if (frame !== none) return takenBy(type, frame, order);
      perCpu.drain();
      return takenBy(type, attempt(cpu, order, type), order);
    },
    free(cpu, frame, order) {
      // Neither movable nor free to the rule of half a pageblock while it is on a list of a processor.
      takenAs.fill(0, frame, frame + 2 ** order);
      if (perCpu.holds(order)) perCpu.free(cpu, frame, order, typeOf(frame));
      else giveBlock(frame, order);
    },
    drain: perCpu.drain,
    get freeFrames() {
      return free + perCpu.frames;
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
