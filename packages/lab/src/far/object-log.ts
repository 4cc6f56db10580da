import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { StrataError } from '@strata/model/machine';

/** One access to an object, as a program logs it. */
export interface ObjectAccess {
  readonly id: string;
  readonly bytes: number;
  readonly isWrite: boolean;
}

type LineReader = (line: string, where: string) => ObjectAccess;

/**
 * Whether a file is a log of objects: lines of JSON with `id` and `size`, or CSV whose header has columns of these names (and `rw`: r or w;
 * others are ignored).
 */
export async function isObjectLog(path: string): Promise<boolean> {
  if (path === '-' || path.startsWith('gen:')) return false;
  try {
    for await (const line of linesOf(path)) return readerFor(line) !== undefined;
  } catch {
    // Whoever opens it as a trace says what is wrong.
  }
  return false;
}

/** @throws StrataError `far.object-log` with file and line */
export async function* objectAccesses(
  path: string,
  signal: AbortSignal,
): AsyncGenerator<ObjectAccess, void, undefined> {
  let read: LineReader | undefined;
  let number = 0;
  for await (const line of linesOf(path)) {
    signal.throwIfAborted();
    number++;
    if (line.trim() === '') continue;
    if (read === undefined) {
      read = readerFor(line);
      if (read === undefined) throw broken(`${path}:${number}`, line);
      if (!line.trimStart().startsWith('{')) continue;
    }
    yield read(line, `${path}:${number}`);
  }
}

async function* linesOf(path: string): AsyncGenerator<string, void, undefined> {
  const stream = createReadStream(path);
  try {
    yield* createInterface({ input: stream, crlfDelay: Infinity });
  } finally {
    stream.destroy();
  }
}

function readerFor(firstLine: string): LineReader | undefined {
  if (firstLine.length > 65_536) return undefined;
  if (firstLine.trimStart().startsWith('{')) {
    const first = parsed(firstLine);
    return first !== undefined && 'id' in first && 'size' in first ? readJson : undefined;
  }
  const columns = firstLine.split(',').map((name) => name.trim().toLowerCase());
  const [id, size, rw] = ['id', 'size', 'rw'].map((name) => columns.indexOf(name)) as [number, number, number];
  if (id < 0 || size < 0) return undefined;
  return (line, where) => {
    const cells = line.split(',').map((cell) => cell.trim());
    return accessOf(cells[id], Number(cells[size] || Number.NaN), rw < 0 ? 'r' : cells[rw], where, line);
  };
}

function readJson(line: string, where: string): ObjectAccess {
  const { id, size, rw = 'r' } = parsed(line) ?? {};
  return accessOf(id, size, rw, where, line);
}

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

const largestObjectBytes = 2 ** 30;

function accessOf(id: unknown, size: unknown, rw: unknown, where: string, line: string): ObjectAccess {
  const isNamed = (typeof id === 'string' && id !== '') || typeof id === 'number';
  const isSized = typeof size === 'number' && Number.isInteger(size) && size >= 1 && size <= largestObjectBytes;
  if (!isNamed || !isSized || (rw !== 'r' && rw !== 'w')) throw broken(where, line);
  return { id: String(id), bytes: size, isWrite: rw === 'w' };
}

function broken(where: string, line: string): StrataError {
  return new StrataError({
    code: 'far.object-log',
    what: 'not an access to an object',
    where,
    expected:
      'an id, a size from 1 to 2^30 bytes and r or w, such as {"id":"user:7","size":64,"rw":"r"} or, below a header id,size,rw: user:7,64,r',
    found: line.slice(0, 80),
  });
}
