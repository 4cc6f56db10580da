/**
 * The word that says where an object is: four flags below a 28-bit place (A2.3 item 2). One test decides the fast path, and none of its
 * instructions is atomic: only the owner thread changes words.
 *
 * Present: the upper 28 bits are the byte address of the data divided by 16; the flags are NOT-hot, NOT-dirty and so on, so that a hot
 * dirty object has the word of its bare address. Absent: the flags tell why, see `AbsentWord`.
 */
export const ABSENT = 1;
/** Being copied or written back, and not written since: any write clears it, which is how a write during evacuation is never lost. */
export const EVACUATING = 2;
/** Touched less than twice since it was placed. */
export const COLD = 4;
/** The far side holds these bytes. */
export const CLEAN = 8;

export const FLAGS = 15;
/** A read leaves the fast path when one of these is set. */
export const READ_SLOW: number = ABSENT | COLD;
/** A write leaves the fast path when any flag is set. */
export const WRITE_SLOW = FLAGS;

/** Words of absent objects. */
export const REMOTE: number = ABSENT;
/** Created, never touched: all zeros, without a copy anywhere. */
export const FRESH: number = ABSENT | EVACUATING;
/** The handle is not in use; the upper 28 bits link it to the next free one. */
export const FREE: number = ABSENT | COLD;

/** Names one object for as long as it lives: an index into the handle table. */
export type Handle = number & { readonly __brand: 'Handle' };

/**
 * Where an object's data begin in local memory, counted in 4-byte words: the index of its first word in `views.u32`. A multiple of four,
 * so data are 16-byte aligned. Valid in the turn that obtained it, or for as long as a pin holds.
 */
export type Location = number & { readonly __brand: 'Location' };

/** Answer of the synchronous forms when the object is not in local memory. */
export const MISS = -1 as Location;

/** Objects that belong together: one group per structure. */
export type Group = number & { readonly __brand: 'Group' };

export function locationOf(word: number): Location {
  return ((word >>> 4) << 2) as Location;
}

export function presentWord(location: Location, flags: number): number {
  return ((location << 2) | flags) >>> 0;
}
