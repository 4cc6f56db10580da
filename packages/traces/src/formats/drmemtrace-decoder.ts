import { type AccessBlock, AccessKind } from '@strata/model/machine';
import { type DecodeContext, type Decoder, endOnRecord, recordSlots, truncated } from '../stream-reader.ts';
import type { Window } from '../window.ts';
import { batchRecords, drmemtraceBatch, type PlainRecords } from './drmemtrace-batch.ts';
import { type Dialect, FileType, Marker, newestKnownVersion, RecordClass } from './drmemtrace-records.ts';
import { malformed } from './format.ts';

const maxAccessBytes = 65_535;
const maxBundle = 8;
/** Fewer plain records than this in a row are not worth the copying of a batch: many are then taken one by one. */
const fewRecords = 64;
const manyRecords = 512;

/**
 * One stream of drmemtrace records. The rules are those of DynamoRIO's own reader: an instruction record sets the PC, and is a fetch unless
 * its size is 0; data records inherit the PC; a thread record names the thread of what follows; a process record binds that thread.
 */
export class DrmemtraceDecoder implements Decoder {
  /** Instructions so far, executed without fetch not counted: what schedule files count. */
  instructions = 0;
  /** Time stamp of the last marker, microseconds since 1601, in two words. */
  timestampHi = 0;
  timestampLo = 0;
  /** Decoding pauses after each time stamp marker, for merging threads. */
  pauseAtTimestamps = false;
  /** Decoding pauses before the instruction of this number. */
  pauseAtInstruction = Infinity;
  paused = false;

