import { createViews, type Views } from '../arena/views.ts';
import { type Location, locationOf, MISS } from '../handles/words.ts';
import type { Heap } from '../objects/heap.ts';
import type { Objects } from '../objects/objects.ts';
import type { Codec, EntryView } from './entry.ts';
import { HASH_SEED, murmur3 } from './hash.ts';
import { type HashIndex, NONE, type Position } from './hash-index.ts';

/** More reads than this a processor does not have under way. */
export const BATCH_KEYS = 32;

/** In `locations`: no entry has the key. */
export const NOT_THERE = -2;

/** Keys of a map that are looked up together. */
export interface KeyBatch<Key> {
  /** Per key of the last `find`: where its entry is, NOT_THERE, or MISS with the object that has to come first in `handles`. */
  readonly locations: Int32Array;
  readonly handles: Uint32Array;
  /** Looks up keys `from` to `to - 1`, at most BATCH_KEYS. */
  find(keys: readonly Key[], from: number, to: number): void;
}

/**
 * A look-up reads three places that are rarely in the processor's caches, each known from the one before: a slot of the index, the word of
 * the handle, the entry. One key after the other waits for each; here every place is read for all keys first, without a branch that
 * depends on it, so that the reads overlap.
 */
export function createKeyBatch<Key>(
  { table, arena }: Heap,
  { tryGet }: Objects,
  key: Codec<Key>,
  entry: EntryView,
  index: HashIndex,
): KeyBatch<Key> {
  const { words: handleWords } = table;
  const { u32 } = arena.views;
  // A multiple of 8, so that every layout finds its alignment.
  const stride = (key.maxBytes + 7) & ~7;
  let encoded: Views | undefined;
  const hashes = new Int32Array(BATCH_KEYS);
  const lengths = new Int32Array(BATCH_KEYS);
  const positions = new Int32Array(BATCH_KEYS);
  const handles = new Uint32Array(BATCH_KEYS);
  const locations = new Int32Array(BATCH_KEYS);
  /** What was read ahead goes here, so that no compiler leaves the reads out. */
  const readAhead = new Uint32Array(1);

  /** Made when it is first used: keys may be long. */
  function keyBuffer(): Views {
    encoded ??= createViews(new SharedArrayBuffer(BATCH_KEYS * Math.max(8, stride)));
    return encoded;
  }

  function prepare(into: Views, keys: readonly Key[], from: number, count: number): void {
    for (let slot = 0; slot < count; slot++) {
      const length = key.encodeInto(into, slot * stride, keys[from + slot]!);
      lengths[slot] = length;
      hashes[slot] = murmur3(into.u32, (slot * stride) >>> 2, length, HASH_SEED);
    }
  }

  function readEntries(count: number): void {
    let read = 0;
    for (let slot = 0; slot < count; slot++) read ^= u32[locationOf(handleWords[handles[slot]!]!)]!;
    readAhead[0] = read;
  }

  /** Where the entry of a key is, from the first candidate on. */
  function locate(keyWords: Uint32Array, slot: number): Location | typeof NOT_THERE {
    const hash = hashes[slot]!;
    const from = (slot * stride) >>> 2;
    for (let position = positions[slot] as Position; position !== NONE; position = index.next(position, hash)) {
      const handle = index.handleAt(position);
      const location = tryGet(handle);
      if (location === MISS) {
        handles[slot] = handle;
        return MISS;
      }
      if (entry.hasKey(location * 4, keyWords, from, lengths[slot]!)) return location;
    }
    return NOT_THERE;
  }

  return {
    locations,
    handles,
    find(keys, from, to) {
      const count = to - from;
      const into = keyBuffer();
      prepare(into, keys, from, count);
      index.firstOfMany(hashes, count, positions, handles);
      readEntries(count);
      for (let slot = 0; slot < count; slot++) locations[slot] = locate(into.u32, slot);
    },
  };
}
