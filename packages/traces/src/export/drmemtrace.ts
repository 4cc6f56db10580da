import { type AccessBlock, AccessKind } from '@strata/model/machine';
import { FileType, Marker } from '../formats/drmemtrace-records.ts';
import type { TraceReader } from '../reader.ts';
import { type WriteOptions, type WriteResult, writeAtomically, writeStream } from './output.ts';
import { ZipWriter } from './zip-writer.ts';

export interface DrmemtraceOptions extends WriteOptions {
  /** Instructions per component of a `.zip`. Default 10,000,000, as DynamoRIO writes. */
  readonly chunkInstructions?: number;
  /** Bytes written where the source does not know the size of an access; DynamoRIO has no unknown size. Default 8. */
  readonly unknownDataBytes?: number;
  /** The same for instructions. Default 4. */
  readonly unknownInstructionBytes?: number;
}

const traceVersion = 6;
const defaultChunkInstructions = 10_000_000;
const bufferRecords = 65_536;
/** Physical pages are told in units of 4 KiB. */
const pageBytes = 4096;
/** 2026-01-01 in microseconds since 1601: a trace without time stamps gets this one, so that the same input gives the same bytes. */
const startTimestampMicroseconds = 13_411_699_200_000_000n;
const type = { read: 0, write: 1, prefetch: 2, instruction: 10, thread: 22, threadExit: 23, process: 24 } as const;
const special = { header: 25, footer: 26, marker: 28, noFetch: 29 } as const;

/**
 * Writes a trace that DynamoRIO's own tools read: `.zip` with one component per chunk, `.gz` (and `.zst`, `.xz`, `.lz4`), or plain.
 * Threads share the file, so with more than one in the first block the trace says it is core-sharded. Data accesses that have no instruction of their own get
 * an instruction record of size 0, which sets the PC and is no fetch. Physical addresses, where the reader delivers any, become
 * marker pairs, and the trace says it covers the whole system.
 * @throws StrataError `output.unwritable`, and what reading throws
 */
export async function writeDrmemtrace(
  path: string,
  reader: TraceReader,
  options: DrmemtraceOptions = {},
): Promise<WriteResult> {
  const encoder = new DrmemtraceEncoder(reader, options, path.endsWith('.zip'));
  if (!path.endsWith('.zip')) {
    await writeStream(path, stream(encoder));
    return encoder.result();
  }
  await writeAtomically(path, async (file) => {
    const zip = new ZipWriter(file);
    for (let chunk = 0; !encoder.isDone; chunk++)
      await zip.add(`chunk.${String(chunk).padStart(4, '0')}`, stream(encoder));
    await zip.finish();
  });
  return encoder.result();
}

/** The records up to the end of the chunk, or of the trace. */
async function* stream(encoder: DrmemtraceEncoder): AsyncGenerator<Uint8Array> {
  for (;;) {
    const state = await encoder.fill();
    if (encoder.length > 0) yield encoder.take();
    if (state !== 'more') return;
  }
}

/** A column of zeros says that the format could have told physical addresses, and that this trace does not. */
function tellsFrames({ physicalLo, physicalHi, length }: AccessBlock): boolean {
  if (physicalLo === undefined || physicalHi === undefined) return false;
  for (let row = 0; row < length; row++) if (physicalLo[row] !== 0 || physicalHi[row] !== 0) return true;
  return false;
}

class DrmemtraceEncoder {
  isDone = false;
  /** Records in the buffer. */
  length = 0;
  readonly #reader: TraceReader;
  readonly #blocks: AsyncIterator<AccessBlock>;
  readonly #signal: AbortSignal | undefined;
  readonly #chunkInstructions: number;
  readonly #unknownDataBytes: number;
  readonly #unknownInstructionBytes: number;
  readonly #words = new Uint32Array(bufferRecords * 3);
  readonly #dropped = new Map<string, number>();
  readonly #frames = new Map<number, number>();
  #block: AccessBlock | undefined;
  #at = 0;
  #started = false;
  #thread = -1;
  #process = -1;
  #pcLo = 0;
  #pcHi = 0;
  #hasInstruction = false;
  #instructions = 0;
  #visible = 0;
  #chunks = 0;
  #accesses = 0;

