import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { StrataError } from '@strata/model/machine';
import { unreadable } from '../input/readable.ts';
import { type ChunkEntry, decodeFooter } from './footer.ts';
import {
  type FileHeader,
  headerBytes,
  isNativeTrace,
  nativeVersion,
  payloadBytesFixed,
  payloadBytesPerRow,
  readFileHeader,
  readSectionHeader,
  readTrailer,
  type SectionHeader,
  sectionHeaderBytes,
  trailerBytes,
} from './layout.ts';
import type { NativeManifest } from './manifest.ts';

const inflate = promisify(inflateRaw);

/** A native trace on disk: its chunks, and their payloads on demand. */
export interface NativeFile {
  readonly path: string;
  readonly header: FileHeader;
  readonly chunks: readonly ChunkEntry[];
  /** Absent when the file is truncated and that was allowed. */
  readonly manifest: NativeManifest | undefined;
  /** The inflated payload, at the start of its buffer. @throws StrataError `trace.corrupt`, `trace.truncated` */
  payload(number: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** @throws StrataError `trace.unreadable`, `trace.not-native`, `trace.version`, `trace.truncated`, `trace.corrupt` */
export async function openNativeFile(path: string, allowTruncated = false): Promise<NativeFile> {
  const { file, size } = await openForReading(path);
  try {
    const header = await openHeader(file, path, size);
    const { chunks, manifest } = (await openIndex(file, path, size)) ?? (await scan(file, path, size, allowTruncated));
    return {
      path,
      header,
      chunks,
      manifest,
      payload: async (number) => {
        const place = placeOf(path, number, chunks[number]!.offset);
        const section = await readSection(file, chunks[number]!.offset, size, place);
        if (section.header.kind !== 'chunk' || section.header.number !== number)
          throw damaged(place, 'another section');
        return section.payload;
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openForReading(path: string): Promise<{ file: FileHandle; size: number }> {
  try {
    const file = await open(path, 'r');
    return { file, size: (await file.stat()).size };
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function openHeader(file: FileHandle, path: string, size: number): Promise<FileHeader> {
  const start = await readAt(file, 0, Math.min(size, headerBytes));
  if (start.length < headerBytes && isNativeTrace(start)) throw truncated(path, 'the header', 0, size);
  if (!isNativeTrace(start))
    throw new StrataError({
      code: 'trace.not-native',
      what: 'this is not a trace in the format of Strata',
      where: path,
    });
  const header = readFileHeader(start);
  if (header === undefined) throw damaged(`${path}, header at byte 0`, 'a wrong checksum');
  if (header.version !== nativeVersion)
    throw new StrataError({
      code: 'trace.version',
      what: 'this version of the format is not known',
      where: path,
      expected: `version ${nativeVersion}`,
      found: `version ${header.version}`,
      mend: 'Use the release of Strata that wrote it, or convert the source again.',
    });
  return header;
}

interface Index {
  readonly chunks: readonly ChunkEntry[];
  readonly manifest: NativeManifest | undefined;
}

/** By way of the trailer; undefined when the trailer is not where it belongs. */
async function openIndex(file: FileHandle, path: string, size: number): Promise<Index | undefined> {
  if (size < headerBytes + sectionHeaderBytes + trailerBytes) return undefined;
  const trailer = readTrailer(await readAt(file, size - trailerBytes, trailerBytes));
  if (trailer === undefined || trailer.footerOffset + trailer.footerBytes + trailerBytes !== size) return undefined;
  return readFooter(file, path, size, trailer.footerOffset);
}

async function readFooter(file: FileHandle, path: string, size: number, offset: number): Promise<Index> {
  const place = `${path}, footer at byte ${offset}`;
  const { header, payload } = await readSection(file, offset, size, place);
  const index = header.kind === 'footer' ? decodeFooter(payload, headerBytes) : undefined;
  if (index === undefined || index.chunks.length !== header.number) throw damaged(place, 'a contradictory index');
  return index;
}

/** Walks the sections from the start, to name the place where a file without a valid trailer breaks. */
async function scan(file: FileHandle, path: string, size: number, allowTruncated: boolean): Promise<Index> {
  const chunks: ChunkEntry[] = [];
  for (let offset = headerBytes; ; ) {
    const place = placeOf(path, chunks.length, offset);
    const bytes = await readAt(file, offset, Math.min(sectionHeaderBytes, size - offset));
    const header = readSectionHeader(bytes);
    if (header === undefined && bytes.length === sectionHeaderBytes)
      throw damaged(place, 'a wrong checksum of its header');
    const end = header === undefined ? Infinity : offset + sectionHeaderBytes + header.storedBytes;
    if (header?.kind === 'footer' && end <= size && !allowTruncated) throw trailerFault(path, size, end);
    if (header === undefined || header.kind === 'footer' || end > size) {
      if (allowTruncated) return { chunks, manifest: undefined };
      throw truncated(path, `chunk ${chunks.length}`, offset, size);
    }
    chunks.push({ offset, bytes: end - offset, rows: header.rows, accesses: header.accesses });
    offset = end;
  }
}

function trailerFault(path: string, size: number, end: number): StrataError {
  if (size < end + trailerBytes) return truncated(path, 'the trailer', end, size);
  const found = size > end + trailerBytes ? `${size - end - trailerBytes} bytes after it` : 'a wrong checksum';
  return damaged(`${path}, trailer at byte ${end}`, found);
}

async function readSection(
  file: FileHandle,
  offset: number,
  size: number,
  place: string,
): Promise<{ header: SectionHeader; payload: Uint8Array }> {
  const header = readSectionHeader(await readAt(file, offset, sectionHeaderBytes));
  if (header === undefined) throw damaged(place, 'a wrong checksum of its header');
  if (offset + sectionHeaderBytes + header.storedBytes > size)
    throw damaged(place, 'an end beyond the end of the file');
  const stored = await readAt(file, offset + sectionHeaderBytes, header.storedBytes);
  if (crc32(stored) !== header.payloadCrc) throw damaged(place, 'a wrong checksum');
  const bound = header.kind === 'footer' ? Infinity : payloadBytesFixed + header.rows * payloadBytesPerRow;
  if (header.rawBytes > bound) throw damaged(place, `an impossible size of ${header.rawBytes} bytes`);
  try {
    // One byte more than needed, so that zlib hands out the one buffer that it filled.
    const payload = await inflate(stored, {
      chunkSize: Math.max(64, header.rawBytes + 1),
      maxOutputLength: header.rawBytes,
    });
    if (payload.length !== header.rawBytes) throw damaged(place, 'another length than it says');
    return { header, payload: payload.byteOffset % 4 === 0 ? payload : new Uint8Array(payload) };
  } catch (error) {
    if (error instanceof StrataError) throw error;
    throw damaged(place, error instanceof Error ? error.message : String(error));
  }
}

/** Up to `length` bytes; fewer only at the end of the file. */
async function readAt(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

export function placeOf(path: string, number: number, offset: number): string {
  return `${path}, chunk ${number} at byte ${offset}`;
}

export function damaged(where: string, found: string): StrataError {
  return new StrataError({
    code: 'trace.corrupt',
    what: 'the trace is damaged',
    where,
    expected: 'what the writer put there',
    found,
    mend: 'Copy or convert it again.',
  });
}

function truncated(path: string, part: string, offset: number, size: number): StrataError {
  return new StrataError({
    code: 'trace.truncated',
    what: `the trace ends in ${part}`,
    where: `${path}, ${part} at byte ${offset}`,
    expected: 'chunks, footer and trailer',
    found: `the end of the file at byte ${size}`,
    mend: 'Copy or convert it again, or use --allow-truncated to read the complete chunks.',
  });
}
