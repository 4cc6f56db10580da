import {
  type AccessBlock,
  AccessKind,
  blockCapacity,
  StrataError,
  type WasmMemory,
  wasmApi,
  wasmModule,
  wasmPageBytes,
} from '@strata/model/machine';
import * as payload from './payload.ts';
import { wasmCode } from './rows-wasm-code.ts';

/** Rows decoded at a time. What a batch reads and writes stays within a second-level cache. */
export const batchRows = 4096;

/** Words of the state, as rows.wat counts them: first where each plane is read, in the order of `readPlanes`. */
export const readPlanes = [
  'codes',
  'forms',
  'near',
  'medium',
  'far',
  'absoluteLo',
  'absoluteHi',
  'pcClasses',
  'pcNear',
  'pcMedium',
  'pcFar',
  'pcAbsoluteLo',
  'pcAbsoluteHi',
  'physicalLo',
  'physicalHi',
  'runs',
] as const satisfies readonly payload.Plane[];
export type ReadPlane = (typeof readPlanes)[number];
const word = { runsEnd: 16, lane: 17, runLeft: 18, lanes: 19, laneTable: 20, registers: 21, fetch: 22, noFetch: 23 };
const stateWords = 24;

/** Sixteen registers and the last program counter, 8 bytes each. */
const laneBytes = (payload.registersPerLane + 1) * 8;
const kinds = 256;
const tablesOfCounts = 4;

/** A chunk that is being decoded. The kernel has room for one; the others keep their state themselves. */
export interface Chunk {
  /** The inflated payload; it must stay as it is. */
  readonly raw: Uint8Array;
  readonly rows: number;
  /** Where each plane begins in `raw`. */
  readonly offsets: Readonly<Record<payload.Plane, number>>;
  readonly runsEnd: number;
  readonly laneCount: number;
  /** Kind, size and register set of every possible form. */
  readonly forms: Uint32Array;
  saved?: { readonly state: Int32Array; readonly registers: Uint8Array; readonly frames: Uint8Array };
}

/** What `decode` says of a damaged plane of runs. */
export const runFaults: Readonly<Record<number, string>> = {
  [-1]: 'the runs of threads end early',
  [-2]: 'a run of one thread is too long',
  [-3]: 'a run names a thread that is not in the table',
};

/** A word of a chunk's table of forms. */
export function formWord(kind: number, size: number): number {
  // The instructions' set lies 8 registers of 8 bytes behind the data's.
  const registers = payload.isInstruction(kind) ? 8 * payload.registersPerSet : 0;
  return (kind | (registers << 8) | (size << 16)) >>> 0;
}

interface Exports {
  decode(rows: number, pc: number, physical: number): number;
  count(length: number): void;
}

/** Columns that are decoded, and the bytes of a row in each. */
const columns = [
  ['lo', 4],
  ['hi', 4],
  ['pcLo', 4],
  ['pcHi', 4],
  ['physicalLo', 4],
  ['physicalHi', 4],
  ['size', 2],
  ['thread', 2],
  ['process', 2],
  ['kind', 1],
] as const;
type Column = (typeof columns)[number][0];

/** Byte positions in the kernel's memory; `chunk` is where the payload begins. */
function memoryLayout() {
  const at = { state: 0, forms: 0, counts: 0, frames: 0, kinds: 0, chunk: 0 };
  let next = 0;
  const take = (bytes: number) => {
    const start = next;
    next += (bytes + 63) & ~63;
    return start;
  };
  at.state = take(4 * stateWords);
  at.forms = take(4 * payload.maxForms);
  at.counts = take(4 * kinds * tablesOfCounts);
  at.frames = take(8 * payload.translationSlots);
  at.kinds = take(blockCapacity);
  const column = Object.fromEntries(columns.map(([name, bytes]) => [name, take(bytes * batchRows)])) as Record<
    Column,
    number
  >;
  at.chunk = take(0);
  return { ...at, column };
}

export type RowsKernel = ReturnType<typeof createRowsKernel>;

