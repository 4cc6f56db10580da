import type { Group, Handle } from '../handles/words.ts';
import type { Guard } from '../layout/layout.ts';
import type { Flush } from '../objects/flush.ts';
import type { Heap, Space } from '../objects/heap.ts';
import type { Objects } from '../objects/objects.ts';
import type { ResolvedOptions } from '../options.ts';
import { createStrideDetector, type StrideDetector } from '../prefetch/stride.ts';
import { createPrefetchWindow, type PrefetchWindow } from '../prefetch/window.ts';
import type { Scopes } from '../scope/scope.ts';

/** What data structures are built from. */
export interface Memory {
  readonly heap: Heap;
  readonly objects: Objects;
  readonly flush: Flush;
  readonly scopes: Scopes;
  readonly space: Space;
  readonly guard: Guard | undefined;
  readonly options: ResolvedOptions;
  newGroup(): Group;
  /** Calls `report` when the structure is collected without having been dropped. */
  watch(structure: object, name: string): Watch;
}

/** Ends the watch of a structure that was dropped. */
export interface Watch {
  dropped(): void;
}

/** The prefetcher of one structure: strides of its accesses, and iterators, share one window. */
export interface StructurePrefetch {
  readonly window: PrefetchWindow;
  readonly strides: StrideDetector;
  end(): void;
}

export function createStructurePrefetch(
  memory: Memory,
  group: Group,
  objectBytes: number,
  length: () => number,
  handleAt: (index: number) => Handle,
): StructurePrefetch {
  const { heap, objects, options } = memory;
  const window = createPrefetchWindow({
    choice: options.prefetchWindow,
    objectBytes,
    link: heap.link,
    localBytes: options.segmentBytes * options.segments,
  });
  heap.prefetchFeedback.set(group, window);
  return {
    window,
    strides: createStrideDetector({
      threshold: options.prefetchThreshold,
      window: window.objects,
      length,
      prefetch: (index) => objects.prefetch(handleAt(index)),
    }),
    end: () => void heap.prefetchFeedback.delete(group),
  };
}

/** How long freeing and other walks over a structure may hold the event loop, in ms. */
const TURN_MS = 2;
const STEPS_PER_CLOCK = 64;

/** Runs `step` for 0 to `count - 1` with the event loop served in between. */
export async function inTurns(count: number, step: (index: number) => void): Promise<void> {
  let start = performance.now();
  for (let index = 0; index < count; index++) {
    step(index);
    if (index % STEPS_PER_CLOCK !== STEPS_PER_CLOCK - 1 || performance.now() - start < TURN_MS) continue;
    await new Promise<void>((resolve) => setImmediate(resolve));
    start = performance.now();
  }
}
