import { createRandom } from '../random.ts';
import { createTagStore } from '../set-associative.ts';
import type { Geometry } from '../tag-store.ts';
import type { Future } from './policy.ts';

/** For each access of a stream the index of the next access to the same key; Infinity = never again. */
export function nextUsesOf(keys: ArrayLike<number>): Float64Array {
  const nextUses = new Float64Array(keys.length);
  const upcoming = new Map<number, number>();
  for (let i = keys.length - 1; i >= 0; i--) {
    const key = keys[i]!;
    nextUses[i] = upcoming.get(key) ?? Infinity;
    upcoming.set(key, i);
  }
  return nextUses;
}

/** The future of a stream, fed access by access: call `advance` before each look-up. */
export interface Oracle extends Future {
  advance(): void;
}

/** @param keys the stream, in the order in which it will be looked up */
export function createOracle(keys: ArrayLike<number>): Oracle {
  const nextUses = nextUsesOf(keys);
  let position = 0;
  const future: Oracle = {
    next: Infinity,
    advance() {
      future.next = nextUses[position++] ?? Infinity;
    },
  };
  return future;
}

/** Misses of the stream in a structure of that shape under Belady's policy; the policy of `geometry` is not looked at. */
export function beladyMisses(keys: ArrayLike<number>, geometry: Pick<Geometry, 'sets' | 'ways'>): number {
  const future = createOracle(keys);
  const store = createTagStore({ ...geometry, policy: 'oracle' }, createRandom(0), future);
  let misses = 0;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    future.advance();
    if (store.lookup(key) >= 0) continue;
    misses++;
    store.insert(key);
  }
  return misses;
}
