import { giveBack } from './give-back.ts';
import type { SpillExtent, SpillFile } from './spill.ts';

/** A piece of a client's log. In memory it has a buffer; spilled it has an extent of the spill file instead. */
export interface Segment {
  /** Bytes that count against the agent's memory while in memory. */
  readonly bytes: number;
  buffer: Buffer<ArrayBuffer> | undefined;
  extent: SpillExtent | undefined;
  /** Bytes appended so far, dead ones too. */
  used: number;
  /** Bytes of records that are still wanted. */
  live: number;
}

/** The agent's memory: what all clients' segments are taken from. */
export interface SegmentPool {
  readonly limitBytes: number;
  readonly segmentBytes: number;
  readonly usedBytes: number;
  readonly spill: SpillFile | undefined;
  /** What cleaners did, over all clients that ever were. */
  readonly cleaned: { segments: number; bytes: number };
  /**
   * A segment of at least `bytes`, or undefined when memory is used up. One ordinary segment is kept back for cleaners (`cleaning`), so that
   * a full log can still be compacted.
   */
  acquire(bytes: number, use: 'write' | 'cleaning'): Segment | undefined;
  /** Gives the memory of a segment back, and its place on disk. */
  release(segment: Segment): void;
  /** Gives only the memory back: the records are on disk now. */
  releaseMemory(segment: Segment): void;
}

/** Segments kept for reuse, so that steady traffic allocates nothing. */
const keptSegments = 64;
const leastSegmentBytes = 64 * 1024;
const greatestSegmentBytes = 2 ** 20;

export function createSegmentPool(limitBytes: number, spill: SpillFile | undefined): SegmentPool {
  // A small agent needs several segments to have anything to clean into.
  const segmentBytes = Math.max(
    leastSegmentBytes,
    Math.min(greatestSegmentBytes, 2 ** Math.floor(Math.log2(limitBytes / 16))),
  );
  const kept: Buffer<ArrayBuffer>[] = [];
  let unwanted: Buffer<ArrayBuffer>[] = [];
  let usedBytes = 0;

  function releaseMemory(segment: Segment): void {
    if (segment.buffer === undefined) return;
    usedBytes -= segment.bytes;
    if (segment.bytes === segmentBytes && kept.length < keptSegments) kept.push(segment.buffer);
    else discard(segment.buffer);
    segment.buffer = undefined;
    // The last of all clients' objects are gone: there is no traffic to keep them for.
    if (usedBytes === 0) for (const buffer of kept.splice(0)) discard(buffer);
  }

  function discard(buffer: Buffer<ArrayBuffer>): void {
    // After this turn, which may still look at what it read.
    if (unwanted.length === 0) queueMicrotask(giveUnwantedBack);
    unwanted.push(buffer);
  }

  function giveUnwantedBack(): void {
    giveBack(unwanted);
    unwanted = [];
  }

  return {
    limitBytes,
    segmentBytes,
    spill,
    cleaned: { segments: 0, bytes: 0 },
    get usedBytes() {
      return usedBytes;
    },
    acquire(bytes, use) {
      const size = bytes <= segmentBytes ? segmentBytes : Math.ceil(bytes / 4096) * 4096;
      const keptBack = use === 'cleaning' ? 0 : segmentBytes;
      if (usedBytes + size + keptBack > limitBytes) return undefined;
      usedBytes += size;
      const buffer = (size === segmentBytes ? kept.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
      return { bytes: size, buffer, extent: undefined, used: 0, live: 0 };
    },
    release(segment) {
      releaseMemory(segment);
      if (segment.extent !== undefined) spill?.free(segment.extent);
      segment.extent = undefined;
    },
    releaseMemory,
  };
}
