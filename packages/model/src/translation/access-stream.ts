/** What an element is to the caches, once its turn has come. */
export const Touch = {
  /** A load or store: begins at the first-level data cache. */
  data: 0,
  /** A fetch. */
  fetch: 1,
  /** A fetch that the first-level instruction cache did not have: begins behind it. */
  fetchMissed: 2,
  /** Answered by a first level: only its walk is left. */
  answered: 3,
} as const;

/**
 * What the TLB stage hands to every design: the cache lines that the program touches, in order, each with the page to walk for first
 * when the TLBs did not have it. One element per line, so an access across a line boundary is two.
 */
export interface AccessStream {
  length: number;
  /** Length at which the TLB stage gives way. */
  limit: number;
  /** Host-physical line. */
  readonly line: Float64Array;
  /** Page number to walk for before the access, or -1. */
  readonly walk: Float64Array;
  readonly core: Uint16Array;
  /** A `Touch`; the TLB stage knows `data` and `fetch` only. */
  readonly touch: Uint8Array;
  /** Number of the process, as in the instances of a design. */
  readonly process: Uint16Array;
  /** Accesses left out before the element, since a first level answered them for every design alike. */
  readonly leftOut: Uint32Array;
}

/** Elements between two rounds of the designs: each finds its own caches and tables cold when its turn comes, so a turn is long. */
export const turnElements = 65_536;
/** Elements that the TLB stage adds at a time: few enough to stay in the second-level cache of the machine that simulates. */
export const addedElements = 4096;
/** Lines of the largest access (65,535 bytes, its size being 16 bits), at any alignment. */
export const linesOfLargestAccess = 1025;

export function createAccessStream(): AccessStream {
  const room = turnElements + addedElements + linesOfLargestAccess;
  return {
    length: 0,
    limit: addedElements,
    line: new Float64Array(room),
    walk: new Float64Array(room),
    core: new Uint16Array(room),
    touch: new Uint8Array(room),
    process: new Uint16Array(room),
    leftOut: new Uint32Array(room),
  };
}
