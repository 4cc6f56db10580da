/**
 * What a trace is to every simulator: blocks of memory accesses as typed arrays, one element per access, no object per record.
 * A producer reuses its block: whoever needs a value after asking for the next block copies it.
 */
export interface AccessBlock {
  /** Number of accesses in this block; the arrays may be longer. */
  length: number;
  /** Virtual address, low and high 32 bits. */
  readonly lo: Uint32Array;
  readonly hi: Uint32Array;
  /** An `AccessKind`. */
  readonly kind: Uint8Array;
  /** Bytes accessed; 0 = the format does not say. */
  readonly size: Uint16Array;
  /** Thread or virtual processor, numbered from 0 in order of first appearance. */
  readonly thread: Uint16Array;
  /** Process (address space), numbered from 0 in order of first appearance. */
  readonly process: Uint16Array;
  /** Address of the instruction, where the format has one. */
  readonly pcLo?: Uint32Array;
  readonly pcHi?: Uint32Array;
  /** Physical address as recorded (guest-physical for recordings made inside a VM), where the format has one. */
  readonly physicalLo?: Uint32Array;
  readonly physicalHi?: Uint32Array;
}

/** Values of `AccessBlock.kind`. From `noFetch` on these are not accesses: readers deliver them only when asked for events. */
export const AccessKind = {
  load: 0,
  store: 1,
  fetch: 2,
  prefetch: 3,
  /** An instruction that is executed without being fetched (iterations of a `rep` string loop). */
  noFetch: 16,
  threadExit: 17,
  marker: 18,
  /** Cache flush hints and the like. */
  other: 19,
} as const;
export type AccessKind = (typeof AccessKind)[keyof typeof AccessKind];

/** Columns that a block may leave out. */
export interface BlockColumns {
  readonly pc?: boolean;
  readonly physical?: boolean;
}

/** Accesses per block unless a producer has a reason to differ: large enough to amortize calls, small enough for the L2 cache. */
export const blockCapacity = 16_384;

export function createBlock(capacity: number = blockCapacity, columns: BlockColumns = {}): AccessBlock {
  return {
    length: 0,
    lo: new Uint32Array(capacity),
    hi: new Uint32Array(capacity),
    kind: new Uint8Array(capacity),
    size: new Uint16Array(capacity),
    thread: new Uint16Array(capacity),
    process: new Uint16Array(capacity),
    ...(columns.pc ? { pcLo: new Uint32Array(capacity), pcHi: new Uint32Array(capacity) } : {}),
    ...(columns.physical ? { physicalLo: new Uint32Array(capacity), physicalHi: new Uint32Array(capacity) } : {}),
  };
}

/** Rows `from` to `to` (exclusive) of a block, in the same memory; the block itself when these are all. */
export function rowsOfBlock(block: AccessBlock, from: number, to: number): AccessBlock {
  if (from === 0 && to === block.length) return block;
  const { lo, hi, kind, size, thread, process, pcLo, pcHi, physicalLo, physicalHi } = block;
  return {
    length: to - from,
    lo: lo.subarray(from, to),
    hi: hi.subarray(from, to),
    kind: kind.subarray(from, to),
    size: size.subarray(from, to),
    thread: thread.subarray(from, to),
    process: process.subarray(from, to),
    ...(pcLo && pcHi ? { pcLo: pcLo.subarray(from, to), pcHi: pcHi.subarray(from, to) } : {}),
    ...(physicalLo && physicalHi
      ? { physicalLo: physicalLo.subarray(from, to), physicalHi: physicalHi.subarray(from, to) }
      : {}),
  };
}
