import { ABSENT, CLEAN, EVACUATING, FRESH, type Handle } from '../handles/words.ts';
import type { Heap, WriteBackResult } from './heap.ts';
import type { Objects } from './objects.ts';
import type { WriteBacks } from './write-back.ts';

export interface Flush {
  /** Resolves when the far side holds every object as it was at the call. Rejects with the first write's error. */
  all(): Promise<void>;
  /** The same for some objects; those never touched are written too, as zeros. */
  some(handles: Iterable<Handle>): Promise<void>;
}

/** How long a flush holds the event loop at a time. */
const TURN_MS = 2;
const HANDLES_PER_CLOCK = 256;
const WINDOW_BYTES: number = 4 * 2 ** 20;

export function createFlush(heap: Heap, objects: Objects, writeBacks: WriteBacks): Flush {
  const { table, store, writes } = heap;
  const { words } = table;

  const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

  /** What one flush has under way, and why it will fail. */
  interface Progress {
    readonly pending: Set<Promise<void>>;
    error?: unknown;
  }

  function follow(progress: Progress, settled: Promise<WriteBackResult>): void {
    const done: Promise<void> = settled.then((result) => {
      progress.pending.delete(done);
      if (!result.ok) progress.error ??= result.error;
    });
    progress.pending.add(done);
  }

  async function writeDirty(handle: Handle, progress: Progress): Promise<void> {
    for (;;) {
      const word = words[handle]!;
      if ((word & (ABSENT | CLEAN)) !== 0) return;
      const underWay = writes.get(handle);
      const isUnchanged = (word & EVACUATING) !== 0;
      if (!isUnchanged || underWay) {
        follow(progress, isUnchanged && underWay ? underWay.settled : writeBacks.write(handle));
        return;
      }
      // Marked without a write: it is being copied, for a few turns at most.
      await nextTurn();
    }
  }

  async function writeAll(handles: Iterable<Handle>): Promise<void> {
    const progress: Progress = { pending: new Set() };
    let turnStart = performance.now();
    let seen = 0;
    for (const handle of handles) {
      if ((words[handle]! & (ABSENT | CLEAN)) === 0) await writeDirty(handle, progress);
      while (writeBacks.bytesInFlight() >= WINDOW_BYTES && progress.pending.size > 0)
        await Promise.race(progress.pending);
      if (++seen % HANDLES_PER_CLOCK === 0 && performance.now() - turnStart > TURN_MS) {
        await nextTurn();
        turnStart = performance.now();
      }
    }
    await Promise.all(progress.pending);
    if (progress.error !== undefined) throw progress.error;
    await store.flush();
  }

  function* allHandles(): Iterable<Handle> {
    for (let handle = 0; handle < table.highWater(); handle++) yield handle as Handle;
  }

  return {
    all: () => writeAll(allHandles()),
    async some(handles) {
      const all = [...handles];
      for (const handle of all) if (words[handle] === FRESH) await objects.mut(handle);
      await writeAll(all);
    },
  };
}
