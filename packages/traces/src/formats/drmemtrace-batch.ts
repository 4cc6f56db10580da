import { type AccessBlock, AccessKind } from '@strata/model/machine';
import { RecordClass } from './drmemtrace-records.ts';

/** Records decoded at a time. */
export const batchRecords = 1024;
const mostWordsPerRecord = 5;

/** Where a stream stands, as far as plain records move it, and what they were. */
export interface PlainRecords {
  pcLo: number;
  pcHi: number;
  /** The address behind the last instruction. */
  nextPcLo: number;
  nextPcHi: number;
  /** Of the last batch: records taken, accesses that came of them, and by what they were. */
  records: number;
  rows: number;
  instructions: number;
  encodings: number;
  emptyFetches: number;
}

export interface DrmemtraceBatch {
  /**
   * Takes up to `records` records, `step` words each, from `words[at]` on: loads, stores, prefetches, instructions and encodings, up to the
   * first of another class or the instruction after `instructions`. Moves `state` on.
   */
  take(
    state: PlainRecords,
    words: Uint32Array,
    at: number,
    step: number,
    classes: Uint8Array,
    limits: { readonly records: number; readonly instructions: number },
  ): void;
  /** Appends the accesses of the last batch to the block. */
  append(block: AccessBlock, rows: number, thread: number, process: number): void;
}

/** One loop with arrays of its own, which V8 compiles with their addresses as constants; hence one for all streams. */
function createDrmemtraceBatch(): DrmemtraceBatch {
  const words = new Uint32Array(batchRecords * mostWordsPerRecord);
  const classes = new Uint8Array(65_536);
  const lo = new Uint32Array(batchRecords);
  const hi = new Uint32Array(batchRecords);
  const kind = new Uint8Array(batchRecords);
  const size = new Uint16Array(batchRecords);
  const pcLo = new Uint32Array(batchRecords);
  const pcHi = new Uint32Array(batchRecords);
  let classesOf: Uint8Array | undefined;

  function run(state: PlainRecords, step: number, records: number, mostInstructions: number): void {
    const stop = records * step;
    let atPcLo = state.pcLo | 0;
    let atPcHi = state.pcHi | 0;
    let lastBytes = -1;
    let instructions = 0;
    let encodings = 0;
    let emptyFetches = 0;
    let rows = 0;
    let at = 0;
    for (; at < stop; at += step) {
      const head = words[at]!;
      const recordClass = classes[head & 0xffff]!;
      const bytes = head >>> 16;
      if (recordClass === RecordClass.instruction) {
        if (instructions >= mostInstructions) break;
        instructions++;
        atPcLo = words[at + 1]! | 0;
        atPcHi = words[at + 2]! | 0;
        lastBytes = bytes;
        if (bytes === 0) {
          emptyFetches++;
          continue;
        }
        kind[rows] = AccessKind.fetch;
      } else if (recordClass === RecordClass.load) kind[rows] = AccessKind.load;
      else if (recordClass === RecordClass.store) kind[rows] = AccessKind.store;
      else if (recordClass === RecordClass.encoding) {
        encodings++;
        continue;
      } else if (recordClass === RecordClass.prefetch) kind[rows] = AccessKind.prefetch;
      else break;
      lo[rows] = words[at + 1]!;
      hi[rows] = words[at + 2]!;
      size[rows] = bytes;
      pcLo[rows] = atPcLo;
      pcHi[rows] = atPcHi;
      rows++;
    }
    state.records = at / step;
    state.rows = rows;
    state.instructions = instructions;
    state.encodings = encodings;
    state.emptyFetches = emptyFetches;
    state.pcLo = atPcLo >>> 0;
    state.pcHi = atPcHi >>> 0;
    if (lastBytes < 0) return;
    state.nextPcLo = (state.pcLo + lastBytes) >>> 0;
    state.nextPcHi = state.nextPcLo < state.pcLo ? state.pcHi + 1 : state.pcHi;
  }

  return {
    take(state, from, at, step, table, limits) {
      if (classesOf !== table) {
        classes.set(table);
        classesOf = table;
      }
      words.set(from.subarray(at, at + limits.records * step));
      run(state, step, limits.records, limits.instructions);
    },
    append(block, rows, thread, process) {
      const to = block.length;
      block.lo.set(lo.subarray(0, rows), to);
      block.hi.set(hi.subarray(0, rows), to);
      block.kind.set(kind.subarray(0, rows), to);
      block.size.set(size.subarray(0, rows), to);
      block.thread.fill(thread, to, to + rows);
      block.process.fill(process, to, to + rows);
      block.pcLo?.set(pcLo.subarray(0, rows), to);
      block.pcHi?.set(pcHi.subarray(0, rows), to);
      block.length = to + rows;
    },
  };
}

export const drmemtraceBatch: DrmemtraceBatch = createDrmemtraceBatch();
