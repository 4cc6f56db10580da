import { type AccessBlock, AccessKind, blockCapacity, createBlock } from '@strata/model/machine';
import type { ReadOptions, TraceReader, TraceSummary } from '../reader.ts';
import { selectRows } from '../rows.ts';
import { createTurns } from '../turns.ts';
import { type ChunkDecoder, createChunkDecoder, PayloadError } from './decode.ts';
import { damaged, type NativeFile, openNativeFile, placeOf } from './file.ts';
import type { NativeManifest } from './manifest.ts';
import { rowsKernel } from './rows.ts';

/** A native trace: a trace like any other, and one that can be entered anywhere. */
export interface NativeReader extends TraceReader {
  /** Absent when the trace is truncated and that was allowed. */
  readonly manifest: NativeManifest | undefined;
  readonly chunks: number;
  /** Accesses in the whole trace, whatever `skip` and `limit` say. */
  readonly accesses: number;
  /** The next `blocks()` begins at this access of the whole trace, in time that does not depend on it. */
  seek(access: number): void;
}

/**
 * Opens a trace in Strata's own format. The columns asked for are delivered where the trace has them; those not asked for cost nothing.
 * @throws StrataError `trace.unreadable`, `trace.not-native`, `trace.version`, `trace.truncated`, `trace.corrupt`
 */
export async function openNative(path: string, options: ReadOptions = {}): Promise<NativeReader> {
  const file = await openNativeFile(path, options.allowTruncated);
  return createReader(file, options);
}

function createReader(file: NativeFile, options: ReadOptions): NativeReader {
  const { manifest } = file;
  const warnings = [...(manifest?.warnings ?? [])];
  if (manifest === undefined) warnings.push('truncated input: only its complete chunks are read, without its manifest');
  const firstAccesses = new Float64Array(file.chunks.length + 1);
  file.chunks.forEach((chunk, number) => {
    firstAccesses[number + 1] = firstAccesses[number]! + chunk.accesses;
  });
  const accesses = firstAccesses[file.chunks.length]!;
  const bytes = file.chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
  const counts = { loads: 0, stores: 0, fetches: 0, prefetches: 0 };
  let position = options.skip ?? 0;
  let bytesDone = 0;

  async function loadChunk(number: number): Promise<ChunkDecoder> {
    const payload = await file.payload(number);
    return inChunk(number, () => createChunkDecoder(payload, file.chunks[number]!.rows));
  }

  /** Reads and inflates a chunk while the one before is decoded. Its failure is reported when its turn comes, if it does. */
  function ahead(number: number): Promise<ChunkDecoder> | undefined {
    if (number >= file.chunks.length) return undefined;
    const chunk = loadChunk(number);
    chunk.catch(() => {});
    return chunk;
  }

  function inChunk<T>(number: number, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof PayloadError)) throw error;
      throw damaged(placeOf(file.path, number, file.chunks[number]!.offset), error.message);
    }
  }

  async function* blocks(): AsyncIterableIterator<AccessBlock> {
    const first = chunkOf(firstAccesses, position);
    const block = createBlock(blockCapacity, {
      pc: options.columns?.pc === true && file.header.pc,
      physical: options.columns?.physical === true && file.header.physical,
    });
    let skip = position - (firstAccesses[first] ?? accesses);
    let left = options.limit ?? Infinity;
    bytesDone = file.chunks.slice(0, first).reduce((sum, chunk) => sum + chunk.bytes, 0);
    let next = left > 0 ? ahead(first) : undefined;
    const turn = createTurns(options.signal);
    for (let number = first; next !== undefined && left > 0; number++) {
      const decoder: ChunkDecoder = await next;
      next = ahead(number + 1);
      const { rows, accesses: chunkAccesses, bytes: chunkBytes } = file.chunks[number]!;
      while (decoder.rowsLeft > 0 && left > 0) {
        await turn();
        inChunk(number, () => decoder.read(block, blockCapacity));
        if (skip > 0 || left < block.length || (rows > chunkAccesses && options.events !== true))
          skip -= selectRows(block, { skip, keep: left, events: options.events === true });
        if (block.length === 0) continue;
        left -= count(block);
        yield block;
      }
      bytesDone += chunkBytes;
    }
  }

  function count({ kind, length }: AccessBlock): number {
    const before = total();
    const of = rowsKernel().countKinds(kind, length);
    counts.loads += of[AccessKind.load]!;
    counts.stores += of[AccessKind.store]!;
    counts.fetches += of[AccessKind.fetch]!;
    counts.prefetches += of[AccessKind.prefetch]!;
    return total() - before;
  }

  function total(): number {
    return counts.loads + counts.stores + counts.fetches + counts.prefetches;
  }

  const summary: TraceSummary = {
    format: 'strata',
    dialect: `version ${file.header.version}${manifest === undefined ? '' : `, from ${manifest.source.format}`}`,
    compression: [],
    threads: manifest?.threads ?? [],
    processes: manifest?.processes ?? [],
    dropped: new Map(Object.entries(manifest?.dropped ?? {})),
    warnings,
    get accesses() {
      return total();
    },
    get loads() {
      return counts.loads;
    },
    get stores() {
      return counts.stores;
    },
    get fetches() {
      return counts.fetches;
    },
    get prefetches() {
      return counts.prefetches;
    },
  };

  return {
    summary,
    manifest,
    chunks: file.chunks.length,
    accesses,
    blocks,
    seek(access) {
      position = access;
    },
    progress: () => (bytes === 0 ? 1 : bytesDone / bytes),
    close: () => file.close(),
  };
}

/** The last chunk that begins at or before `access`; the number of chunks when it lies behind all. */
function chunkOf(firstAccesses: Float64Array, access: number): number {
  const chunks = firstAccesses.length - 1;
  if (access >= firstAccesses[chunks]!) return access === 0 ? 0 : chunks;
  let low = 0;
  let high = chunks;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (firstAccesses[middle]! <= access) low = middle;
    else high = middle;
  }
  return low;
}
