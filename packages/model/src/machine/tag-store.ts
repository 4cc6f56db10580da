/**
 * The one primitive under TLBs, walk caches and data caches: a set-associative array of keys with a replacement policy. What an entry
 * holds besides its key (a frame, a node of a page table) is an array of the owner's, indexed by the slot numbers given out here.
 */
export interface TagStore {
  readonly sets: number;
  readonly ways: number;
  /** sets * ways; slot numbers run from 0 to slots - 1. */
  readonly slots: number;
  /** Slot that holds `key`, and the policy notes a hit; -1 when absent (the policy notes nothing). Keys: integers 0 to 2^53 - 1. */
  lookup(key: number): number;
  /** Slot that holds `key` or -1; the policy notes nothing. */
  peek(key: number): number;
  /** Puts an absent key in place of an empty slot or the policy's victim; returns its slot. What was there is `keyAt` before the call. */
  insert(key: number): number;
  /** Empties the slot of `key`; true when it was there. */
  remove(key: number): boolean;
  /** Key in a slot, or -1. */
  keyAt(slot: number): number;
  /** Empties everything, policy state included. */
  clear(): void;
}

/** Shape of a set-associative structure. The set of a key is `key mod sets`. */
export interface Geometry {
  readonly sets: number;
  readonly ways: number;
  /** Name in the registry of replacement policies. */
  readonly policy: string;
}
