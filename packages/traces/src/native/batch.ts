import { type AccessBlock, blockCapacity } from '@strata/model/machine';
import * as payload from './payload.ts';

/** Rows decoded at a time. What a batch reads and writes stays within a second-level cache. */
export const batchRows = 4096;

/** A plane of a chunk, and how far it is read. */
export interface PlaneCursor<T> {
  readonly values: T;
  at: number;
}

/** The planes that rows are decoded from. */
export interface RowPlanes {
  readonly codes: PlaneCursor<Uint8Array>;
  readonly forms: PlaneCursor<Uint8Array>;
  readonly near: PlaneCursor<Int8Array>;
  readonly medium: PlaneCursor<Int16Array>;
  readonly far: PlaneCursor<Int32Array>;
  readonly absoluteLo: PlaneCursor<Int32Array>;
  readonly absoluteHi: PlaneCursor<Int32Array>;
  readonly pcClasses: PlaneCursor<Uint8Array>;
  readonly pcNear: PlaneCursor<Int8Array>;
  readonly pcMedium: PlaneCursor<Int16Array>;
  readonly pcFar: PlaneCursor<Int32Array>;
  readonly pcAbsoluteLo: PlaneCursor<Int32Array>;
  readonly pcAbsoluteHi: PlaneCursor<Int32Array>;
  readonly physicalLo: PlaneCursor<Int32Array>;
  readonly physicalHi: PlaneCursor<Int32Array>;
}

/** What a row's form says. Full tables, so that a form of a damaged file cannot read past the end. */
export interface Forms {
  readonly kind: Uint8Array;
  readonly size: Uint16Array;
  /** First register of the set that the form's accesses use. */
  readonly registers: Uint8Array;
}

/** Where the streams and the program counter of each lane stand. */
export interface LaneState {
  /** `registersPerLane` for each lane. */
  readonly registerLo: Int32Array;
  readonly registerHi: Int32Array;
  readonly pcLo: Int32Array;
  readonly pcHi: Int32Array;
}

/** Last physical pages of one chunk. */
export interface Frames {
  /** Kept here while another chunk has the table. */
  saved?: Int32Array;
}

export type Batch = ReturnType<typeof createBatch>;

/**
 * The loops over rows, with arrays of their own that are filled before and copied out after. V8 compiles a loop over arrays that a function
 * closes over, when there is one such function, with their addresses and lengths as constants; arrays that are handed in have their shape
 * checked and their fields loaded for every element, which takes three times as long. So there is one batch for all decoders.
 */
