import { type Location, MISS } from '../handles/words.ts';
import { createViews, type Views } from './views.ts';

/** What a segment is filled with: new objects, objects read once (victims first), or objects that survived an evacuation. */
export const segmentKinds = ['temporal', 'nonTemporal', 'survivor'] as const;
export type SegmentKind = 0 | 1 | 2;
export const TEMPORAL: SegmentKind = 0;
export const NON_TEMPORAL: SegmentKind = 1;
export const SURVIVOR: SegmentKind = 2;

export const segmentStates = ['free', 'open', 'used', 'evacuating'] as const;
export const SEGMENT_FREE = 0;
export const SEGMENT_OPEN = 1;
export const SEGMENT_USED = 2;
export const SEGMENT_EVACUATING = 3;

/** Before the data of every object: its handle and a word of size and marks, 4 bytes each. */
export const HEADER_BYTES = 8;
const FIRST_OFFSET = 16;
const SLOT_ALIGNMENT = 16;

/** Marks beside the size in the second header word. */
export const TOUCHED_ONCE = 2 ** 31;
/** Brought by a prefetch and not used since. */
export const PREFETCHED = 2 ** 30;
/** The far side may hold a version of it. */
export const HAS_REMOTE = 2 ** 29;
export const SIZE_MASK = 2 ** 29 - 1;

/** Handle of a slot that belongs to no object: a fetch under way, or a non-temporal read. */
export const NO_OBJECT = 0xffffffff;
/** Handle of a non-temporal read whose turn is over. */
export const RELEASED = 0xfffffffe;

/** What freed and moved bytes hold in debug mode: no small number, no plausible pointer, not zero. */
export const POISON = 0xdb;

export interface ArenaOptions {
  readonly segmentBytes: number;
  readonly segments: number;
  readonly poison: boolean;
  /** A segment became free. */
  readonly onFree: () => void;
}

/**
 * Local memory: segments in one shared buffer that the operating system backs as it is written. Objects are placed one after the other
 * in an open segment and never in a freed hole; space comes back by whole segments, when their last object left.
 */
export interface Arena {
  readonly views: Views;
  readonly segmentBytes: number;
  readonly segments: number;
  /** Largest data of one object. */
  readonly maxObjectBytes: number;
  /** Per segment: bytes of slots whose object is there. */
  readonly liveBytes: Uint32Array;
  /** Per segment: scopes that hold a place in it. */
  readonly pins: Uint32Array;
  /** Per segment: reads and copies under way that end in it or start from it. */
  readonly busy: Uint32Array;
  readonly states: Uint8Array;
  readonly kinds: Uint8Array;
  /** Per segment: number of segments closed before it. */
  readonly ages: Float64Array;
  /** Per segment: how often it was freed. */
  readonly generations: Uint32Array;
  segmentOf(location: Location): number;
  freeSegments(): number;
  /** Segments closed so far: the clock of `ages`. */
  closedSegments(): number;
  /**
   * A place for `size` bytes with `handle` in its header, or MISS when no segment but the last `reserve` is free. Counts as live.
   */
  place(kind: SegmentKind, handle: number, size: number, reserve: number): Location;
  /** The object left its place: less live bytes, and perhaps a free segment. */
  leave(location: Location): void;
  /** Frees the segment if nothing lives in it and nothing holds it. */
  settle(segment: number): void;
  /** Closes an open segment so that it can be evacuated. */
  close(segment: number): void;
  /** First place of a segment, and the place after one; MISS at the end. */
  first(segment: number): Location;
  after(location: Location): Location;
  /** Data of an object as bytes; a view, not a copy. */
  bytesAt(location: Location, size: number): Uint8Array<SharedArrayBuffer>;
}

export function slotBytes(size: number): number {
  return (size + HEADER_BYTES + SLOT_ALIGNMENT - 1) & -SLOT_ALIGNMENT;
}

