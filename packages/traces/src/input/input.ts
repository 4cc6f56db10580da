import { createReadStream } from 'node:fs';
import { StrataError } from '@strata/model/machine';
import { needsFile, readable, standardInput, unreadable } from './readable.ts';
import { type Chunks, compressionOf, type Decompressors, decompress, startsWith } from './stages.ts';
import { openZipStream, type ZipStream } from './zip.ts';

/** A file with whatever compression wraps it taken off. */
export interface Input {
  readonly path: string;
  /** Outermost first. */
  readonly compression: readonly string[];
  /** The first bytes of the content, at most `headBytes`. */
  readonly head: Uint8Array;
  /** Whether `head` is all there is. */
  readonly headIsAll: boolean;
  /** The content from its beginning; read once. */
  readonly chunks: Chunks;
  /** Whether it is a file, which can be entered anywhere, rather than a pipe. */
  readonly isFile: boolean;
  /** Share of the file consumed, 0 to 1; undefined for a pipe. */
  progress(): number | undefined;
  close(): Promise<void>;
}

export interface InputOptions {
  readonly decompressors?: Decompressors;
  /** Bytes of content that recognition may look at. Default 131,072. */
  readonly headBytes?: number;
  /** Bytes per read. Default 1 MiB. */
  readonly readBytes?: number;
  readonly signal?: AbortSignal;
}

const defaultHeadBytes = 131_072;
const defaultReadBytes = 1_048_576;
const maxCompressions = 4;
const zipMagic = [0x50, 0x4b];
const tarMagicAt = 257;

/**
 * @throws StrataError `trace.unreadable`, `trace.empty`, `trace.archive` (a tar), and what decompression finds
 */
export async function openInput(path: string, options: InputOptions = {}): Promise<Input> {
  const { size, isFile } = await readable(path);
  const headBytes = options.headBytes ?? defaultHeadBytes;
  const file = fileChunks(path, isFile ? size : Infinity, options);
  const open: (() => void)[] = [];
  let content = await peek(file.chunks, headBytes);
  const compression: string[] = [];
  let zip: ZipStream | undefined;
  try {
    if (content.head.length === 0) throw empty(path);
    if (isZip(content.head)) {
      await content.close();
      if (!isFile) throw needsFile(path, 'a zip archive');
      zip = await openZipStream(path);
      open.push(zip.close);
      content = await peek(zip.chunks, headBytes);
      compression.push('zip');
    }
    for (;;) {
      const found = compressionOf(content.head);
      if (found === undefined) break;
      if (compression.length === maxCompressions)
        throw new StrataError({
          code: 'trace.corrupt',
          what: `more than ${maxCompressions} compressions around each other`,
          where: path,
          found: [...compression, found.name].join(' in '),
        });
      compression.push(found.name);
      content = await peek(decompress(content.chunks, found, path, options.decompressors ?? 'auto'), headBytes);
    }
    refuseArchive(content.head, path);
    if (content.head.length === 0) throw empty(path);
  } catch (error) {
    await content.close();
    for (const close of open) close();
    throw error;
  }
  let closed = false;
  return {
    path,
    compression,
    head: content.head,
    headIsAll: content.headIsAll,
    isFile,
    chunks: content.chunks,
    progress: () =>
      isFile ? Math.min(1, (zip === undefined ? file.consumed() : zip.consumed()) / Math.max(1, size)) : undefined,
    async close() {
      if (closed) return;
      closed = true;
      await content.close();
      for (const close of open) close();
    },
  };
}

function empty(path: string): StrataError {
  return new StrataError({ code: 'trace.empty', what: 'the file is empty', where: path, expected: 'a trace' });
}

/** Local file header, or the directory of an archive without files. */
function isZip(head: Uint8Array): boolean {
  return startsWith(head, [...zipMagic, 3, 4]) || startsWith(head, [...zipMagic, 5, 6]);
}

function refuseArchive(head: Uint8Array, path: string): void {
  const text = (from: number, to: number) => new TextDecoder('latin1').decode(head.subarray(from, to));
  if (text(tarMagicAt, tarMagicAt + 5) === 'ustar')
    throw new StrataError({
      code: 'trace.archive',
      what: 'this is a tar archive, not a trace',
      where: path,
      found: `an archive that begins with ${text(0, 100).replace(/\0.*$/s, '')}`,
      mend: 'Unpack it (tar -xf) and give the trace file inside.',
    });
  if (isZip(head))
    throw new StrataError({
      code: 'trace.archive',
      what: 'a zip archive inside another compression cannot be read in place',
      where: path,
      mend: 'Take the outer compression off first.',
    });
}

function fileChunks(
  path: string,
  size: number,
  { readBytes = defaultReadBytes, signal }: InputOptions,
): { chunks: Chunks; consumed(): number } {
  let consumed = 0;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    const stream =
      path === standardInput
        ? process.stdin
        : createReadStream(path, { highWaterMark: Math.max(1, Math.min(readBytes, size)) });
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        signal?.throwIfAborted();
        consumed += chunk.length;
        yield chunk;
      }
    } catch (error) {
      throw unreadable(path, error);
    } finally {
      stream.destroy();
    }
  }
  return { chunks: chunks(), consumed: () => consumed };
}

interface Peeked {
  readonly head: Uint8Array;
  readonly headIsAll: boolean;
  readonly chunks: Chunks;
  close(): Promise<void>;
}

/** Reads ahead up to `bytes` and hands out the whole stream again, head included. A failure on the way is kept for the reader. */
async function peek(source: Chunks, bytes: number): Promise<Peeked> {
  const iterator = source[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  let have = 0;
  let ended = false;
  let failure: { readonly error: unknown } | undefined;
  while (have < bytes && !ended && failure === undefined) {
    try {
      const { done, value } = await iterator.next();
      if (done) ended = true;
      else {
        held.push(value.slice());
        have += value.length;
      }
    } catch (error) {
      failure = { error };
    }
  }
  if (failure !== undefined && have === 0) throw failure.error;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      yield* held;
      held.length = 0;
      if (failure !== undefined) throw failure.error;
      while (!ended) {
        const { done, value } = await iterator.next();
        if (done) return;
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return {
    head: concatenated(held, bytes),
    headIsAll: ended && have <= bytes,
    chunks: chunks(),
    async close() {
      await iterator.return?.();
    },
  };
}

function concatenated(pieces: readonly Uint8Array[], limit: number): Uint8Array {
  const all = new Uint8Array(
    Math.min(
      limit,
      pieces.reduce((sum, piece) => sum + piece.length, 0),
    ),
  );
  let at = 0;
  for (const piece of pieces) {
    const part = piece.subarray(0, limit - at);
    all.set(part, at);
    at += part.length;
  }
  return all;
}
