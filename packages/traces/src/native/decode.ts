import type { AccessBlock } from '@strata/model/machine';
import * as payload from './payload.ts';

/** Gives the rows of one chunk, block by block. */
export interface ChunkDecoder {
  readonly rowsLeft: number;
  /** Fills the block with at most `rows` rows and sets its length. Columns that the block lacks are skipped over. */
  read(block: AccessBlock, rows: number): void;
}

/** What the planes contradict; the caller knows file and chunk. */
export class PayloadError extends Error {}

interface Planes {
  readonly codes: Uint8Array;
  readonly forms: Uint8Array;
  readonly formKind: Uint8Array;
  readonly formSize: Uint16Array;
  /** First register of the set that the form's accesses use. */
  readonly formRegisters: Uint8Array;
  readonly lanes: Uint16Array;
  readonly runs: Uint8Array;
  readonly near: Int8Array;
  readonly medium: Int16Array;
  readonly far: Int32Array;
  readonly absoluteLo: Int32Array;
  readonly absoluteHi: Int32Array;
  readonly pcClasses: Uint8Array;
  readonly pcNear: Int8Array;
  readonly pcMedium: Int16Array;
  readonly pcFar: Int32Array;
  readonly pcAbsoluteLo: Int32Array;
  readonly pcAbsoluteHi: Int32Array;
  readonly physicalLo: Int32Array;
  readonly physicalHi: Int32Array;
}

/** How far each plane is read. */
interface Cursor {
  row: number;
  run: number;
  near: number;
  medium: number;
  far: number;
  absolute: number;
  pc: number;
  pcNear: number;
  pcMedium: number;
  pcFar: number;
  pcAbsolute: number;
  physical: number;
}

interface State {
  readonly registerLo: Int32Array;
  readonly registerHi: Int32Array;
  readonly lanePcLo: Int32Array;
  readonly lanePcHi: Int32Array;
  readonly frameLo: Int32Array;
  readonly frameHi: Int32Array;
}

/**
 * @param raw the inflated payload, at a multiple of 4 in its buffer; it must stay as it is while the decoder is in use
 * @throws PayloadError when the planes contradict the number of rows
 */
export function createChunkDecoder(raw: Uint8Array, rows: number): ChunkDecoder {
  const planes = splitPlanes(raw, rows);
  const laneCount = planes.lanes.length / 2;
  const hasPhysical = planes.physicalLo.length > 0;
  const state: State = {
    registerLo: new Int32Array(laneCount * payload.registersPerLane),
    registerHi: new Int32Array(laneCount * payload.registersPerLane),
    lanePcLo: new Int32Array(laneCount),
    lanePcHi: new Int32Array(laneCount),
    frameLo: new Int32Array(hasPhysical ? payload.translationSlots : 0),
    frameHi: new Int32Array(hasPhysical ? payload.translationSlots : 0),
  };
  const cursor: Cursor = {
    row: 0,
    run: 0,
    near: 0,
    medium: 0,
    far: 0,
    absolute: 0,
    pc: 0,
    pcNear: 0,
    pcMedium: 0,
    pcFar: 0,
    pcAbsolute: 0,
    physical: 0,
  };
  let lane = 0;
  let runLeft = 0;

  function varint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = planes.runs[cursor.run++];
      if (byte === undefined) throw new PayloadError('the runs of threads end early');
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new PayloadError('a run of one thread is too long');
  }

  function read(block: AccessBlock, wanted: number): void {
    const length = Math.min(wanted, block.lo.length, rows - cursor.row);
    const { pcLo, pcHi, physicalLo, physicalHi } = block;
    let done = 0;
    while (done < length) {
      if (runLeft === 0) {
        lane = varint();
        runLeft = varint();
        if (lane >= laneCount || runLeft === 0) throw new PayloadError('a run names a thread that is not in the table');
      }
      const end = Math.min(length, done + runLeft);
      const process = planes.lanes[2 * lane + 1]!;
      block.thread.fill(planes.lanes[2 * lane]!, done, end);
      block.process.fill(process, done, end);
      readAddresses(planes, cursor, state, lane, block, done, end);
      if (pcLo && pcHi) readProgramCounters(planes, cursor, state, lane, block, pcLo, pcHi, done, end);
      if (physicalLo && physicalHi && hasPhysical)
        readPhysical(planes, cursor, state, process, block, physicalLo, physicalHi, done, end);
      cursor.row += end - done;
      runLeft -= end - done;
      done = end;
    }
    block.length = length;
    if (cursor.row === rows) checkUsedUp();
  }

  function checkUsedUp(): void {
    const { near, medium, far, absoluteLo, runs } = planes;
    const complete =
      cursor.near === near.length &&
      cursor.medium === medium.length &&
      cursor.far === far.length &&
      cursor.absolute === absoluteLo.length &&
      cursor.run === runs.length &&
      runLeft === 0;
    if (!complete) throw new PayloadError('the planes hold another number of addresses than the codes call for');
  }

  return {
    read,
    get rowsLeft() {
      return rows - cursor.row;
    },
  };
}