  constructor(reader: TraceReader, options: DrmemtraceOptions, isChunked: boolean) {
    this.#reader = reader;
    this.#blocks = reader.blocks();
    this.#signal = options.signal;
    this.#chunkInstructions = isChunked ? (options.chunkInstructions ?? defaultChunkInstructions) : Infinity;
    this.#unknownDataBytes = options.unknownDataBytes ?? 8;
    this.#unknownInstructionBytes = options.unknownInstructionBytes ?? 4;
  }

  result(): WriteResult {
    return { accesses: this.#accesses, dropped: this.#dropped };
  }

  take(): Uint8Array {
    const bytes = new Uint8Array(this.#words.slice(0, this.length * 3).buffer);
    this.length = 0;
    return bytes;
  }

  /** Fills the buffer: `chunk` at the end of a chunk, `end` at the end of the trace. */
  async fill(): Promise<'more' | 'chunk' | 'end'> {
    while (this.length < bufferRecords - 16) {
      if (this.#block === undefined || this.#at === this.#block.length) {
        this.#signal?.throwIfAborted();
        const { done, value } = await this.#blocks.next();
        if (done) {
          this.#end();
          return 'end';
        }
        this.#block = value;
        this.#at = 0;
        if (!this.#started) this.#start(value);
      }
      if (this.#encode(this.#block)) return 'chunk';
    }
    return 'more';
  }

  /** Encodes accesses until the buffer or the chunk is full; true when the chunk is. */
  #encode(block: AccessBlock): boolean {
    for (; this.#at < block.length && this.length < bufferRecords - 16; this.#at++) {
      const kind = block.kind[this.#at]!;
      const isInstruction = kind === AccessKind.fetch || kind === AccessKind.noFetch;
      if (isInstruction && this.#instructions === this.#chunkInstructions) {
        this.#nextChunk();
        return true;
      }
      this.#access(block, this.#at, kind);
    }
    return false;
  }

  #access(block: AccessBlock, at: number, kind: number): void {
    if (kind > AccessKind.noFetch) {
      this.#drop('event');
      return;
    }
    this.#own(block.thread[at]!, block.process[at]!);
    const lo = block.lo[at]!;
    const hi = block.hi[at]!;
    if (block.physicalLo !== undefined) this.#translation(lo, hi, block.physicalLo[at]!, block.physicalHi![at]!);
    if (kind === AccessKind.fetch || kind === AccessKind.noFetch) {
      const size = block.size[at] || this.#unknownInstructionBytes;
      this.#visibleRecord(kind === AccessKind.fetch ? type.instruction : special.noFetch, size, lo, hi);
      this.#instructions += kind === AccessKind.fetch ? 1 : 0;
      this.#pcLo = lo;
      this.#pcHi = hi;
      this.#hasInstruction = true;
    } else {
      this.#pc(block.pcLo?.[at] ?? this.#pcLo, block.pcHi?.[at] ?? this.#pcHi);
      const recordType = kind === AccessKind.load ? type.read : kind === AccessKind.store ? type.write : type.prefetch;
      this.#visibleRecord(recordType, block.size[at] || this.#unknownDataBytes, lo, hi);
    }
    if (kind !== AccessKind.noFetch) this.#accesses++;
  }

  /** An instruction record of size 0 where the data access does not belong to the instruction before it. */
  #pc(lo: number, hi: number): void {
    if (this.#hasInstruction && lo === this.#pcLo && hi === this.#pcHi) return;
    this.#record(type.instruction, 0, lo, hi);
    this.#pcLo = lo;
    this.#pcHi = hi;
    this.#hasInstruction = true;
  }

  /** The marker pair that tells a physical page, when it is new or has changed. */
  #translation(lo: number, hi: number, physicalLo: number, physicalHi: number): void {
    if (physicalLo === 0 && physicalHi === 0) return;
    const page = hi * 1_048_576 + (lo >>> 12);
    const frame = physicalHi * 1_048_576 + (physicalLo >>> 12);
    if (this.#frames.get(page) === frame) return;
    this.#frames.set(page, frame);
    this.#marker(Marker.physicalAddress, (physicalLo & ~(pageBytes - 1)) >>> 0, physicalHi);
    this.#marker(Marker.virtualAddress, (lo & ~(pageBytes - 1)) >>> 0, hi);
  }

  #own(thread: number, process: number): void {
    if (thread === this.#thread && process === this.#process) return;
    this.#thread = thread;
    this.#process = process;
    this.#hasInstruction = false;
    this.#identity(type.thread, this.#reader.summary.threads[thread] ?? thread);
    this.#identity(type.process, this.#reader.summary.processes[process] ?? process);
  }

  #identity(recordType: number, value: number): void {
    this.#record(recordType, 4, value >>> 0, 0);
  }

  #start(block: AccessBlock): void {
    this.#started = true;
    const threads = new Set(block.thread.subarray(0, block.length));
    const filetype =
      FileType.x86_64 | (threads.size > 1 ? FileType.coreSharded : 0) | (tellsFrames(block) ? FileType.wholeSystem : 0);
    this.#record(special.header, 0, traceVersion, 0);
    this.#marker(Marker.version, traceVersion, 0);
    this.#marker(Marker.filetype, filetype, 0);
    this.#own(block.thread[0]!, block.process[0]!);
    this.#marker(Marker.cacheLineSize, 64, 0);
    this.#marker(
      Marker.chunkInstructionCount,
      Number.isFinite(this.#chunkInstructions) ? this.#chunkInstructions : 0,
      0,
    );
    this.#marker(Marker.pageSize, pageBytes, 0);
    this.#time();
  }

  #time(): void {
    const low = Number(startTimestampMicroseconds & 0xffffffffn);
    this.#marker(Marker.timestamp, low, Number(startTimestampMicroseconds >> 32n));
    this.#marker(Marker.cpu, Math.max(0, this.#thread), 0);
  }

