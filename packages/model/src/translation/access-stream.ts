/**
 * What the TLB stage hands to every design: the cache lines that the program touches, in order, each with the page to walk for first
 * when the TLBs did not have it. One element per line, so an access across a line boundary is two.
 */
export interface AccessStream {
  length: number;
  /** Elements between two rounds of the designs. */
  readonly capacity: number;
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

/**
 * One design: elements, and what the TLB stage has read of page tables, stay in the second-level cache of the machine that simulates. Many:
 * each finds its own caches and tables cold when its turn comes, so a turn is longer.
 */
const capacityFor = { few: 4096, many: 16_384 } as const;
/** Designs that are many. */
const manyDesigns = 4;
/** Lines of the largest access (65,535 bytes, its size being 16 bits), at any alignment. */
export const linesOfLargestAccess = 1025;

/** @param designs that will run over it */
export function createAccessStream(designs: number): AccessStream {
  const capacity = designs < manyDesigns ? capacityFor.few : capacityFor.many;
  const room = capacity + linesOfLargestAccess;
  return {
    length: 0,
    capacity,
    line: new Float64Array(room),
    walk: new Float64Array(room),
    core: new Uint16Array(room),
    fetch: new Uint8Array(room),
    process: new Uint16Array(room),
  };
}
