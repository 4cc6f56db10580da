import { FarUsageError } from '../errors.ts';
import type { Handle, Location } from '../handles/words.ts';
import type { Layout, Viewer } from '../layout/layout.ts';
import type { PrefetchWindow } from '../prefetch/window.ts';
import type { Memory } from './memory.ts';

export interface ChunkOptions {
  /** First row, and the row after the last: whole numbers from 0. Everything when left out. */
  readonly from?: number;
  readonly to?: number;
  /** Read past local memory: for one pass over more than fits. */
  readonly nt?: boolean;
  /** The rows will be written to. */
  readonly write?: boolean;
}

/** Consecutive rows that lie side by side. Valid until the next chunk is asked for. */
export interface RowChunk<Value, View, Mutable> {
  /** Index of its first row. */
  readonly start: number;
  readonly length: number;
  /** Where the first row begins, in bytes of local memory. */
  readonly byteOffset: number;
  /** Row 0 to `length - 1` of the chunk, in place; one cursor, moved. */
  at(row: number): View;
  mut(row: number): Mutable;
  /** A copy. */
  valueAt(row: number): Value;
  setAt(row: number, value: Value): void;
}

export interface ChunkIteration<Value, View, Mutable> {
  chunks(options?: ChunkOptions): AsyncGenerator<RowChunk<Value, View, Mutable>, void, undefined>;
}

export interface ChunkIterationOptions<Value, View, Mutable> {
  readonly memory: Memory;
  readonly layout: Layout<Value, View, Mutable>;
  readonly viewer: Viewer<View, Mutable>;
  readonly window: PrefetchWindow;
  readonly shift: number;
  readonly handleAt: (chunk: number) => Handle;
  readonly length: () => number;
}

export function createChunkIteration<Value, View, Mutable>(
  options: ChunkIterationOptions<Value, View, Mutable>,
): ChunkIteration<Value, View, Mutable> {
  const { memory, layout, viewer, window, shift, handleAt, length } = options;
  const { objects, heap, scopes } = memory;
  const { views } = heap.arena;
  const rows = 2 ** shift;
  const rowBytes = layout.byteLength;

  function chunkAt(location: Location, start: number, firstRow: number, count: number): RowChunk<Value, View, Mutable> {
    const byteOffset = location * 4 + firstRow * rowBytes;
    return {
      start,
      length: count,
      byteOffset,
      at: (row) => viewer.move(location, byteOffset + row * rowBytes),
      mut: (row) => viewer.mutable(location, byteOffset + row * rowBytes),
      valueAt: (row) => layout.read(views, byteOffset + row * rowBytes),
      setAt: (row, value) => layout.write(views, byteOffset + row * rowBytes, value),
    };
  }

  /** Keeps the window full; returns the next chunk to fetch. */
  function fetchAhead(next: number, current: number, last: number): number {
    let ahead = Math.max(next, current + 1);
    for (const limit = Math.min(last, current + window.objects()); ahead <= limit; ahead++)
      if (!objects.prefetch(handleAt(ahead))) break;
    return ahead;
  }

  return {
    async *chunks({ from = 0, to = Number.POSITIVE_INFINITY, nt = false, write = false } = {}) {
      for (const row of [from, to])
        if (!(row >= 0) || (!Number.isInteger(row) && row !== Number.POSITIVE_INFINITY))
          throw new FarUsageError(`chunks take rows as whole numbers from 0; found ${from} to ${to}`);
      let next = 0;
      for (let start = from; start < Math.min(to, length()); ) {
        const chunk = start >>> shift;
        const end = Math.min(to, length());
        const lastChunk = (end - 1) >>> shift;
        if (!nt) next = fetchAhead(next, chunk, lastChunk);
        const scope = scopes.open();
        try {
          const handle = handleAt(chunk);
          const location = write ? await scope.mut(handle) : await scope.get(handle, { nt });
          const firstRow = start & (rows - 1);
          const count = Math.min(end - start, rows - firstRow);
          yield chunkAt(location, start, firstRow, count);
          start += count;
        } finally {
          scope.close();
        }
      }
    },
  };
}