  #nextChunk(): void {
    this.#record(special.marker, Marker.chunkFooter, this.#chunks++, 0);
    this.#instructions = 0;
    this.#nextChunkStarts = true;
  }

  #nextChunkStarts = false;

  #end(): void {
    if (!this.#started) this.#emptyTrace();
    this.#visibleRecord(type.threadExit, 4, this.#reader.summary.threads[Math.max(0, this.#thread)] ?? 0, 0);
    this.#record(special.footer, 0, 0, 0);
    this.isDone = true;
  }

  #emptyTrace(): void {
    this.#record(special.header, 0, traceVersion, 0);
    this.#marker(Marker.version, traceVersion, 0);
    this.#marker(Marker.filetype, FileType.x86_64, 0);
    this.#own(0, 0);
  }

  #drop(reason: string): void {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1);
  }

  #marker(markerType: number, lo: number, hi: number): void {
    this.#visibleRecord(special.marker, markerType, lo, hi);
  }

  /** A record that DynamoRIO's tools count. */
  #visibleRecord(recordType: number, size: number, lo: number, hi: number): void {
    if (this.#nextChunkStarts) {
      this.#nextChunkStarts = false;
      const low = this.#visible % 4_294_967_296;
      this.#record(special.marker, Marker.recordOrdinal, low, Math.floor(this.#visible / 4_294_967_296));
      this.#time();
    }
    this.#visible++;
    this.#record(recordType, size, lo, hi);
  }

  #record(recordType: number, size: number, lo: number, hi: number): void {
    const at = this.length++ * 3;
    this.#words[at] = recordType | (size << 16);
    this.#words[at + 1] = lo;
    this.#words[at + 2] = hi;
  }
}
