/**
 * What the TLB stage hands to every design: the cache lines that the program touches, in order, each with the page to walk for first
 * when the TLBs did not have it. One element per line, so an access across a line boundary is two.
 */
export interface AccessStream {
  length: number;
  /** Host-physical line. */
  readonly line: Float64Array;
  /** Page number to walk for before the access, or -1. */
  readonly walk: Float64Array;
  readonly core: Uint16Array;
  /** 1 = instruction fetch. */
  readonly fetch: Uint8Array;
  /** Number of the process, as in the instances of a design. */
  readonly process: Uint16Array;
}

/** Elements between two rounds of the designs: they stay in the first-level cache of the machine that simulates. */
export const streamCapacity = 4096;
/** Lines of the largest access (65,535 bytes, its size being 16 bits), at any alignment. */
export const linesOfLargestAccess = 1025;

export function createAccessStream(): AccessStream {
  const room = streamCapacity + linesOfLargestAccess;
  return {
    length: 0,
    line: new Float64Array(room),
    walk: new Float64Array(room),
    core: new Uint16Array(room),
    fetch: new Uint8Array(room),
    process: new Uint16Array(room),
  };
}
