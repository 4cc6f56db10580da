import { spawn, spawnSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { StrataError } from '@strata/model/machine';
import { Decompress } from 'fzstd';
import { decodeLz4 } from './lz4.ts';

/** Bytes in order. A chunk stays valid until the next one is asked for, and may be of any length but 0. */
export type Chunks = AsyncIterable<Uint8Array>;

/** Whether programs on PATH may decompress (2 to 5 times faster, on a core of their own) or only what ships with Strata. */
export type Decompressors = 'auto' | 'builtin';

interface Compression {
  readonly name: string;
  readonly magic: readonly number[];
  /** Program and arguments that decompress standard input to standard output. */
  readonly command?: readonly [string, ...string[]];
  readonly builtin?: (source: Chunks) => Chunks;
}

const zlibChunkBytes = 262_144;

const compressions: readonly Compression[] = [
  { name: 'gzip', magic: [0x1f, 0x8b, 0x08], builtin: gunzip },
  {
    name: 'zstd',
    magic: [0x28, 0xb5, 0x2f, 0xfd],
    command: ['zstd', '-dcq', '--long=31'],
    builtin: unzstd,
  },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], command: ['xz', '-dcq'], builtin: unxz },
  { name: 'lz4', magic: [0x04, 0x22, 0x4d, 0x18], command: ['lz4', '-dcq'], builtin: decodeLz4 },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68], command: ['bzip2', '-dcq'] },
];

/** The stream compression that `head` begins with, if any. */
export function compressionOf(head: Uint8Array): Compression | undefined {
  return compressions.find(({ magic }) => startsWith(head, magic));
}

export function startsWith(head: Uint8Array, magic: readonly number[]): boolean {
  return head.length >= magic.length && magic.every((byte, at) => head[at] === byte);
}

/**
 * @param path for messages
 * @throws StrataError while reading: `trace.truncated` when the compressed data ends early, `trace.corrupt` when it is damaged,
 * `trace.no-decompressor` (exit code 3) when only a program that is not installed can read it
 */
export function decompress(
  source: Chunks,
  { name, command, builtin }: Compression,
  path: string,
  allowed: Decompressors,
): Chunks {
  if (command !== undefined && allowed === 'auto' && isInstalled(command[0]))
    return spawned(source, command, name, path);
  if (builtin !== undefined) return named(builtin, source, name, path);
  throw new StrataError({
    code: 'trace.no-decompressor',
    what: `${name} data cannot be read without the ${command?.[0]} program`,
    where: path,
    mend: `Install ${command?.[0]}, or decompress the file first.`,
    exitCode: 3,
  });
}

const installed = new Map<string, boolean>();
function isInstalled(program: string): boolean {
  const key = `${process.env.PATH}\0${program}`;
  let known = installed.get(key);
  if (known === undefined) {
    known = spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
    installed.set(key, known);
  }
  return known;
}

/** Keeps what went wrong in the source apart from what a decompressor makes of a source that stops. */
class SourceFailure {
  error: unknown;
  async *watch(source: Chunks): AsyncGenerator<Uint8Array> {
    try {
      yield* source;
    } catch (error) {
      this.error = error;
      throw error;
    }
  }
}

async function* named(
  builtin: (source: Chunks) => Chunks,
  source: Chunks,
  name: string,
  path: string,
): AsyncGenerator<Uint8Array> {
  const failure = new SourceFailure();
  try {
    yield* builtin(failure.watch(source));
  } catch (error) {
    throw failure.error ?? damaged(name, path, error instanceof Error ? error.message : String(error));
  }
}

function damaged(name: string, path: string, message: string): StrataError {
  const cut =
    /unexpected end|premature|truncated|unexpected eof|ends unexpectedly|unfinished|end of (file|input)|incomplete/i;
  const found = message.trim().replace(/\s+/g, ' ').slice(0, 300) || 'no message';
  return cut.test(message)
    ? new StrataError({
        code: 'trace.truncated',
        what: `the ${name} data ends early`,
        where: path,
        found,
        mend: 'Fetch the file again, or allow truncated input to read it as far as it goes.',
      })
    : new StrataError({
        code: 'trace.corrupt',
        what: `the ${name} data is damaged`,
        where: path,
        found,
        mend: 'Fetch the file again.',
      });
}

async function* gunzip(source: Chunks): AsyncGenerator<Uint8Array> {
  const transform = createGunzip({ chunkSize: zlibChunkBytes });
  const input = Readable.from(source, { objectMode: true, highWaterMark: 1 });
  input.on('error', (error) => transform.destroy(error));
  transform.on('close', () => input.destroy());
  input.pipe(transform);
  try {
    yield* transform as AsyncIterable<Buffer>;
  } finally {
    transform.destroy();
    input.destroy();
  }
}

async function* unzstd(source: Chunks): AsyncGenerator<Uint8Array> {
  let ready: Uint8Array[] = [];
  const decoder = new Decompress((chunk) => {
    if (chunk.length > 0) ready.push(chunk);
  });
  for await (const chunk of source) {
    // A small piece at a time bounds what one push can unfold to.
    for (let at = 0; at < chunk.length; at += zlibChunkBytes) {
      decoder.push(chunk.slice(at, at + zlibChunkBytes));
      yield* ready;
      ready = [];
    }
  }
  decoder.push(new Uint8Array(0), true);
  yield* ready;
}

async function* unxz(source: Chunks): AsyncGenerator<Uint8Array> {
  // CommonJS without names that Node could see, and with its WebAssembly inline: loaded when it is needed.
  const { default: xz } = await import('xz-decompress');
  const reader = new xz.XzReadableStream(webStreamOf(source)).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (value.length > 0) yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function webStreamOf(source: Chunks): ReadableStream<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return?.();
    },
  });
}

async function* spawned(
  source: Chunks,
  [program, ...options]: readonly [string, ...string[]],
  name: string,
  path: string,
): AsyncGenerator<Uint8Array> {
  const failure = new SourceFailure();
  const child = spawn(program, options, { stdio: ['pipe', 'pipe', 'pipe'] });
  const exited = new Promise<string | undefined>((resolve) => {
    let messages = '';
    child.stderr.on('data', (text: Buffer) => {
      if (messages.length < 2000) messages += text.toString();
    });
    child.on('error', (error) => resolve(error.message));
    child.on('close', (status) =>
      resolve(status === 0 ? undefined : messages || `${program} ended with status ${status}`),
    );
  });
  // A program that stops early closes its input: its exit status tells why, not the broken pipe.
  const input = Readable.from(failure.watch(source), { objectMode: true, highWaterMark: 1 });
  const fed = pipeline(input, child.stdin).catch(() => undefined);
  let complete = false;
  try {
    yield* child.stdout as AsyncIterable<Buffer>;
    const message = await exited;
    complete = true;
    await fed;
    if (failure.error !== undefined) throw failure.error;
    if (message !== undefined) throw damaged(name, path, message);
  } finally {
    if (!complete) {
      child.kill('SIGKILL');
      child.stdin.destroy();
      input.destroy();
      await exited;
    }
  }
}