/** The loops of rows.wat with their memory. One serves all decoders of a thread: they take turns. */
function createRowsKernel() {
  const api = wasmApi();
  if (api === undefined)
    throw new StrataError({
      code: 'trace.no-webassembly',
      what: "Strata's own trace format is decoded by WebAssembly, which this JavaScript engine does not offer",
      mend: 'Run Node without --jitless.',
      exitCode: 3,
    });
  const at = memoryLayout();
  const memory: WasmMemory = new api.Memory({ initial: Math.ceil(at.chunk / wasmPageBytes) });
  const { state: _, chunk: __, column, ...places } = at;
  const { decode, count } = new api.Instance(wasmModule(api, wasmCode), {
    rows: { memory, state: at.state, ...places, ...column },
  }).exports as Exports;
  let views = viewsOf(memory.buffer);
  let current: Chunk | undefined;

  function viewsOf(buffer: ArrayBufferLike) {
    return {
      bytes: new Uint8Array(buffer),
      state: new Int32Array(buffer, at.state, stateWords),
      forms: new Uint32Array(buffer, at.forms, payload.maxForms),
      frames: new Uint8Array(buffer, at.frames, 8 * payload.translationSlots),
      kinds: new Uint8Array(buffer, at.kinds, blockCapacity),
      counts: new Uint32Array(buffer, at.counts, kinds * tablesOfCounts),
      columns: {
        lo: new Uint32Array(buffer, column.lo, batchRows),
        hi: new Uint32Array(buffer, column.hi, batchRows),
        pcLo: new Uint32Array(buffer, column.pcLo, batchRows),
        pcHi: new Uint32Array(buffer, column.pcHi, batchRows),
        physicalLo: new Uint32Array(buffer, column.physicalLo, batchRows),
        physicalHi: new Uint32Array(buffer, column.physicalHi, batchRows),
        size: new Uint16Array(buffer, column.size, batchRows),
        thread: new Uint16Array(buffer, column.thread, batchRows),
        process: new Uint16Array(buffer, column.process, batchRows),
        kind: new Uint8Array(buffer, column.kind, batchRows),
      },
    };
  }

  function registersAt({ raw }: Chunk): number {
    return at.chunk + ((raw.length + 7) & ~7);
  }

  /** @throws RangeError where a damaged chunk would take more memory than there is */
  function makeRoom(chunk: Chunk): void {
    // Cursors of a damaged chunk may run over the end of their planes, by four bytes a row.
    const end = registersAt(chunk) + chunk.laneCount * laneBytes + 4 * (chunk.rows + batchRows);
    const missing = end - memory.buffer.byteLength;
    if (missing <= 0) return;
    memory.grow(Math.ceil(missing / wasmPageBytes));
    views = viewsOf(memory.buffer);
  }

  function save(chunk: Chunk): void {
    const first = registersAt(chunk);
    chunk.saved = {
      state: views.state.slice(),
      registers: views.bytes.slice(first, first + chunk.laneCount * laneBytes),
      frames: views.frames.slice(),
    };
  }

  function claim(chunk: Chunk): void {
    if (current === chunk) return;
    if (current !== undefined) save(current);
    current = undefined;
    makeRoom(chunk);
    views.bytes.set(chunk.raw, at.chunk);
    views.forms.set(chunk.forms);
    const first = registersAt(chunk);
    if (chunk.saved === undefined) {
      views.bytes.fill(0, first, first + chunk.laneCount * laneBytes);
      views.frames.fill(0);
      begin(chunk, first);
    } else {
      views.bytes.set(chunk.saved.registers, first);
      views.frames.set(chunk.saved.frames);
      views.state.set(chunk.saved.state);
    }
    current = chunk;
  }

  function begin({ offsets, runsEnd, laneCount }: Chunk, registers: number): void {
    const { state } = views;
    readPlanes.forEach((name, index) => {
      state[index] = at.chunk + offsets[name];
    });
    state[word.runsEnd] = at.chunk + runsEnd;
    state[word.lane] = 0;
    state[word.runLeft] = 0;
    state[word.lanes] = laneCount;
    state[word.laneTable] = at.chunk + offsets.lanes;
    state[word.registers] = registers;
    state[word.fetch] = AccessKind.fetch;
    state[word.noFetch] = AccessKind.noFetch;
  }

  return {
    /**
     * Decodes the chunk's next `rows` rows into the block from its row `at` on: every column that the block has.
     * Returns 0 or a number that `runFaults` explains.
     */
    decode(chunk: Chunk, block: AccessBlock, at: number, rows: number, hasPhysical: boolean): number {
      claim(chunk);
      const pc = block.pcLo !== undefined;
      const physical = hasPhysical && block.physicalLo !== undefined;
      const fault = decode(rows, pc ? 1 : 0, physical ? 1 : 0);
      if (fault !== 0) return fault;
      const { columns: from } = views;
      store(block.lo, from.lo, at, rows);
      store(block.hi, from.hi, at, rows);
      store(block.kind, from.kind, at, rows);
      store(block.size, from.size, at, rows);
      store(block.thread, from.thread, at, rows);
      store(block.process, from.process, at, rows);
      if (block.pcLo && block.pcHi) {
        store(block.pcLo, from.pcLo, at, rows);
        store(block.pcHi, from.pcHi, at, rows);
      }
      if (physical && block.physicalLo && block.physicalHi) {
        store(block.physicalLo, from.physicalLo, at, rows);
        store(block.physicalHi, from.physicalHi, at, rows);
      }
      return 0;
    },
    /** How far each plane of the chunk is read, in bytes of `raw`, and the rows left of its last run. */
    position(chunk: Chunk): { readonly at: (plane: ReadPlane) => number; readonly runLeft: number } {
      claim(chunk);
      const { state } = views;
      return { at: (plane) => state[readPlanes.indexOf(plane)]! - at.chunk, runLeft: state[word.runLeft]! };
    },
    /** What only a chunk that was read to its end holds is forgotten instead of saved. */
    release(chunk: Chunk): void {
      if (current === chunk) current = undefined;
    },
    /** How many of the first `length` kinds there are of each kind; good until the next call. */
    countKinds(from: Uint8Array, length: number): Readonly<Uint32Array> {
      const { counts } = views;
      counts.fill(0);
      for (let done = 0; done < length; done += blockCapacity) {
        const rows = Math.min(blockCapacity, length - done);
        views.kinds.set(from.subarray(done, done + rows));
        const whole = rows & ~3;
        count(whole);
        for (let row = whole; row < rows; row++) counts[views.kinds[row]!]!++;
      }
      for (let kind = 0; kind < kinds; kind++)
        counts[kind] = counts[kind]! + counts[kinds + kind]! + counts[2 * kinds + kind]! + counts[3 * kinds + kind]!;
      return counts;
    },
  };
}

let kernel: RowsKernel | undefined;

/** @throws StrataError `trace.no-webassembly` */
export function rowsKernel(): RowsKernel {
  kernel ??= createRowsKernel();
  return kernel;
}

type Values = Uint8Array | Uint16Array | Uint32Array;

function store(to: Values, from: Values, at: number, rows: number): void {
  to.set(rows === batchRows ? from : from.subarray(0, rows), at);
}
