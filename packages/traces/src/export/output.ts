import { spawn } from 'node:child_process';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { StrataError } from '@strata/model/machine';
import { refuseNonFile, unwritable } from '../output/index.ts';

/** What a trace writer did. */
export interface WriteResult {
  readonly accesses: number;
  /** Accesses and events that the format cannot hold, by reason. */
  readonly dropped: ReadonlyMap<string, number>;
}

export interface WriteOptions {
  readonly signal?: AbortSignal;
}

/**
 * Creates a file under a temporary name in the target folder, and gives it its name when `fill` is done; removes it when `fill` fails.
 * @throws StrataError `output.unwritable`
 */
export async function writeAtomically<T>(path: string, fill: (file: FileHandle) => Promise<T>): Promise<T> {
  refuseNonFile(path);
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.partial`);
  const file = await open(temporary, 'w').catch((error: unknown) => {
    throw unwritable(path, error);
  });
  try {
    const result = await fill(file);
    await file.close();
    await rename(temporary, path);
    return result;
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw unwritable(path, error);
  }
}

const compressors: readonly (readonly [RegExp, readonly [string, ...string[]]])[] = [
  [/\.zst$/, ['zstd', '-qc']],
  [/\.xz$/, ['xz', '-qc']],
  [/\.lz4$/, ['lz4', '-qc']],
];

/** Writes a stream to a file, compressed as its name says: `.gz`, `.zst`, `.xz`, `.lz4`, else as it is. */
export async function writeStream(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  await writeAtomically(path, async (file) => {
    for await (const chunk of compressed(path, chunks)) await writeAll(file, chunk);
  });
}

export async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at, chunk.length - at)).bytesWritten;
}

function compressed(path: string, chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  if (path.endsWith('.gz')) return through(chunks, createGzip());
  const command = compressors.find(([ending]) => ending.test(path))?.[1];
  return command === undefined ? chunks : spawned(chunks, command, path);
}

async function* through(
  chunks: AsyncIterable<Uint8Array>,
  transform: ReturnType<typeof createGzip>,
): AsyncGenerator<Uint8Array> {
  const input = Readable.from(chunks, { objectMode: true, highWaterMark: 1 });
  input.on('error', (error) => transform.destroy(error));
  input.pipe(transform);
  try {
    yield* transform as AsyncIterable<Buffer>;
  } finally {
    input.destroy();
    transform.destroy();
  }
}

async function* spawned(
  chunks: AsyncIterable<Uint8Array>,
  [program, ...options]: readonly [string, ...string[]],
  path: string,
): AsyncGenerator<Uint8Array> {
  const child = spawn(program, options, { stdio: ['pipe', 'pipe', 'ignore'] });
  let failure: unknown;
  const exited = new Promise<number | null>((resolve) => {
    child.on('error', (error) => {
      failure = missing(program, path, error);
      resolve(null);
    });
    child.on('close', resolve);
  });
  const input = Readable.from(chunks, { objectMode: true, highWaterMark: 1 });
  input.on('error', (error) => {
    failure ??= error;
    child.stdin.destroy();
  });
  child.stdin.on('error', () => input.destroy());
  input.pipe(child.stdin);
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    const status = await exited;
    if (failure !== undefined) throw failure;
    if (status !== 0)
      throw new StrataError({ code: 'output.unwritable', what: `${program} failed (${status})`, where: path });
  } finally {
    child.kill('SIGKILL');
    input.destroy();
  }
}

function missing(program: string, path: string, error: Error): StrataError {
  return new StrataError({
    code: 'trace.no-compressor',
    what: `${program} cannot be started (${error.message})`,
    where: path,
    mend: `Install ${program}, or write .gz instead.`,
    exitCode: 3,
  });
}
