import { crc32 } from 'node:zlib';

/**
 * Strata's own trace format, version 1. Little-endian.
 *
 *     header 24 bytes | chunk ... | footer | trailer 24 bytes
 *
 * A chunk is a 32-byte section header and a deflated payload (payload.ts) that can be decoded without any other chunk. The footer is a
 * section too: the manifest as JSON and the index of chunks. The trailer leads to it, so that opening reads three places whatever the
 * length. Every byte is covered by a CRC-32: of the header, of each section header, of each payload, of the trailer.
 */
export const nativeVersion = 1;

/** First byte outside ASCII and a line feed at the end, so that a transfer in text mode is noticed (as PNG does). */
export const headerMagic: Uint8Array = Uint8Array.of(0x89, 0x53, 0x54, 0x52, 0x41, 0x54, 0x41, 0x0a);
export const trailerMagic: Uint8Array = Uint8Array.of(0x0a, 0x41, 0x54, 0x41, 0x52, 0x54, 0x53, 0x89);
export const headerBytes = 24;
export const sectionHeaderBytes = 32;
export const trailerBytes = 24;

/** Rows of a full chunk. 2^17 rows keep a chunk's planes within a second-level cache and a reader's memory below 10 MB. */
export const chunkRows = 131_072;
/** Bound on what a payload may inflate to, per row and in all: more than the encoder can produce. */
export const payloadBytesPerRow = 64;
export const payloadBytesFixed = 1 << 16;

export interface FileHeader {
  readonly version: number;
  readonly pc: boolean;
  readonly physical: boolean;
}

export type SectionKind = 'chunk' | 'footer';
const sectionTags: Readonly<Record<SectionKind, number>> = { chunk: 0x4b4e4843, footer: 0x544f4f46 };

export interface SectionHeader {
  readonly kind: SectionKind;
  /** Chunks are numbered from 0; the footer has the number of chunks. */
  readonly number: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  /** Accesses and events. */
  readonly rows: number;
  readonly accesses: number;
  readonly payloadCrc: number;
}

export interface Trailer {
  readonly footerOffset: number;
  readonly footerBytes: number;
}

export function isNativeTrace(start: Uint8Array): boolean {
  return headerMagic.every((byte, index) => start[index] === byte);
}

export function writeFileHeader({ version, pc, physical }: FileHeader): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  bytes.set(headerMagic);
  const view = viewOf(bytes);
  view.setUint32(8, version, true);
  view.setUint32(12, (pc ? 1 : 0) | (physical ? 2 : 0), true);
  return sealed(bytes, headerBytes - 4);
}

/** Undefined when the checksum does not hold. */
export function readFileHeader(bytes: Uint8Array): FileHeader | undefined {
  if (!holds(bytes, headerBytes, headerBytes - 4)) return undefined;
  const view = viewOf(bytes);
  const flags = view.getUint32(12, true);
  return { version: view.getUint32(8, true), pc: (flags & 1) !== 0, physical: (flags & 2) !== 0 };
}

export function writeSectionHeader(header: SectionHeader): Uint8Array {
  const bytes = new Uint8Array(sectionHeaderBytes);
  const view = viewOf(bytes);
  const fields = [header.number, header.storedBytes, header.rawBytes, header.rows, header.accesses, header.payloadCrc];
  view.setUint32(0, sectionTags[header.kind], true);
  fields.forEach((field, index) => {
    view.setUint32(4 + 4 * index, field, true);
  });
  return sealed(bytes, sectionHeaderBytes - 4);
}

/** Undefined when the checksum does not hold or it is no section. */
export function readSectionHeader(bytes: Uint8Array): SectionHeader | undefined {
  if (!holds(bytes, sectionHeaderBytes, sectionHeaderBytes - 4)) return undefined;
  const view = viewOf(bytes);
  const tag = view.getUint32(0, true);
  const kind = tag === sectionTags.chunk ? 'chunk' : tag === sectionTags.footer ? 'footer' : undefined;
  if (kind === undefined) return undefined;
  const field = (index: number) => view.getUint32(4 + 4 * index, true);
  return {
    kind,
    number: field(0),
    storedBytes: field(1),
    rawBytes: field(2),
    rows: field(3),
    accesses: field(4),
    payloadCrc: field(5),
  };
}

export function writeTrailer({ footerOffset, footerBytes }: Trailer): Uint8Array {
  const bytes = new Uint8Array(trailerBytes);
  const view = viewOf(bytes);
  view.setFloat64(0, footerOffset, true);
  view.setUint32(8, footerBytes, true);
  bytes.set(trailerMagic, 16);
  view.setUint32(12, crcBeside(bytes), true);
  return bytes;
}

/** Undefined when the checksum does not hold. */
export function readTrailer(bytes: Uint8Array): Trailer | undefined {
  if (bytes.length < trailerBytes) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(12, true) !== crcBeside(bytes)) return undefined;
  return { footerOffset: view.getFloat64(0, true), footerBytes: view.getUint32(8, true) };
}

/** The trailer's checksum stands before the closing magic, so it covers what is on both sides. */
function crcBeside(bytes: Uint8Array): number {
  return crc32(bytes.subarray(16, trailerBytes), crc32(bytes.subarray(0, 12)));
}

function sealed(bytes: Uint8Array, at: number): Uint8Array {
  viewOf(bytes).setUint32(at, crc32(bytes.subarray(0, at)), true);
  return bytes;
}

function holds(bytes: Uint8Array, length: number, at: number): boolean {
  return bytes.length >= length && viewOf(bytes).getUint32(at, true) === crc32(bytes.subarray(0, at));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
