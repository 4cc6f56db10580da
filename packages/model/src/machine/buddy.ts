import { type Frame, frameLimit } from './address.ts';
import {
  type BitTreeLayout,
  bitTreeAdd,
  bitTreeHas,
  bitTreeIsEmpty,
  bitTreeNext,
  bitTreeRemove,
  layOutBitTree,
} from './bit-tree.ts';
import { StrataError } from './errors.ts';
import type { FrameSource } from './page-table.ts';
import type { Random } from './random.ts';

/** Order of the largest block: 2^18 frames = 1 GiB, the largest page of x86-64. (Linux ends at order 10 and assembles 1 GiB pages at boot.) */
export const maxOrder = 18;
const sectionFrames = 2 ** maxOrder;
/** Order of a 2 MiB page. */
export const hugePageOrder = 9;

export interface BuddyOptions {
  /** Size of the memory in 4 KiB frames, at most 2^40. */
  readonly frames: number;
  /** Whose memory it is, for messages: `the host`, `VM 1`. */
  readonly owner?: string;
}

/**
 * A binary buddy allocator over frames 0 to `frames` - 1 with blocks of 1 to 2^18 frames. It takes the lowest block of the smallest
 * sufficient size, so the same calls give the same frames. Memory that was never touched costs nothing; a touched GiB costs 68 KB.
 */
export interface BuddyAllocator extends FrameSource {
  readonly frames: number;
  readonly freeFrames: number;
  /** Free blocks of exactly that order: a column of /proc/buddyinfo. */
  freeBlocks(order: number): number;
  /** Takes `count` frames from `first` on if all are free; false (and nothing changes) when one is not. */
  take(first: Frame, count: number): boolean;
  /** Gives back `count` frames from `first` on. */
  freeRange(first: Frame, count: number): void;
  /**
   * Linux's external fragmentation index (mm/vmstat.c, `__fragmentation_index`): -1 when a block of that order is free; otherwise towards
   * 0 the request fails for lack of memory, towards 1 because of fragmentation: 1 - (1 + freeFrames / 2^order) / freeBlocks.
   */
  fragmentationIndex(order: number): number;
  /** Linux's unusable free space index (mm/vmstat.c, `unusable_free_index`): share of free memory in blocks below that order; 1 when none is free. */
  unusableIndex(order: number): number;
  /**
   * Ages the memory: pins single frames at random until `unusableIndex(order)` is at least `unusable` (it exceeds it by less than one
   * block). Returns the pinned frames, not to be changed; freeing them undoes it. Costs 0.1 s per TiB and 8 bytes per pin; the parts of the
   * memory that are used later cost as usual.
   * @param unusable 0 to 1
   */
  fragment(random: Random, unusable: number, order?: number): Float64Array;
}