function readAddresses(
  planes: Planes,
  cursor: Cursor,
  { registerLo, registerHi }: State,
  lane: number,
  block: AccessBlock,
  start: number,
  end: number,
): void {
  const { codes, forms, formKind, formSize, formRegisters, near, medium, far, absoluteLo, absoluteHi } = planes;
  const { lo: blockLo, hi: blockHi, kind: blockKind, size: blockSize } = block;
  const data = lane * payload.registersPerLane;
  let { near: nearAt, medium: mediumAt, far: farAt, absolute: absoluteAt } = cursor;
  let source = cursor.row;
  for (let row = start; row < end; row++, source++) {
    const code = codes[source]!;
    const form = forms[source]!;
    const kind = formKind[form]!;
    const size = formSize[form]!;
    const register = data + formRegisters[form]! + (code & payload.registerMask);
    const distanceClass = (code >> payload.classShift) & payload.classMask;
    let lo = registerLo[register]!;
    let hi = registerHi[register]!;
    if (distanceClass === payload.absolute) {
      lo = absoluteLo[absoluteAt]!;
      hi = absoluteHi[absoluteAt++]!;
    } else if (distanceClass !== payload.exact) {
      const distance =
        distanceClass === payload.near
          ? near[nearAt++]!
          : distanceClass === payload.medium
            ? medium[mediumAt++]!
            : far[farAt++]!;
      const sum = (lo + distance) | 0;
      // Sign extension and carry: a branch on the sign would be mispredicted half of the time.
      hi += (distance >> 31) + (sum >>> 0 < lo >>> 0 ? 1 : 0);
      lo = sum;
    }
    blockLo[row] = lo;
    blockHi[row] = hi;
    blockKind[row] = kind;
    blockSize[row] = size;
    const next = (lo + size) | 0;
    registerLo[register] = next;
    registerHi[register] = next >>> 0 < lo >>> 0 ? hi + 1 : hi;
  }
  cursor.near = nearAt;
  cursor.medium = mediumAt;
  cursor.far = farAt;
  cursor.absolute = absoluteAt;
}

function readProgramCounters(
  planes: Planes,
  cursor: Cursor,
  state: State,
  lane: number,
  block: AccessBlock,
  pcLo: Uint32Array,
  pcHi: Uint32Array,
  start: number,
  end: number,
): void {
  const { codes, pcClasses, pcNear, pcMedium, pcFar, pcAbsoluteLo, pcAbsoluteHi } = planes;
  const { lo: blockLo, hi: blockHi, kind: blockKind } = block;
  let lo = state.lanePcLo[lane]!;
  let hi = state.lanePcHi[lane]!;
  let source = cursor.row;
  for (let row = start; row < end; row++, source++) {
    if (payload.isInstruction(blockKind[row]!)) {
      lo = blockLo[row]! | 0;
      hi = blockHi[row]! | 0;
    }
    if ((codes[source]! & payload.explicitPc) !== 0) {
      const distanceClass = pcClasses[cursor.pc++]!;
      if (distanceClass === payload.absolute) {
        lo = pcAbsoluteLo[cursor.pcAbsolute]!;
        hi = pcAbsoluteHi[cursor.pcAbsolute++]!;
      } else {
        const distance =
          distanceClass === payload.near
            ? pcNear[cursor.pcNear++]!
            : distanceClass === payload.medium
              ? pcMedium[cursor.pcMedium++]!
              : pcFar[cursor.pcFar++]!;
        const sum = (lo + distance) | 0;
        hi += (distance >> 31) + (sum >>> 0 < lo >>> 0 ? 1 : 0);
        lo = sum;
      }
    }
    pcLo[row] = lo;
    pcHi[row] = hi;
  }
  state.lanePcLo[lane] = lo;
  state.lanePcHi[lane] = hi;
}

