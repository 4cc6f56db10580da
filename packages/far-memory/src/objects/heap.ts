import type { Arena } from '../arena/arena.ts';
import type { HandleTable } from '../handles/handle-table.ts';
import type { Handle } from '../handles/words.ts';
import type { Link } from '../prefetch/link.ts';
import type { RemoteStore } from '../remote-store.ts';
import type { Counters } from './counters.ts';

/** What the parts of one far memory share: the state. Each part adds its own functions and holds none of the others'. */
export interface Heap {
  readonly arena: Arena;
  readonly table: HandleTable;
  readonly store: RemoteStore;
  readonly link: Link;
  readonly counters: Counters;
  /** Segments that only the evacuator may take: at this many free ones, mutators wait. */
  readonly reserveSegments: number;
  readonly debug: boolean;
  readonly countHits: boolean;
  /** Reads under way, by handle. */
  readonly fetches: Map<Handle, Fetch>;
  /** What they bring. */
  readonly fetching: { bytes: number };
  /** Writes under way, by handle: the latest of each. */
  readonly writes: Map<Handle, WriteBack>;
  /** By group: who adapts its prefetch window. */
  readonly prefetchFeedback: Map<number, PrefetchFeedback>;
}

/** What became of prefetched objects. */
export interface PrefetchFeedback {
  /** Needed before it arrived. */
  onLate(): void;
  /** Evicted before it was used. */
  onWasted(): void;
}

/** One read of the far side; all who miss the object meanwhile wait for it. */
export interface Fetch {
  arrived: Promise<void>;
  readonly isPrefetch: boolean;
  /** A demand already came while it was a prefetch. */
  wasLate: boolean;
}

/** One write to the far side, of the bytes as they were when it was issued. */
export interface WriteBack {
  readonly settled: Promise<WriteBackResult>;
}

export type WriteBackResult = { readonly ok: true } | { readonly ok: false; readonly error: unknown };

/** How code that finds no local memory gets some. */
export interface Space {
  /** Local memory runs low: evacuate soon. Cheap; called on every miss. */
  check(): void;
  /**
   * Resolves when a segment may be taken.
   * @throws FarMemoryFullError when nothing became free for `fullTimeoutMs`.
   */
  wait(): Promise<void>;
}
