/**
 * Translation requests as the original's `iotlb_trace.bin` has them (specs/io.md 1.6), one array per field. A producer reuses its block.
 */
export interface TranslationBlock {
  length: number;
  readonly sid: Uint16Array;
  readonly did: Uint16Array;
  readonly iovaLo: Uint32Array;
  readonly iovaHi: Uint32Array;
  readonly maskLo: Uint32Array;
  readonly maskHi: Uint32Array;
  /** Level of the leaf: 1 = 4 KiB, 2 = 2 MiB, 3 = 1 GiB; 0 = the log's page mask was not one of these. */
  readonly level: Uint8Array;
  /** Leaf entry as recorded, in two words: frame and rights; 0 = not recorded. The models of the original do not look at it. */
  readonly entryLo: Uint32Array;
  readonly entryHi: Uint32Array;
  /** Position in the trace of the next request for the same page and domain; Infinity = none. */
  readonly nextAccess: Float64Array;
}

export function createTranslationBlock(capacity: number): TranslationBlock {
  return {
    length: 0,
    sid: new Uint16Array(capacity),
    did: new Uint16Array(capacity),
    iovaLo: new Uint32Array(capacity),
    iovaHi: new Uint32Array(capacity),
    maskLo: new Uint32Array(capacity),
    maskHi: new Uint32Array(capacity),
    level: new Uint8Array(capacity),
    entryLo: new Uint32Array(capacity),
    entryHi: new Uint32Array(capacity),
    nextAccess: new Float64Array(capacity),
  };
}
