import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { type AccessBlock, AccessKind } from '@strata/model/machine';
import { refuseNonFile, unwritable } from '../output/index.ts';
import type { TraceReader, TraceSummary } from '../reader.ts';
import { compressParts } from './compress.ts';
import { type ChunkEncoder, createChunkEncoder } from './encode.ts';
import { type ChunkEntry, encodeFooter } from './footer.ts';
import { nativeVersion, type SectionHeader, writeFileHeader, writeSectionHeader, writeTrailer } from './layout.ts';
import { createManifest, type NativeManifest, type NativeSource } from './manifest.ts';

/** Writes a native trace block by block; memory does not depend on its length. Nothing appears under the final name before `finish`. */
export interface NativeWriter {
  /** The columns of the first block are those of the trace. The block may be reused when the promise is fulfilled. */
  write(block: AccessBlock): Promise<void>;
  finish(
    source: NativeSource,
    summary: Pick<TraceSummary, 'threads' | 'processes' | 'dropped' | 'warnings'>,
  ): Promise<NativeManifest>;
  /** Removes what was written. Does nothing after `finish`. */
  abort(): Promise<void>;
}

/** @throws StrataError `output.unwritable` */
export async function createNativeWriter(
  path: string,
  options: { readonly chunkRows?: number } = {},
): Promise<NativeWriter> {
  refuseNonFile(path);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.partial`;
  const file = await openForWriting(temporary, path);
  const chunks: ChunkEntry[] = [];
  const counts = { loads: 0, stores: 0, fetches: 0, prefetches: 0, events: 0 };
  const columns = { pc: false, physical: false };
  let encoder: ChunkEncoder | undefined;
  let offset = 0;
  let open = true;

  async function start(block?: AccessBlock): Promise<ChunkEncoder> {
    columns.pc = block?.pcLo !== undefined;
    columns.physical = block?.physicalLo !== undefined;
    await append(writeFileHeader({ version: nativeVersion, ...columns }));
    encoder = createChunkEncoder(columns, options.chunkRows);
    return encoder;
  }

  async function append(bytes: Uint8Array): Promise<void> {
    await writeAll(file, bytes, path);
    offset += bytes.length;
  }

  async function write(block: AccessBlock): Promise<void> {
    const to = encoder ?? (await start(block));
    count(block);
    for (let from = to.add(block, 0); from < block.length; from = to.add(block, from)) await flush(to);
  }

  function count({ kind, length }: AccessBlock): void {
    for (let row = 0; row < length; row++) {
      const of = kind[row]!;
      if (of === AccessKind.store) counts.stores++;
      else if (of === AccessKind.fetch) counts.fetches++;
      else if (of >= AccessKind.noFetch) counts.events++;
      else if (of === AccessKind.prefetch) counts.prefetches++;
      else counts.loads++;
    }
  }

  async function flush(from: ChunkEncoder): Promise<void> {
    const { raw, starts, rows, accesses } = from.take();
    const entryOffset = offset;
    await section({ kind: 'chunk', number: chunks.length, rows, accesses }, raw, starts);
    chunks.push({ offset: entryOffset, bytes: offset - entryOffset, rows, accesses });
  }

  async function section(
    header: Pick<SectionHeader, 'kind' | 'number' | 'rows' | 'accesses'>,
    raw: Uint8Array,
    starts: readonly number[] = [0],
  ): Promise<void> {
    const stored = await compressParts(raw, starts);
    const storedBytes = stored.length;
    await append(writeSectionHeader({ ...header, storedBytes, rawBytes: raw.length, payloadCrc: crc32(stored) }));
    await append(stored);
  }

  const finish: NativeWriter['finish'] = async (source, summary) => {
    const last = encoder ?? (await start());
    if (last.rows > 0) await flush(last);
    const manifest = createManifest(counts, columns, source, summary);
    const footerOffset = offset;
    await section({ kind: 'footer', number: chunks.length, rows: 0, accesses: 0 }, encodeFooter(manifest, chunks));
    await append(writeTrailer({ footerOffset, footerBytes: offset - footerOffset }));
    await file.close();
    open = false;
    await rename(temporary, path).catch(async (error: unknown) => {
      await rm(temporary, { force: true });
      throw unwritable(path, error);
    });
    return manifest;
  };

  async function abort(): Promise<void> {
    if (!open) return;
    open = false;
    await file.close();
    await rm(temporary, { force: true });
  }

  return { write, finish, abort };
}

export interface WriteNativeOptions {
  readonly source?: Partial<NativeSource>;
  readonly signal?: AbortSignal;
  /** Called after every block with the rows written so far. */
  readonly onProgress?: (rows: number) => void;
}

/**
 * Converts a trace to Strata's own format. The columns are those that the reader delivers: open it with the columns to keep, and with `events`
 * to keep what is not an access. The reader is read to its end, not closed.
 * @throws StrataError of the reader, or `output.unwritable`; nothing is left behind
 */
export async function writeNative(
  path: string,
  reader: TraceReader,
  options: WriteNativeOptions = {},
): Promise<NativeManifest> {
  const writer = await createNativeWriter(path);
  try {
    let rows = 0;
    for await (const block of reader.blocks()) {
      options.signal?.throwIfAborted();
      await writer.write(block);
      rows += block.length;
      options.onProgress?.(rows);
    }
    options.signal?.throwIfAborted();
    const { format, dialect, compression } = reader.summary;
    return await writer.finish({ format, dialect, compression, ...options.source }, reader.summary);
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

async function openForWriting(temporary: string, path: string): Promise<FileHandle> {
  try {
    return await open(temporary, 'wx');
  } catch (error) {
    throw unwritable(path, error);
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, path: string): Promise<void> {
  try {
    let written = 0;
    while (written < bytes.length) written += (await file.write(bytes, written)).bytesWritten;
  } catch (error) {
    throw unwritable(path, error);
  }
}
