/**
 * Record types of DynamoRIO's drmemtrace (trace_entry.h, trace versions 1 to 7) and of the two dialects in the DMT artifact, which insert
 * values of their own in the middle of the enumeration and 8 unused bytes at the end of the record.
 */
export const RecordClass = {
  unknown: 0,
  load: 1,
  store: 2,
  prefetch: 3,
  instruction: 4,
  /** Up to eight instructions that follow each other: `size` lengths in the address field. */
  bundle: 5,
  noFetch: 6,
  marker: 7,
  thread: 8,
  process: 9,
  threadExit: 10,
  header: 11,
  footer: 12,
  encoding: 13,
  flush: 14,
  flushEnd: 15,
  maybeFetch: 16,
} as const;

export interface Dialect {
  readonly name: string;
  readonly recordBytes: number;
  /** `RecordClass` by record type. */
  readonly classes: Uint8Array;
  readonly header: number;
}

/** Types of the stock enumeration, by class. */
function stockClasses(): Uint8Array {
  const classes = new Uint8Array(65_536);
  const set = (recordClass: number, from: number, to = from) => classes.fill(recordClass, from, to + 1);
  set(RecordClass.load, 0);
  set(RecordClass.store, 1);
  set(RecordClass.prefetch, 2, 9);
  set(RecordClass.instruction, 10, 16);
  set(RecordClass.bundle, 17);
  for (const type of [18, 20]) set(RecordClass.flush, type);
  for (const type of [19, 21]) set(RecordClass.flushEnd, type);
  set(RecordClass.thread, 22);
  set(RecordClass.threadExit, 23);
  set(RecordClass.process, 24);
  set(RecordClass.header, 25);
  set(RecordClass.footer, 26);
  set(RecordClass.prefetch, 27);
  set(RecordClass.marker, 28);
  set(RecordClass.noFetch, 29);
  set(RecordClass.maybeFetch, 30);
  set(RecordClass.instruction, 31);
  set(RecordClass.prefetch, 32, 46);
  set(RecordClass.encoding, 47);
  set(RecordClass.instruction, 48, 49);
  return classes;
}

/** The stock enumeration up to 31 with `inserted` values between WRITE and the first prefetch. */
function shiftedClasses(inserted: number): Uint8Array {
  const stock = stockClasses();
  const classes = new Uint8Array(65_536);
  classes.set(stock.subarray(0, 2));
  classes.set(stock.subarray(2, 32), 2 + inserted);
  return classes;
}

export const stockDialect: Dialect = {
  name: 'stock',
  recordBytes: 12,
  classes: stockClasses(),
  header: 25,
};
export const nativeDialect: Dialect = {
  name: 'DMT artifact, native dialect',
  recordBytes: 20,
  classes: shiftedClasses(6),
  header: 31,
};
export const virtDialect: Dialect = {
  name: 'DMT artifact, virtualized dialect',
  recordBytes: 20,
  classes: shiftedClasses(30),
  header: 55,
};

export const Marker = {
  timestamp: 2,
  cpu: 3,
  filetype: 9,
  cacheLineSize: 10,
  instructionCount: 11,
  version: 12,
  physicalAddress: 15,
  physicalNotAvailable: 16,
  virtualAddress: 17,
  pageSize: 18,
  chunkInstructionCount: 20,
  chunkFooter: 21,
  recordOrdinal: 22,
} as const;

export const FileType = {
  filtered: 0x1,
  instructionsOnly: 0x4,
  aarch64: 0x8,
  arm32: 0x10,
  x86_32: 0x20,
  x86_64: 0x40,
  instructionFiltered: 0x80,
  dataFiltered: 0x100,
  encodings: 0x200,
  coreSharded: 0x10000,
  wholeSystem: 0x40000,
} as const;

export const newestKnownVersion = 7;
