import { DrmemtraceDecoder } from './drmemtrace-decoder.ts';
import { type Dialect, FileType, Marker, nativeDialect, stockDialect, virtDialect } from './drmemtrace-records.ts';
import { type Head, type Recognition, streamFormat } from './format.ts';

/** Record 0 is a header whose address field, the version, is small; record 1, where there is one, is of a known type. */
function beginsWithHeader({ bytes }: Head, dialect: Dialect, maxVersion: number): boolean {
  if (bytes.length < 12) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isHeader = view.getUint16(0, true) === dialect.header && view.getUint16(2, true) === 0;
  const version = view.getUint32(4, true);
  if (!isHeader || view.getUint32(8, true) !== 0 || version === 0 || version > maxVersion) return false;
  if (bytes.length < dialect.recordBytes + 2) return true;
  return dialect.classes[view.getUint16(dialect.recordBytes, true)] !== 0;
}

const architectures: readonly (readonly [number, string])[] = [
  [0x40, 'x86-64'],
  [0x20, 'x86-32'],
  [0x8, 'AArch64'],
  [0x10, 'ARM32'],
];
const headerRecords = 16;

function stockWords({ bytes }: Head): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = [`version ${view.getUint32(4, true)}`];
  for (let at = 12; at + 12 <= bytes.length && at < headerRecords * 12; at += 12) {
    if (view.getUint16(at, true) !== 28 || view.getUint16(at + 2, true) !== Marker.filetype) continue;
    const filetype = view.getUint32(at + 4, true);
    words.push(...architectures.filter(([bit]) => filetype & bit).map(([, name]) => name));
    if (filetype & 0x10000) words.push('core-sharded');
    if (filetype & 0x40000) words.push('whole system');
  }
  return words.join(', ');
}

/** Markers tell a page before its first access, so that a recording with physical addresses has one among its first records. */
export function hasPhysical({ bytes }: Pick<Head, 'bytes'>): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 12; at + 12 <= bytes.length; at += 12) {
    if (view.getUint16(at, true) !== 28) continue;
    const marker = view.getUint16(at + 2, true);
    if (marker === Marker.physicalAddress || marker === Marker.physicalNotAvailable) return true;
    if (marker === Marker.filetype && (view.getUint32(at + 4, true) & FileType.wholeSystem) !== 0) return true;
  }
  return false;
}

/** The dialect of a drmemtrace stream in words, or undefined when it is none. */
export function stockDialectOf(head: Head): string | undefined {
  return beginsWithHeader(head, stockDialect, implausibleVersion) ? stockWords(head) : undefined;
}

/** Versions beyond the newest known are read with a warning, but a number this large is no version. */
const implausibleVersion = 1000;

export const drmemtrace = streamFormat({
  name: 'drmemtrace',
  summary: 'DynamoRIO memory trace (versions 1 to 7), a thread file or a folder of them; Google workload traces',
  record: '12 bytes: u16 type, u16 size, u64 address',
  end: 'footer record',
  columns: (head) => ({ pc: true, physical: hasPhysical(head) }),
  defaultDialect: 'version unknown',
  recognise: (head): Recognition | undefined => {
    const dialect = stockDialectOf(head);
    return dialect === undefined ? undefined : { by: 'magic', dialect };
  },
  createDecoder: (context) => new DrmemtraceDecoder(context, stockDialect),
});

function artifactFormat(name: string, summary: string, dialect: Dialect) {
  return streamFormat({
    name,
    summary,
    record: '20 bytes: u16 type, u16 size, u64 address, u64 unused',
    end: 'footer record',
    columns: { pc: true },
    defaultDialect: dialect.name,
    recognise: (head) => (beginsWithHeader(head, dialect, 1) ? { by: 'magic', dialect: dialect.name } : undefined),
    createDecoder: (context) => new DrmemtraceDecoder(context, dialect),
  });
}

export const dmtNative = artifactFormat('dmt-native', 'trace of the DMT artifact, native simulator', nativeDialect);
export const dmtVirt = artifactFormat('dmt-virt', 'trace of the DMT artifact, virtualized simulator', virtDialect);