export function createArena({ segmentBytes, segments, poison, onFree }: ArenaOptions): Arena {
  const views = createViews(new SharedArrayBuffer(segmentBytes * segments));
  const { u8, u32 } = views;
  const liveBytes = new Uint32Array(segments);
  const pins = new Uint32Array(segments);
  const busy = new Uint32Array(segments);
  const states = new Uint8Array(segments);
  const kinds = new Uint8Array(segments);
  const ages = new Float64Array(segments);
  const generations = new Uint32Array(segments);
  /** Per segment: offset of the next place. */
  const fill = new Uint32Array(segments);
  const free = new Uint32Array(segments).map((_, index) => segments - 1 - index);
  const open = new Int32Array(segmentKinds.length).fill(-1);
  const wordsPerSegment = segmentBytes / 4;
  const segmentShift = Math.log2(wordsPerSegment);
  let freeCount = segments;
  let closed = 0;

  function close(segment: number): void {
    states[segment] = SEGMENT_USED;
    ages[segment] = closed++;
    if (open[kinds[segment]!] === segment) open[kinds[segment]!] = -1;
    settle(segment);
  }

  function settle(segment: number): void {
    if (liveBytes[segment] !== 0 || pins[segment] !== 0 || busy[segment] !== 0) return;
    if (states[segment] !== SEGMENT_USED && states[segment] !== SEGMENT_EVACUATING) return;
    if (poison) u8.fill(POISON, segment * segmentBytes, (segment + 1) * segmentBytes);
    states[segment] = SEGMENT_FREE;
    generations[segment] = generations[segment]! + 1;
    free[freeCount++] = segment;
    onFree();
  }

  function openNext(kind: SegmentKind, reserve: number): number {
    if (freeCount <= reserve) return -1;
    const segment = free[--freeCount]!;
    states[segment] = SEGMENT_OPEN;
    kinds[segment] = kind;
    fill[segment] = FIRST_OFFSET;
    open[kind] = segment;
    return segment;
  }

  return {
    views,
    segmentBytes,
    segments,
    maxObjectBytes: segmentBytes - FIRST_OFFSET,
    liveBytes,
    pins,
    busy,
    states,
    kinds,
    ages,
    generations,
    segmentOf: (location) => location >>> segmentShift,
    freeSegments: () => freeCount,
    closedSegments: () => closed,
    close,
    settle,
    place(kind, handle, size, reserve) {
      let segment = open[kind]!;
      if (segment >= 0 && fill[segment]! + Math.max(size, 1) > segmentBytes) {
        if (freeCount <= reserve) return MISS;
        close(segment);
        segment = -1;
      }
      if (segment < 0) segment = openNext(kind, reserve);
      if (segment < 0) return MISS;
      const offset = fill[segment]!;
      const slot = slotBytes(size);
      fill[segment] = offset + slot;
      liveBytes[segment] = liveBytes[segment]! + slot;
      const location = (segment * wordsPerSegment + offset / 4) as Location;
      u32[location - 2] = handle;
      u32[location - 1] = size;
      return location;
    },
    leave(location) {
      const segment = location >>> segmentShift;
      const size = u32[location - 1]! & SIZE_MASK;
      liveBytes[segment] = liveBytes[segment]! - slotBytes(size);
      if (poison && pins[segment] === 0) u8.fill(POISON, location * 4, location * 4 + size);
      if (liveBytes[segment] === 0) settle(segment);
    },
    first(segment) {
      return fill[segment]! > FIRST_OFFSET ? ((segment * wordsPerSegment + FIRST_OFFSET / 4) as Location) : MISS;
    },
    after(location) {
      const segment = location >>> segmentShift;
      const next = location + slotBytes(u32[location - 1]! & SIZE_MASK) / 4;
      return next < segment * wordsPerSegment + fill[segment]! / 4 ? (next as Location) : MISS;
    },
    bytesAt: (location, size) => u8.subarray(location * 4, location * 4 + size),
  };
}
