import { crc32 } from 'node:zlib';
import { StrataError } from '@strata/model/machine';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { readable } from './readable.ts';
import type { Chunks } from './stages.ts';

/**
 * The components of a zip archive.
 * @throws StrataError `trace.truncated` or `trace.corrupt`
 */
export async function zipEntries(path: string): Promise<string[]> {
  return withZip(path, async (_zip, entries) => entries.map(({ fileName }) => fileName));
}

/** One component of a zip archive, read by name. */
export async function* zipComponent(path: string, name: string): AsyncGenerator<Uint8Array> {
  const { zip, entries } = await openZip(path);
  try {
    yield* contentOf(
      zip,
      entries.filter(({ fileName }) => fileName === name),
      path,
      () => undefined,
    );
  } finally {
    zip.close();
  }
}

export interface ZipStream {
  readonly chunks: Chunks;
  /** Compressed bytes consumed so far. */
  consumed(): number;
  close(): void;
}

/**
 * The components of an archive as one stream: a single file, or numbered chunks (`chunk.0000`, ...) in order as drmemtrace writes them.
 * @throws StrataError `trace.several-files` when the components do not belong to one stream
 */
export async function openZipStream(path: string): Promise<ZipStream> {
  const { zip, entries } = await openZip(path);
  const files = entries.filter(({ fileName }) => !fileName.endsWith('/'));
  const chunks = files.filter(({ fileName }) => /^chunk\.\d+$/.test(fileName));
  const chosen =
    chunks.length > 0 ? chunks.sort((a, b) => chunkNumber(a) - chunkNumber(b)) : files.length === 1 ? files : [];
  const missing = chosen.findIndex((entry, index) => chunks.length > 0 && chunkNumber(entry) !== index);
  if (chosen.length === 0 || missing >= 0) {
    zip.close();
    throw missing >= 0
      ? new StrataError({
          code: 'trace.truncated',
          what: `component chunk.${String(missing).padStart(4, '0')} is missing from the archive`,
          where: path,
          mend: 'Fetch the file again.',
        })
      : new StrataError({
          code: 'trace.several-files',
          what: 'the zip archive does not hold one trace',
          where: path,
          expected: 'one file, or components named chunk.0000, chunk.0001, ...',
          found: files.length === 0 ? 'no file' : `${files.length} files (${listed(files)})`,
          mend: 'Unpack the archive and give the file you mean.',
        });
  }
  let consumed = 0;
  return {
    chunks: contentOf(zip, chosen, path, (bytes) => {
      consumed += bytes;
    }),
    consumed: () => consumed,
    close: () => zip.close(),
  };
}

function listed(files: readonly Entry[]): string {
  const names = files.slice(0, 3).map(({ fileName }) => fileName);
  return files.length > 3 ? `${names.join(', ')}, ...` : names.join(', ');
}

function chunkNumber(entry: Entry): number {
  return Number(entry.fileName.slice('chunk.'.length));
}

async function* contentOf(
  zip: ZipFile,
  entries: readonly Entry[],
  path: string,
  onConsumed: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    try {
      const stream = await zip.openReadStreamPromise(entry);
      let checksum = 0;
      let read = 0;
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        checksum = crc32(chunk, checksum);
        // Compressed bytes in proportion to what came out: yauzl does not tell.
        const before = read;
        read += chunk.length;
        onConsumed(((read - before) / Math.max(1, entry.uncompressedSize)) * entry.compressedSize);
        if (chunk.length > 0) yield chunk;
      }
      if (checksum !== entry.crc32) throw new Error('checksum mismatch');
    } catch (error) {
      throw zipError(path, error, entry.fileName);
    }
  }
}

async function withZip<T>(path: string, use: (zip: ZipFile, entries: Entry[]) => Promise<T>): Promise<T> {
  const { zip, entries } = await openZip(path);
  try {
    return await use(zip, entries);
  } finally {
    zip.close();
  }
}

async function openZip(path: string): Promise<{ zip: ZipFile; entries: Entry[] }> {
  await readable(path);
  let zip: ZipFile | undefined;
  try {
    zip = await openPromise(path, { lazyEntries: true, autoClose: false });
    const entries = await entriesOf(zip);
    return { zip, entries };
  } catch (error) {
    zip?.close();
    throw zipError(path, error);
  }
}

function entriesOf(zip: ZipFile): Promise<Entry[]> {
  return new Promise((resolve, reject) => {
    const entries: Entry[] = [];
    zip.on('entry', (entry: Entry) => {
      entries.push(entry);
      zip.readEntry();
    });
    zip.on('end', () => resolve(entries));
    zip.on('error', reject);
    zip.readEntry();
  });
}

function zipError(path: string, error: unknown, component?: string): unknown {
  if (error instanceof StrataError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const where = component === undefined ? path : `${path}, component ${component}`;
  if (/end of central directory/i.test(message))
    return new StrataError({
      code: 'trace.truncated',
      what: 'the zip archive has no directory at its end',
      where,
      found: 'a file cut short or still being written',
      mend: 'Fetch the file again.',
    });
  return new StrataError({
    code: 'trace.corrupt',
    what: 'the zip archive is damaged',
    where,
    found: message,
    mend: 'Fetch the file again.',
  });
}
