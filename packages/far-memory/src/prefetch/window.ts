import type { PrefetchFeedback } from '../objects/heap.ts';
import type { Link } from './link.ts';

/** AIFM's window, and the most that an adaptive one grows to: bytes ahead of the program (prefetcher.hpp). */
export const LARGEST_WINDOW_BYTES: number = 2 ** 20;
const FIRST_WINDOW_OBJECTS = 4;
const SMALLEST_WINDOW_OBJECTS = 1;

/** How far ahead to fetch: `adaptive`, or always so many bytes. */
export type PrefetchWindowChoice = 'adaptive' | number;

/** How many objects to keep ahead of the program. */
export interface PrefetchWindow extends PrefetchFeedback {
  objects(): number;
}

export interface PrefetchWindowOptions {
  readonly choice: PrefetchWindowChoice;
  readonly objectBytes: number;
  readonly link: Link;
  /** Never more than this share of local memory. */
  readonly localBytes: number;
}

/**
 * Doubles when an object is needed before it arrived, halves when one is evicted unused; bounded by what the link can carry in one round
 * trip, twice, since a link's rate is only seen by asking more of it (A2.3 item 8).
 */
export function createPrefetchWindow({ choice, objectBytes, link, localBytes }: PrefetchWindowOptions): PrefetchWindow {
  const largest = Math.max(
    SMALLEST_WINDOW_OBJECTS,
    Math.floor(Math.min(LARGEST_WINDOW_BYTES, localBytes / 8) / objectBytes),
  );
  if (choice !== 'adaptive') {
    const fixed = Math.max(SMALLEST_WINDOW_OBJECTS, Math.min(largest, Math.floor(choice / objectBytes)));
    return { objects: () => fixed, onLate() {}, onWasted() {} };
  }
  let wanted = Math.min(FIRST_WINDOW_OBJECTS, largest);
  return {
    objects() {
      const carried = Math.ceil((2 * link.bytesPerRoundTrip()) / objectBytes);
      return Math.min(wanted, Math.max(FIRST_WINDOW_OBJECTS, carried), largest);
    },
    onLate() {
      wanted = Math.min(wanted * 2, largest);
    },
    onWasted() {
      wanted = Math.max(SMALLEST_WINDOW_OBJECTS, Math.floor(wanted / 2));
    },
  };
}