/** @throws StrataError `memory.size` when `frames` is not an integer from 1 to 2^40 */
export function createBuddy({ frames, owner = 'the machine' }: BuddyOptions): BuddyAllocator {
  if (!Number.isInteger(frames) || frames < 1 || frames > frameLimit)
    throw new StrataError({
      code: 'memory.size',
      what: `${owner} cannot have that much memory`,
      expected: '4 KiB to 4 PiB in whole frames of 4 KiB',
      found: `${frames} frames`,
    });

  // Per section of 2^18 frames: one bit tree of free blocks per order below 18, all in one array; created when first split.
  const sections: (Uint32Array | undefined)[] = [];
  const sectionCount = Math.ceil(frames / sectionFrames);
  // Pins of the sections that are aged but were not used since: their bit trees are made when first looked at.
  const agedPins = new Map<number, Float64Array>();
  // Per order: the sections that have a free block of it. Order 18: the sections that are free as a whole.
  const inSections = layOutForest(maxOrder + 1, () => sectionCount);
  const inSectionsWords = new Uint32Array(inSections[maxOrder]!.end);
  const blocks = new Float64Array(maxOrder + 1);
  let freeFrames = 0;

  /** The bit trees of a section; undefined when it was never split. */
  function wordsOf(section: number): Uint32Array | undefined {
    return sections[section] ?? (agedPins.size > 0 ? wordsOfAged(section) : undefined);
  }

  function wordsOfAged(section: number): Uint32Array | undefined {
    const pins = agedPins.get(section);
    if (pins === undefined) return undefined;
    agedPins.delete(section);
    const words = new Uint32Array(inSection[maxOrder - 1]!.end);
    sections[section] = words;
    forEachBlockWithout(pins, section * sectionFrames, 0, (offset, order) =>
      bitTreeAdd(words, inSection[order]!, offset >>> order),
    );
    return words;
  }

  function add(section: number, order: number, block: number): void {
    blocks[order]!++;
    if (order < maxOrder) {
      const words = wordsOf(section) ?? new Uint32Array(inSection[maxOrder - 1]!.end);
      sections[section] = words;
      bitTreeAdd(words, inSection[order]!, block);
    }
    bitTreeAdd(inSectionsWords, inSections[order]!, section);
  }

  function remove(section: number, order: number, block: number): void {
    blocks[order]!--;
    if (order < maxOrder) {
      const words = wordsOf(section)!;
      bitTreeRemove(words, inSection[order]!, block);
      if (!bitTreeIsEmpty(words, inSection[order]!)) return;
    }
    bitTreeRemove(inSectionsWords, inSections[order]!, section);
  }

  function isFree(section: number, order: number, block: number): boolean {
    if (order === maxOrder) return bitTreeHas(inSectionsWords, inSections[maxOrder]!, section);
    const words = wordsOf(section);
    return words !== undefined && bitTreeHas(words, inSection[order]!, block);
  }

  /** Order of the free block that contains a frame of a section, or -1. */
  function orderAround(section: number, offset: number): number {
    for (let order = 0; order <= maxOrder; order++) if (isFree(section, order, offset >>> order)) return order;
    return -1;
  }

  function allocateBlock(order: number): Frame | -1 {
    let found = order;
    while (found <= maxOrder && blocks[found] === 0) found++;
    if (found > maxOrder) return -1;
    const section = bitTreeNext(inSectionsWords, inSections[found]!, 0);
    let block = found === maxOrder ? 0 : bitTreeNext(wordsOf(section)!, inSection[found]!, 0);
    remove(section, found, block);
    while (found > order) {
      found--;
      block *= 2;
      add(section, found, block + 1);
    }
    freeFrames -= 2 ** order;
    return section * sectionFrames + block * 2 ** order;
  }

  function free(frame: Frame, order: number): void {
    const section = Math.floor(frame / sectionFrames);
    const offset = frame - section * sectionFrames;
    if (!(frame >= 0 && frame + 2 ** order <= frames) || frame % 2 ** order !== 0 || orderAround(section, offset) >= 0)
      throw new Error(`block ${frame} of order ${order} is freed but was not allocated`);
    let block = offset >>> order;
    let merged = order;
    while (merged < maxOrder && isFree(section, merged, block ^ 1)) {
      remove(section, merged, block ^ 1);
      block >>>= 1;
      merged++;
    }
    add(section, merged, block);
    freeFrames += 2 ** order;
  }

  function freeRange(first: Frame, count: number): void {
    forEachBlockOf(first, count, free);
  }

  /** Splits the free block around a frame until a block of `order` starts there, and takes that. */
  function takeBlock(first: Frame, order: number): void {
    const section = Math.floor(first / sectionFrames);
    const offset = first - section * sectionFrames;
    let around = orderAround(section, offset);
    remove(section, around, offset >>> around);
    while (around > order) {
      around--;
      add(section, around, (offset >>> around) ^ 1);
    }
    freeFrames -= 2 ** order;
  }

  /** First frame of the free block that contains `frame` or follows it; `frames` when there is none. */
  function nextFree(frame: Frame): Frame {
    for (let section = Math.floor(frame / sectionFrames); section < sectionCount; section++) {
      const start = section * sectionFrames;
      if (isFree(section, maxOrder, 0)) return start;
      const words = wordsOf(section);
      if (words === undefined) continue;
      const offset = Math.max(0, frame - start);
      let nearest = sectionFrames;
      for (let order = 0; order < maxOrder; order++) {
        const block = bitTreeNext(words, inSection[order]!, offset >>> order);
        if (block >= 0) nearest = Math.min(nearest, block * 2 ** order);
      }
      if (nearest < sectionFrames) return start + nearest;
    }
    return frames;
  }

  /** First frame after the free block that starts at `frame`. */
  function endOfFree(frame: Frame): Frame {
    const section = Math.floor(frame / sectionFrames);
    return frame + 2 ** orderAround(section, frame - section * sectionFrames);
  }

  function take(first: Frame, count: number): boolean {
    if (first < 0 || first + count > frames) return false;
    for (let frame = first; frame < first + count; frame = endOfFree(nextFree(frame)))
      if (nextFree(frame) > frame) return false;
    forEachBlockOf(first, count, takeBlock);
    return true;
  }

  function allocateRange(count: number): Frame | -1 {
    const order = Math.ceil(Math.log2(count));
    if (order <= maxOrder) {
      const first = allocateBlock(order);
      if (first >= 0) {
        freeRange(first + count, 2 ** order - count);
        return first;
      }
    }
    if (count > freeFrames) return -1;
    const start = findRun(count);
    if (start >= 0) forEachBlockOf(start, count, takeBlock);
    return start;
  }

  /** Adjacent free blocks need not be buddies: the first run of `count` free frames, whatever its alignment. */
  function findRun(count: number): Frame | -1 {
    let start = nextFree(0);
    let end = start;
    while (start < frames) {
      while (end < frames && end - start < count && nextFree(end) === end) end = endOfFree(end);
      if (end - start >= count) return start;
      start = nextFree(end);
      end = start;
    }
    return -1;
  }

  function suitableFrames(order: number): number {
    let suitable = 0;
    for (let larger = order; larger <= maxOrder; larger++) suitable += blocks[larger]! * 2 ** larger;
    return suitable;
  }

  function fragmentationIndex(order: number): number {
    if (freeFrames === 0) return 0;
    if (suitableFrames(order) > 0) return -1;
    const freeBlocks = blocks.reduce((sum, count) => sum + count, 0);
    return 1 - (1 + freeFrames / 2 ** order) / freeBlocks;
  }

  /** Takes single frames out of a free block, each out of another block of `order`. */
  function pinIn(frame: Frame, end: Frame, pins: Float64Array, order: number): void {
    if (pins.length === 0) return;
    if (end - frame < sectionFrames) {
      for (const pin of pins) takeBlock(pin, 0);
      return;
    }
    const section = frame / sectionFrames;
    remove(section, maxOrder, 0);
    freeFrames -= pins.length;
    const count = (of: number, more: number): void => {
      blocks[of]! += more;
      bitTreeAdd(inSectionsWords, inSections[of]!, section);
    };
    forEachBlockWithout(pins, frame, order, (_offset, of) => count(of, 1));
    // What a pin leaves of its block is one block of each smaller order.
    for (let of = 0; of < order; of++) count(of, pins.length);
    delete sections[section];
    agedPins.set(section, pins);
  }

  function fragment(random: Random, unusable: number, order: number = hugePageOrder): Float64Array {
    const usable = 1 - unusable;
    const size = 2 ** order;
    let candidates = suitableFrames(order) / size;
    // Each pin makes `size` frames unusable and takes one of the free ones: (suitable - n size) / (free - n) <= usable.
    const wanted = Math.ceil((candidates * size - usable * freeFrames) / (size - usable));
    let pins = Math.min(candidates, Math.max(0, wanted));
    const pinned = new Float64Array(pins);
    // Selection sampling (Knuth, TAOCP vol. 2, 3.4.2, algorithm S) over the blocks in ascending order: every choice is equally likely.
    for (let frame = nextFree(0); pins > 0; frame = nextFree(frame)) {
      const end = endOfFree(frame);
      const firstPin = pinned.length - pins;
      for (let block = frame; end - block >= size; block += size) {
        if (random.unit() * candidates-- >= pins) continue;
        pinned[pinned.length - pins] = block + random.below(size);
        pins--;
      }
      pinIn(frame, end, pinned.subarray(firstPin, pinned.length - pins), order);
      frame = end;
    }
    return pinned;
  }

  for (let section = 0; section < Math.floor(frames / sectionFrames); section++) add(section, maxOrder, 0);
  freeFrames = frames - (frames % sectionFrames);
  freeRange(freeFrames, frames - freeFrames);

  return {
    frames,
    get freeFrames() {
      return freeFrames;
    },
    freeBlocks: (order) => blocks[order] ?? 0,
    allocate() {
      const frame = allocateBlock(0);
      if (frame >= 0) return frame;
      throw new StrataError({
        code: 'memory.exhausted',
        what: `the memory of ${owner} is used up`,
        found: `${frames} frames of 4 KiB (${(frames / 2 ** 18).toFixed(2)} GiB), none of them free`,
        mend: `Give ${owner} more memory.`,
      });
    },
    allocateBlock,
    allocateRange,
    take,
    free,
    freeRange,
    fragmentationIndex,
    unusableIndex: (order) => (freeFrames === 0 ? 1 : 1 - suitableFrames(order) / freeFrames),
    fragment,
  };
}