function createBatch() {
  const codes = new Uint8Array(batchRows);
  const forms = new Uint8Array(batchRows);
  const formKind = new Uint8Array(payload.maxForms);
  const formSize = new Uint16Array(payload.maxForms);
  const formRegisters = new Uint8Array(payload.maxForms);
  const near = new Int8Array(batchRows);
  const medium = new Int16Array(batchRows);
  const far = new Int32Array(batchRows);
  const absoluteLo = new Int32Array(batchRows);
  const absoluteHi = new Int32Array(batchRows);
  const pcClasses = new Uint8Array(batchRows);
  const pcNear = new Int8Array(batchRows);
  const pcMedium = new Int16Array(batchRows);
  const pcFar = new Int32Array(batchRows);
  const pcAbsoluteLo = new Int32Array(batchRows);
  const pcAbsoluteHi = new Int32Array(batchRows);
  const explicitLo = new Int32Array(batchRows);
  const explicitHi = new Int32Array(batchRows);
  const registerLo = new Int32Array(payload.registersPerLane);
  const registerHi = new Int32Array(payload.registersPerLane);
  /** Low and high half of each slot's page, side by side: they are used together. */
  const frames = new Int32Array(2 * payload.translationSlots);
  const lo = new Uint32Array(batchRows);
  const hi = new Uint32Array(batchRows);
  const kind = new Uint8Array(batchRows);
  const size = new Uint16Array(batchRows);
  const pcLo = new Uint32Array(batchRows);
  const pcHi = new Uint32Array(batchRows);
  const physicalLo = new Uint32Array(batchRows);
  const physicalHi = new Uint32Array(batchRows);
  let nearAt = 0;
  let mediumAt = 0;
  let farAt = 0;
  let absoluteAt = 0;
  let pcAt = 0;
  let pcNearAt = 0;
  let pcMediumAt = 0;
  let pcFarAt = 0;
  let pcAbsoluteAt = 0;
  let explicitAt = 0;
  let framesOf: Frames | undefined;

  function begin(planes: RowPlanes, table: Forms, rows: number, columns: { pc: boolean; physical: boolean }): void {
    formKind.set(table.kind);
    formSize.set(table.size);
    formRegisters.set(table.registers);
    load(codes, planes.codes, rows);
    load(forms, planes.forms, rows);
    load(near, planes.near, rows);
    load(medium, planes.medium, rows);
    load(far, planes.far, rows);
    load(absoluteLo, planes.absoluteLo, rows);
    load(absoluteHi, planes.absoluteHi, rows);
    nearAt = 0;
    mediumAt = 0;
    farAt = 0;
    absoluteAt = 0;
    if (columns.pc) beginProgramCounters(planes, rows);
    if (!columns.physical) return;
    load(explicitLo, planes.physicalLo, rows);
    load(explicitHi, planes.physicalHi, rows);
    explicitAt = 0;
  }

  function beginProgramCounters(planes: RowPlanes, rows: number): void {
    load(pcClasses, planes.pcClasses, rows);
    load(pcNear, planes.pcNear, rows);
    load(pcMedium, planes.pcMedium, rows);
    load(pcFar, planes.pcFar, rows);
    load(pcAbsoluteLo, planes.pcAbsoluteLo, rows);
    load(pcAbsoluteHi, planes.pcAbsoluteHi, rows);
    pcAt = 0;
    pcNearAt = 0;
    pcMediumAt = 0;
    pcFarAt = 0;
    pcAbsoluteAt = 0;
  }

  function addresses(state: LaneState, lane: number, start: number, end: number): void {
    const first = lane * payload.registersPerLane;
    for (let register = 0; register < payload.registersPerLane; register++) {
      registerLo[register] = state.registerLo[first + register]!;
      registerHi[register] = state.registerHi[first + register]!;
    }
    decodeAddresses(start, end);
    for (let register = 0; register < payload.registersPerLane; register++) {
      state.registerLo[first + register] = registerLo[register]!;
      state.registerHi[first + register] = registerHi[register]!;
    }
  }

  function decodeAddresses(start: number, end: number): void {
    let nextNear = nearAt;
    let nextMedium = mediumAt;
    let nextFar = farAt;
    let nextAbsolute = absoluteAt;
    for (let row = start; row < end; row++) {
      const code = codes[row]!;
      const form = forms[row]!;
      const bytes = formSize[form]!;
      const register = formRegisters[form]! + (code & payload.registerMask);
      const distanceClass = (code >> payload.classShift) & payload.classMask;
      let rowLo = registerLo[register]!;
      let rowHi = registerHi[register]!;
      if (distanceClass === payload.absolute) {
        rowLo = absoluteLo[nextAbsolute]!;
        rowHi = absoluteHi[nextAbsolute++]!;
      } else if (distanceClass !== payload.exact) {
        const distance =
          distanceClass === payload.near
            ? near[nextNear++]!
            : distanceClass === payload.medium
              ? medium[nextMedium++]!
              : far[nextFar++]!;
        const sum = (rowLo + distance) | 0;
        // Sign extension and carry, in bits: a branch on the sign would be mispredicted half of the time.
        rowHi = (rowHi + (distance >> 31) + carryOf(rowLo, distance, sum)) | 0;
        rowLo = sum;
      }
      lo[row] = rowLo;
      hi[row] = rowHi;
      kind[row] = formKind[form]!;
      size[row] = bytes;
      const next = (rowLo + bytes) | 0;
      registerLo[register] = next;
      registerHi[register] = rowHi + ((rowLo & ~next) >>> 31);
    }
    nearAt = nextNear;
    mediumAt = nextMedium;
    farAt = nextFar;
    absoluteAt = nextAbsolute;
  }

  function programCounters(state: LaneState, lane: number, start: number, end: number): void {
    let fromLo = state.pcLo[lane]!;
    let fromHi = state.pcHi[lane]!;
    let next = pcAt;
    for (let row = start; row < end; row++) {
      if (payload.isInstruction(kind[row]!)) {
        fromLo = lo[row]! | 0;
        fromHi = hi[row]! | 0;
      }
      if ((codes[row]! & payload.explicitPc) !== 0) {
        const distanceClass = pcClasses[next++]!;
        if (distanceClass === payload.absolute) {
          fromLo = pcAbsoluteLo[pcAbsoluteAt]!;
          fromHi = pcAbsoluteHi[pcAbsoluteAt++]!;
        } else {
          const distance =
            distanceClass === payload.near
              ? pcNear[pcNearAt++]!
              : distanceClass === payload.medium
                ? pcMedium[pcMediumAt++]!
                : pcFar[pcFarAt++]!;
          const sum = (fromLo + distance) | 0;
          fromHi = (fromHi + (distance >> 31) + carryOf(fromLo, distance, sum)) | 0;
          fromLo = sum;
        }
      }
      pcLo[row] = fromLo;
      pcHi[row] = fromHi;
    }
    pcAt = next;
    state.pcLo[lane] = fromLo;
    state.pcHi[lane] = fromHi;
  }

  function physical(of: Frames, process: number, start: number, end: number): void {
    claimFrames(of);
    let next = explicitAt;
    for (let row = start; row < end; row++) {
      const rowLo = lo[row]! | 0;
      const slot = 2 * payload.translationSlot(rowLo, hi[row]! | 0, process);
      if ((codes[row]! & payload.explicitPhysical) === 0) {
        physicalLo[row] = frames[slot]! | (rowLo & 4095);
        physicalHi[row] = frames[slot + 1]!;
        continue;
      }
      const recordedLo = explicitLo[next]!;
      const recordedHi = explicitHi[next++]!;
      physicalLo[row] = recordedLo;
      physicalHi[row] = recordedHi;
      frames[slot] = recordedLo & ~4095;
      frames[slot + 1] = recordedHi;
    }
    explicitAt = next;
  }

  function claimFrames(of: Frames): void {
    if (framesOf === of) return;
    if (framesOf !== undefined) framesOf.saved = frames.slice();
    framesOf = of;
    if (of.saved === undefined) frames.fill(0);
    else frames.set(of.saved);
  }

  /** What only a chunk that was read to its end holds is forgotten instead of saved. */
  function releaseFrames(of: Frames): void {
    if (framesOf === of) framesOf = undefined;
  }

  /** Copies `rows` rows out to the block's row `at` and moves the planes on. */
  function finish(planes: RowPlanes, block: AccessBlock, at: number, rows: number): void {
    store(block.lo, lo, at, rows);
    store(block.hi, hi, at, rows);
    store(block.kind, kind, at, rows);
    store(block.size, size, at, rows);
    planes.codes.at += rows;
    planes.forms.at += rows;
    planes.near.at += nearAt;
    planes.medium.at += mediumAt;
    planes.far.at += farAt;
    planes.absoluteLo.at += absoluteAt;
    planes.absoluteHi.at += absoluteAt;
  }

  function finishProgramCounters(planes: RowPlanes, block: AccessBlock, at: number, rows: number): void {
    if (block.pcLo) store(block.pcLo, pcLo, at, rows);
    if (block.pcHi) store(block.pcHi, pcHi, at, rows);
    planes.pcClasses.at += pcAt;
    planes.pcNear.at += pcNearAt;
    planes.pcMedium.at += pcMediumAt;
    planes.pcFar.at += pcFarAt;
    planes.pcAbsoluteLo.at += pcAbsoluteAt;
    planes.pcAbsoluteHi.at += pcAbsoluteAt;
  }

  function finishPhysical(planes: RowPlanes, block: AccessBlock, at: number, rows: number): void {
    if (block.physicalLo) store(block.physicalLo, physicalLo, at, rows);
    if (block.physicalHi) store(block.physicalHi, physicalHi, at, rows);
    planes.physicalLo.at += explicitAt;
    planes.physicalHi.at += explicitAt;
  }

  return {
    begin,
    addresses,
    programCounters,
    physical,
    releaseFrames,
    finish,
    finishProgramCounters,
    finishPhysical,
  };
}