  readonly #context: DecodeContext;
  readonly #dialect: Dialect;
  readonly #processOfThread: number[] = [];
  #thread = 0;
  #process = 0;
  readonly #plain: PlainRecords = {
    pcLo: 0,
    pcHi: 0,
    nextPcLo: 0,
    nextPcHi: 0,
    records: 0,
    rows: 0,
    instructions: 0,
    encodings: 0,
    emptyFetches: 0,
  };
  #flushLo = 0;
  #flushHi = 0;
  #sawHeader = false;
  #ended = false;
  readonly #frames = new Map<number, number>();
  #physicalLo = 0;
  #physicalHi = 0;
  #mapPage = 4096;
  #encodings = 0;
  #markers = 0;
  #emptyFetches = 0;

  constructor(context: DecodeContext, dialect: Dialect) {
    this.#context = context;
    this.#dialect = dialect;
  }

  decode(window: Window, block: AccessBlock): void {
    const { recordBytes, classes } = this.#dialect;
    const { words } = window;
    const step = recordBytes >>> 2;
    const stop = (window.start + Math.floor((window.end - window.start) / recordBytes) * recordBytes) >>> 2;
    const full = block.lo.length - recordSlots;
    let at = window.start >>> 2;
    if (!this.#sawHeader && at < stop && classes[words[at]! & 0xffff] !== RecordClass.header)
      this.#noHeader(window.offset);
    this.paused = false;
    // Where records that are no plain access are frequent, taking plain ones in bulk does not pay.
    let singleUntil = block.physicalLo === undefined ? at : stop;
    while (at < stop && block.length <= full && !this.paused) {
      if (at < singleUntil) {
        at = this.#oneByOne(window, block, at, Math.min(stop, singleUntil));
        continue;
      }
      const records = Math.min(batchRecords, (stop - at) / step, full + 1 - block.length);
      const taken = this.#inBulk(words, block, at, records);
      at += taken * step;
      if (taken < records) singleUntil = at + (taken < fewRecords ? manyRecords : 1) * step;
    }
    window.start = at * 4;
  }

  /** Takes plain records up to the first other one; returns how many. */
  #inBulk(words: Uint32Array, block: AccessBlock, at: number, records: number): number {
    const plain = this.#plain;
    const { recordBytes, classes } = this.#dialect;
    const instructions = this.pauseAtInstruction - this.instructions;
    drmemtraceBatch.take(plain, words, at, recordBytes >>> 2, classes, { records, instructions });
    drmemtraceBatch.append(block, plain.rows, this.#thread, this.#process);
    this.instructions += plain.instructions;
    this.#encodings += plain.encodings;
    this.#emptyFetches += plain.emptyFetches;
    return plain.records;
  }

  #oneByOne(window: Window, block: AccessBlock, from: number, stop: number): number {
    const { words } = window;
    const { recordBytes, classes } = this.#dialect;
    const { lo, hi, kind, size, thread, process, pcLo, pcHi } = block;
    const plain = this.#plain;
    const step = recordBytes >>> 2;
    const full = lo.length - recordSlots;
    let at = from;
    let to = block.length;
    for (; at < stop && to <= full && !this.paused; at += step) {
      const head = words[at]!;
      const recordClass = classes[head & 0xffff]!;
      const low = words[at + 1]!;
      const high = words[at + 2]!;
      if (recordClass <= RecordClass.prefetch && recordClass !== RecordClass.unknown) {
        kind[to] = recordClass === RecordClass.load ? AccessKind.load : recordClass === RecordClass.store ? 1 : 3;
      } else if (recordClass === RecordClass.instruction) {
        if (this.instructions >= this.pauseAtInstruction) {
          this.paused = true;
          break;
        }
        this.instructions++;
        const bytes = head >>> 16;
        plain.pcLo = low;
        plain.pcHi = high;
        plain.nextPcLo = (low + bytes) >>> 0;
        plain.nextPcHi = plain.nextPcLo < low ? high + 1 : high;
        if (bytes === 0) {
          this.#emptyFetches++;
          continue;
        }
        kind[to] = AccessKind.fetch;
      } else if (recordClass === RecordClass.encoding) {
        this.#encodings++;
        continue;
      } else {
        block.length = to;
        this.#other(recordClass, head >>> 16, low, high, block, window.offset + at * 4);
        to = block.length;
        continue;
      }
      lo[to] = low;
      hi[to] = high;
      size[to] = head >>> 16;
      thread[to] = this.#thread;
      process[to] = this.#process;
      if (pcLo !== undefined && pcHi !== undefined) {
        pcLo[to] = plain.pcLo;
        pcHi[to] = plain.pcHi;
      }
      if (block.physicalLo !== undefined) this.#translate(block, to);
      to++;
    }
    block.length = to;
    return at;
  }

  end(window: Window): void {
    const { tally, path } = this.#context;
    tally.drop('instruction encoding', this.#encodings);
    tally.drop('marker', this.#markers);
    tally.drop('instruction of size 0', this.#emptyFetches);
    this.#encodings = 0;
    this.#markers = 0;
    this.#emptyFetches = 0;
    endOnRecord(this.#context, window, this.#dialect.recordBytes);
    if (!this.#ended)
      truncated(this.#context, {
        what: 'the trace ends without its footer record',
        where: `${path}, byte ${window.offset + window.end}`,
        expected: 'a footer as the last record',
      });
  }

  /** The records that are rare, or no access. */
  #other(recordClass: number, size: number, low: number, high: number, block: AccessBlock, byte: number): void {
    const { tally } = this.#context;
    switch (recordClass) {
      case RecordClass.bundle:
        this.#bundle(size, low, high, block, byte);
        return;
      case RecordClass.noFetch:
        this.#event(block, AccessKind.noFetch, low, high, size, 'instruction executed without fetch');
        return;
      case RecordClass.marker:
        this.#marker(size, low, high, block);
        return;
      case RecordClass.thread:
        this.#thread = tally.thread(low);
        this.#process = this.#processOfThread[this.#thread] ?? 0;
        return;
      case RecordClass.process:
        this.#process = tally.process(low);
        this.#processOfThread[this.#thread] = this.#process;
        return;
      case RecordClass.threadExit:
        this.#event(block, AccessKind.threadExit, low, high, size, 'thread exit');
        return;
      case RecordClass.header:
        this.#sawHeader = true;
        this.#ended = false;
        if (low > newestKnownVersion)
          tally.warn(`trace version ${low} is newer than the versions known here (up to ${newestKnownVersion})`);
        return;
      case RecordClass.footer:
        this.#ended = true;
        return;
      case RecordClass.flush:
        this.#flushLo = low;
        this.#flushHi = high;
        if (size !== 0) this.#event(block, AccessKind.other, low, high, size, 'cache flush');
        return;
      case RecordClass.flushEnd: {
        const bytes = high * 4_294_967_296 + low - (this.#flushHi * 4_294_967_296 + this.#flushLo);
        const length = Math.max(0, Math.min(maxAccessBytes, bytes));
        this.#event(block, AccessKind.other, this.#flushLo, this.#flushHi, length, 'cache flush');
        return;
      }
      case RecordClass.maybeFetch:
        tally.drop('instruction that may have been fetched');
        return;
      default:
        throw malformed(this.#context, `byte ${byte}`, 'unknown record type', {
          expected: `a record of ${this.#dialect.recordBytes} bytes`,
          mend: 'The file is damaged, or of another dialect: name the format.',
        });
    }
  }

  #noHeader(byte: number): never {
    throw malformed(this.#context, `byte ${byte}`, 'the trace does not begin with a header record', {
      expected: `record type ${this.#dialect.header}`,
      mend: 'Raw recordings (raw/*.raw) must be converted by DynamoRIO first (drraw2trace).',
    });
  }

  #event(block: AccessBlock, kind: number, low: number, high: number, size: number, reason: string): void {
    if (!this.#context.events) {
      this.#context.tally.drop(reason);
      return;
    }
    const to = block.length++;
    block.lo[to] = low;
    block.hi[to] = high;
    block.kind[to] = kind;
    block.size[to] = size;
    this.#owner(block, to);
  }

  /** Thread, process and PC of an element; no physical address. */
  #owner(block: AccessBlock, to: number): void {
    block.thread[to] = this.#thread;
    block.process[to] = this.#process;
    if (block.pcLo !== undefined && block.pcHi !== undefined) {
      block.pcLo[to] = this.#plain.pcLo;
      block.pcHi[to] = this.#plain.pcHi;
    }
    if (block.physicalLo !== undefined && block.physicalHi !== undefined) {
      block.physicalLo[to] = 0;
      block.physicalHi[to] = 0;
    }
  }

  #bundle(count: number, low: number, high: number, block: AccessBlock, byte: number): void {
    if (count > maxBundle)
      throw malformed(this.#context, `byte ${byte}`, 'an instruction bundle is too long', {
        expected: `at most ${maxBundle} instructions`,
        found: `${count}`,
      });
    for (let i = 0; i < count; i++) {
      const bytes = ((i < 4 ? low : high) >>> ((i & 3) * 8)) & 255;
      this.instructions++;
      this.#plain.pcLo = this.#plain.nextPcLo;
      this.#plain.pcHi = this.#plain.nextPcHi;
      this.#plain.nextPcLo = (this.#plain.pcLo + bytes) >>> 0;
      if (this.#plain.nextPcLo < this.#plain.pcLo) this.#plain.nextPcHi++;
      const to = block.length++;
      block.lo[to] = this.#plain.pcLo;
      block.hi[to] = this.#plain.pcHi;
      block.kind[to] = AccessKind.fetch;
      block.size[to] = bytes;
      this.#owner(block, to);
      if (block.physicalLo !== undefined) this.#translate(block, to);
    }
  }

  #marker(type: number, low: number, high: number, block: AccessBlock): void {
    switch (type) {
      case Marker.timestamp:
        this.timestampLo = low;
        this.timestampHi = high;
        if (this.pauseAtTimestamps) this.paused = true;
        break;
      case Marker.filetype:
        this.#filetype(low);
        break;
      case Marker.pageSize:
        if (low >= 4096) this.#mapPage = low;
        break;
      case Marker.physicalAddress:
        this.#physicalLo = low;
        this.#physicalHi = high;
        break;
      case Marker.virtualAddress:
        this.#frames.set(this.#pageOf(low, high), this.#pageOf(this.#physicalLo, this.#physicalHi));
        break;
      case Marker.physicalNotAvailable:
        this.#frames.delete(this.#pageOf(low, high));
        break;
    }
    if (this.#context.events) this.#event(block, AccessKind.marker, low, high, type, '');
    else this.#markers++;
  }

  #filetype(bits: number): void {
    const { tally } = this.#context;
    if (bits & (FileType.filtered | FileType.instructionFiltered | FileType.dataFiltered))
      tally.warn("filtered trace: accesses that hit in the recorder's cache are missing, which biases TLB results");
    if (bits & FileType.instructionsOnly) tally.warn('instruction-only trace: it has no loads or stores');
  }

  #pageOf(low: number, high: number): number {
    return Math.floor((high * 4_294_967_296 + (low - (low % this.#mapPage))) / this.#mapPage);
  }

  #translate(block: AccessBlock, to: number): void {
    const low = block.lo[to]!;
    const frame = this.#frames.get(this.#pageOf(low, block.hi[to]!));
    const physical = frame === undefined ? 0 : frame * this.#mapPage + (low % this.#mapPage);
    block.physicalLo![to] = physical >>> 0;
    block.physicalHi![to] = Math.floor(physical / 4_294_967_296);
  }
}
