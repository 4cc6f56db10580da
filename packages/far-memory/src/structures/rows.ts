import { FarUsageError } from '../errors.ts';
import { FLAGS, type Group, type Handle, type Location, MISS, READ_SLOW } from '../handles/words.ts';
import type { Layout } from '../layout/layout.ts';
import { type ChunkIteration, type ChunkOptions, createChunkIteration, type RowChunk } from './chunks.ts';
import { createStructurePrefetch, type Memory, type StructurePrefetch } from './memory.ts';

/** Values at indices from 0 to `length - 1`. `View` and `Mutable` are as in the layout. */
export interface Rows<Value, View, Mutable> {
  readonly length: number;
  /**
   * Reads in place: a scalar's value, or the structure's one cursor moved there; undefined when it is not in local memory.
   * @throws FarUsageError for an index out of range, as everything here.
   */
  tryAt(index: number): View | undefined;
  /** After bringing it, with a cursor of its own. Valid until the next await. */
  at(index: number, options?: { readonly nt?: boolean }): Promise<View>;
  /** Blocks on a miss, where the store can. */
  atSync(index: number): View;
  /** Writes in place, in this turn; undefined on a miss. */
  tryMut(index: number): Mutable | undefined;
  mut(index: number): Promise<Mutable>;
  mutSync(index: number): Mutable;
  /** False on a miss. */
  trySet(index: number, value: Value): boolean;
  set(index: number, value: Value): Promise<void>;
  /** Copies of many; their misses travel together. */
  getMany(indices: ArrayLike<number>): Promise<Value[]>;
  /** Starts to fetch rows `from` to `to - 1`; what does not fit now is left out. */
  willNeed(from: number, to: number): void;
  /** Chunk after chunk, fetched ahead; each is pinned until the next is asked for. */
  chunks(options?: ChunkOptions): AsyncIterableIterator<RowChunk<Value, View, Mutable>>;
  /** Copies in order, fetched ahead. For speed use `chunks`. */
  values(options?: ChunkOptions): AsyncIterableIterator<Value>;
  /** Views that stay valid across awaits until `work` has ended. */
  pinned<Result>(indices: readonly number[], work: (...views: View[]) => Result | Promise<Result>): Promise<Result>;
}

export interface RowsOptions<Value, View, Mutable> {
  readonly memory: Memory;
  readonly layout: Layout<Value, View, Mutable>;
  readonly group: Group;
  /** Rows per object are 2^shift. */
  readonly shift: number;
  /** The handle of an object. */
  readonly handleAt: (chunk: number) => Handle;
  /** Zero once the structure was dropped. */
  readonly length: () => number;
  /** @throws when the structure was dropped. */
  readonly requireAlive: () => void;
}

