import { HAS_REMOTE } from '../arena/arena.ts';
import { ABSENT, CLEAN, EVACUATING, type Handle, locationOf } from '../handles/words.ts';
import type { Heap, WriteBack, WriteBackResult } from './heap.ts';

/** Writing present objects to the far side, validated per object: what is written meanwhile stays dirty. */
export interface WriteBacks {
  /** Issues a write of the bytes as they are now. Never rejects: a failed write leaves the object dirty and says why. */
  write(handle: Handle): Promise<WriteBackResult>;
  /** Bytes issued and not yet held by the far side. */
  bytesInFlight(): number;
  /** Why the latest failed write failed, until one succeeds. */
  lastError(): unknown;
}

export function createWriteBacks(heap: Heap): WriteBacks {
  const { arena, table, store, counters, writes } = heap;
  const { words, sizes, groups } = table;
  const { u32 } = arena.views;
  let inFlight = 0;
  let lastError: unknown;

  /** The object is clean when it still lives, no later write was issued, and nobody wrote to it since. */
  function validate(handle: Handle, writeBack: WriteBack, ok: boolean): void {
    if (writes.get(handle) !== writeBack) return;
    writes.delete(handle);
    const word = words[handle]!;
    if ((word & ABSENT) !== 0 || (word & EVACUATING) === 0) return;
    words[handle] = ok ? (word & ~EVACUATING) | CLEAN : word & ~EVACUATING;
  }

  async function issue(handle: Handle, size: number): Promise<WriteBackResult> {
    try {
      const bytes = arena.bytesAt(locationOf(words[handle]!), size);
      await store.write(groups[handle]!, table.remoteId(handle), bytes);
      counters.dirtyWritten++;
      lastError = undefined;
      return { ok: true };
    } catch (error) {
      counters.writeFailures++;
      lastError = error;
      return { ok: false, error };
    } finally {
      inFlight -= size;
    }
  }

  return {
    write(handle) {
      const size = sizes[handle]!;
      const location = locationOf(words[handle]!);
      words[handle] = words[handle]! | EVACUATING;
      u32[location - 1] = u32[location - 1]! | HAS_REMOTE;
      inFlight += size;
      const settled: Promise<WriteBackResult> = issue(handle, size).then((result) => {
        validate(handle, writeBack, result.ok);
        return result;
      });
      const writeBack: WriteBack = { settled };
      writes.set(handle, writeBack);
      return settled;
    },
    bytesInFlight: () => inFlight,
    lastError: () => lastError,
  };
}