export const batch: Batch = createBatch();

/** Kinds are below this. */
const kindCount = 256;

/** Accesses of each kind, and events, among the first `length` of a block's kinds. Of the same making as the batch, for the same reason. */
export const countKinds: (kinds: Uint8Array, length: number) => Readonly<Uint32Array> = createKindCounter();

function createKindCounter() {
  const kinds = new Uint8Array(blockCapacity);
  const even = new Uint32Array(kindCount);
  const odd = new Uint32Array(kindCount);
  function count(length: number): void {
    let row = 0;
    // Two tables, since an increment has to wait for the one before in the same place.
    for (; row + 1 < length; row += 2) {
      even[kinds[row]!]!++;
      odd[kinds[row + 1]!]!++;
    }
    if (row < length) even[kinds[row]!]!++;
    for (let kind = 0; kind < kindCount; kind++) even[kind] = even[kind]! + odd[kind]!;
  }
  return (from: Uint8Array, length: number) => {
    even.fill(0);
    odd.fill(0);
    for (let at = 0; at < length; at += kinds.length) {
      const rows = Math.min(kinds.length, length - at);
      kinds.set(from.subarray(at, at + rows));
      odd.fill(0);
      count(rows);
    }
    return even;
  };
}

/** Carry out of the low half in `sum = (lo + distance) | 0`. */
function carryOf(lo: number, distance: number, sum: number): number {
  return ((lo & distance) | ((lo | distance) & ~sum)) >>> 31;
}

type Plane = Uint8Array | Int8Array | Int16Array | Int32Array | Uint16Array | Uint32Array;

/** The next values of a plane, at most `rows`. A damaged chunk may ask for more; what it then gets is checked by nobody but counted. */
function load(to: Plane, { values, at }: PlaneCursor<Plane>, rows: number): void {
  if (at < values.length) to.set(values.subarray(at, at + rows));
}

function store(to: Plane, from: Plane, at: number, rows: number): void {
  to.set(rows === batchRows ? from : from.subarray(0, rows), at);
}