export function createRows<Value, View, Mutable>(
  options: RowsOptions<Value, View, Mutable>,
): Rows<Value, View, Mutable> & { readonly prefetch: StructurePrefetch } {
  const { memory, layout, group, shift, handleAt, length, requireAlive } = options;
  const { objects, heap, scopes } = memory;
  const { words } = heap.table;
  const { views } = heap.arena;
  const readSlow = READ_SLOW;
  const mask = 2 ** shift - 1;
  const rowBytes = layout.byteLength;
  const viewer = layout.createViewer(views, memory.guard);
  const chunkCount = () => (length() + mask) >>> shift;
  const prefetch = createStructurePrefetch(memory, group, rowBytes << shift, chunkCount, handleAt);
  const { strides } = prefetch;
  const iteration: ChunkIteration<Value, View, Mutable> = createChunkIteration({
    memory,
    layout,
    viewer,
    window: prefetch.window,
    shift,
    handleAt,
    length,
  });

  function rejectIndex(index: number): never {
    requireAlive();
    throw new FarUsageError(`index ${index} is out of range: there are ${length()} values`);
  }

  function byteOffset(location: Location, index: number): number {
    return location * 4 + (index & mask) * rowBytes;
  }

  /** The object of a row, with its first touches shown to the prefetcher: hot objects need none. */
  function handleOf(index: number): Handle {
    if (index >>> 0 !== index || index >= length()) rejectIndex(index);
    const chunk = index >>> shift;
    const handle = handleAt(chunk);
    if ((words[handle]! & readSlow) !== 0) strides.record(chunk);
    return handle;
  }

  async function get(index: number): Promise<Location> {
    const handle = handleOf(index);
    const location = objects.tryGet(handle);
    return location === MISS ? objects.get(handle) : location;
  }

  async function mut(index: number): Promise<Location> {
    const handle = handleOf(index);
    const location = objects.tryMut(handle);
    return location === MISS ? objects.mut(handle) : location;
  }

  return {
    get length() {
      return length();
    },
    prefetch,
    tryAt: printTryAt<View>(shift, rowBytes, heap.countHits, {
      words,
      tryGet: objects.tryGet,
      move: viewer.move,
      handleAt,
      length,
      rejectIndex,
      record: strides.record,
    }),
    async at(index, readOptions) {
      const handle = handleOf(index);
      let location = objects.tryGet(handle);
      // Each async function more on the way of a miss costs as much as ten hits.
      if (location === MISS) location = await objects.get(handle, readOptions);
      return viewer.view(location, byteOffset(location, index));
    },
    atSync(index) {
      const location = objects.getSync(handleOf(index));
      return viewer.move(location, byteOffset(location, index));
    },
    tryMut(index) {
      const location = objects.tryMut(handleOf(index));
      return location === MISS ? undefined : viewer.mutable(location, byteOffset(location, index));
    },
    async mut(index) {
      const location = await mut(index);
      return viewer.mutable(location, byteOffset(location, index));
    },
    mutSync(index) {
      const location = objects.mutSync(handleOf(index));
      return viewer.mutable(location, byteOffset(location, index));
    },
    trySet(index, value) {
      const location = objects.tryMut(handleOf(index));
      if (location === MISS) return false;
      layout.write(views, byteOffset(location, index), value);
      return true;
    },
    async set(index, value) {
      const location = await mut(index);
      layout.write(views, byteOffset(location, index), value);
    },
    async getMany(indices) {
      const read = async (index: number) => {
        const location = await get(index);
        return layout.read(views, byteOffset(location, index));
      };
      return Promise.all(Array.from(indices, read));
    },
    willNeed(from, to) {
      requireAlive();
      const last = Math.min(to, length()) - 1;
      for (let chunk = Math.max(0, from) >>> shift; chunk <= last >>> shift && last >= 0; chunk++)
        if (!objects.prefetch(handleAt(chunk))) return;
    },
    chunks(chunkOptions) {
      requireAlive();
      return iteration.chunks(chunkOptions);
    },
    async *values(chunkOptions) {
      requireAlive();
      for await (const chunk of iteration.chunks(chunkOptions))
        for (let row = 0; row < chunk.length; row++) yield chunk.valueAt(row);
    },
    async pinned(indices, work) {
      const scope = scopes.open();
      try {
        const pinnedViews: View[] = [];
        for (const index of indices) {
          const location = await scope.get(handleOf(index));
          pinnedViews.push(viewer.view(location, byteOffset(location, index)));
        }
        return await work(...pinnedViews);
      } finally {
        scope.close();
      }
    },
  };
}

interface TryAtParts<View> {
  readonly words: Uint32Array;
  readonly tryGet: (handle: Handle) => Location;
  readonly move: (object: Location, byteOffset: number) => View;
  readonly handleAt: (chunk: number) => Handle;
  readonly length: () => number;
  readonly rejectIndex: (index: number) => never;
  readonly record: (chunk: number) => void;
}

/**
 * The hot path, printed per structure: closures made from one text share what the compiler learns, so that with two structures of different
 * layouts no call in it could be inlined (hits.bench.ts).
 */
function printTryAt<View>(
  shift: number,
  rowBytes: number,
  countsHits: boolean,
  parts: TryAtParts<View>,
): (index: number) => View | undefined {
  const text = `const { words, tryGet, move, handleAt, length, rejectIndex, record } = parts;
return (index) => {
  if (index >>> 0 !== index || index >= length()) rejectIndex(index);
  const handle = handleAt(index >>> ${shift});
  const word = words[handle];
  let location = (word & ${~FLAGS}) >>> 2;
  if ((word & ${READ_SLOW}) !== 0${countsHits ? ' || true' : ''}) {
    if ((word & ${READ_SLOW}) !== 0) record(index >>> ${shift});
    location = tryGet(handle);
    if (location === ${MISS}) return undefined;
  }
  return move(location, ((location << 2) >>> 0) + (index & ${2 ** shift - 1}) * ${rowBytes});
};`;
  return new Function('parts', text)(parts);
}