/** Bit trees of the orders 0 to `orders` - 1 behind one another. */
function layOutForest(orders: number, capacity: (order: number) => number): readonly BitTreeLayout[] {
  const forest: BitTreeLayout[] = [];
  for (let order = 0; order < orders; order++) forest.push(layOutBitTree(capacity(order), forest[order - 1]?.end ?? 0));
  return forest;
}

const inSection = layOutForest(maxOrder, (order) => 2 ** (maxOrder - order));

/**
 * The largest blocks of a section that hold no pin, in ascending order; those below `smallest` are passed over.
 * @param pins frames of the section in ascending order, each in another block of `smallest`
 */
function forEachBlockWithout(
  pins: Float64Array,
  first: Frame,
  smallest: number,
  visit: (offset: number, order: number) => void,
): void {
  let start = 0;
  for (let index = 0; index <= pins.length; index++) {
    const end = (index < pins.length ? pins[index]! - first : sectionFrames) >>> smallest;
    while (start < end) {
      const alignment = start === 0 ? maxOrder : lowestBit(start);
      const order = Math.min(alignment, 31 - Math.clz32(end - start));
      visit(start << smallest, order + smallest);
      start += 1 << order;
    }
    start = end + 1;
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

/** The fewest aligned blocks that make up a range, in ascending order. */
function forEachBlockOf(first: Frame, count: number, visit: (frame: Frame, order: number) => void): void {
  let frame = first;
  let left = count;
  while (left > 0) {
    let order = 0;
    while (order < maxOrder && frame % 2 ** (order + 1) === 0 && left >= 2 ** (order + 1)) order++;
    visit(frame, order);
    frame += 2 ** order;
    left -= 2 ** order;
  }
}