function readPhysical(
  planes: Planes,
  cursor: Cursor,
  { frameLo, frameHi }: State,
  process: number,
  block: AccessBlock,
  physicalLo: Uint32Array,
  physicalHi: Uint32Array,
  start: number,
  end: number,
): void {
  const { codes, physicalLo: explicitLo, physicalHi: explicitHi } = planes;
  const { lo: blockLo, hi: blockHi } = block;
  let source = cursor.row;
  for (let row = start; row < end; row++, source++) {
    const lo = blockLo[row]!;
    const slot = payload.translationSlot(lo, blockHi[row]!, process);
    if ((codes[source]! & payload.explicitPhysical) === 0) {
      physicalLo[row] = frameLo[slot]! | (lo & 4095);
      physicalHi[row] = frameHi[slot]!;
      continue;
    }
    const recordedLo = explicitLo[cursor.physical]!;
    const recordedHi = explicitHi[cursor.physical++]!;
    physicalLo[row] = recordedLo;
    physicalHi[row] = recordedHi;
    frameLo[slot] = recordedLo & ~4095;
    frameHi[slot] = recordedHi;
  }
}

function splitPlanes(raw: Uint8Array, rows: number): Planes {
  const table = new Uint32Array(raw.buffer, raw.byteOffset, Math.min(payload.planes.length, raw.length >> 2));
  if (table.length < payload.planes.length) throw new PayloadError('the table of planes is cut off');
  const offsets: number[] = [];
  let at = raw.byteOffset + table.byteLength;
  for (const bytes of table) {
    offsets.push(at);
    at += (bytes + 3) & ~3;
  }
  if (at - raw.byteOffset !== raw.length) throw new PayloadError('the planes do not fill the payload');
  const plane = (name: payload.Plane) => {
    const index = payload.planes.indexOf(name);
    return [raw.buffer, offsets[index]!, table[index]!] as const;
  };
  const bytes = (name: payload.Plane) => new Uint8Array(...plane(name));
  const signed = (name: payload.Plane) => new Int8Array(...plane(name));
  const halves = (name: payload.Plane) => new Int16Array(plane(name)[0], plane(name)[1], plane(name)[2] >> 1);
  const words = (name: payload.Plane) => new Int32Array(plane(name)[0], plane(name)[1], plane(name)[2] >> 2);
  const [buffer, formOffset, formBytes] = plane('formTable');
  const formTable = new Uint16Array(buffer, formOffset, formBytes >> 1);
  const [, laneOffset, laneBytes] = plane('lanes');
  // Full tables, so that a code of a damaged file cannot read past the end.
  const formKind = new Uint8Array(payload.maxForms);
  const formSize = new Uint16Array(payload.maxForms);
  const formRegisters = new Uint8Array(payload.maxForms);
  for (let form = 0; form < formTable.length >> 1; form++) {
    formKind[form] = formTable[2 * form]!;
    formSize[form] = formTable[2 * form + 1]!;
    formRegisters[form] = payload.isInstruction(formKind[form]!) ? payload.registersPerSet : 0;
  }
  const planes: Planes = {
    codes: bytes('codes'),
    forms: bytes('forms'),
    formKind,
    formSize,
    formRegisters,
    lanes: new Uint16Array(buffer, laneOffset, laneBytes >> 1),
    runs: bytes('runs'),
    near: signed('near'),
    medium: halves('medium'),
    far: words('far'),
    absoluteLo: words('absoluteLo'),
    absoluteHi: words('absoluteHi'),
    pcClasses: bytes('pcClasses'),
    pcNear: signed('pcNear'),
    pcMedium: halves('pcMedium'),
    pcFar: words('pcFar'),
    pcAbsoluteLo: words('pcAbsoluteLo'),
    pcAbsoluteHi: words('pcAbsoluteHi'),
    physicalLo: words('physicalLo'),
    physicalHi: words('physicalHi'),
  };
  if (planes.codes.length !== rows || planes.forms.length !== rows)
    throw new PayloadError('the planes hold another number of rows than the chunk says');
  return planes;
}
