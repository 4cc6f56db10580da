import type { AccessBlock } from '@strata/model/machine';
import {
  batch,
  batchRows,
  type Forms,
  type Frames,
  type LaneState,
  type PlaneCursor,
  type RowPlanes,
} from './batch.ts';
import * as payload from './payload.ts';

/** Gives the rows of one chunk, block by block. */
export interface ChunkDecoder {
  readonly rowsLeft: number;
  /** Fills the block with at most `rows` rows and sets its length. Columns that the block lacks are skipped over. */
  read(block: AccessBlock, rows: number): void;
}

/** What the planes contradict; the caller knows file and chunk. */
export class PayloadError extends Error {}

interface Planes extends RowPlanes {
  readonly table: Forms;
  /** Thread and process of each lane. */
  readonly lanes: Uint16Array;
  readonly runs: Uint8Array;
}

/**
 * @param raw the inflated payload, at a multiple of 4 in its buffer; it must stay as it is while the decoder is in use
 * @throws PayloadError when the planes contradict the number of rows
 */
export function createChunkDecoder(raw: Uint8Array, rows: number): ChunkDecoder {
  const planes = splitPlanes(raw, rows);
  const laneCount = planes.lanes.length / 2;
  const hasPhysical = planes.physicalLo.values.length > 0;
  const lanes: LaneState = {
    registerLo: new Int32Array(laneCount * payload.registersPerLane),
    registerHi: new Int32Array(laneCount * payload.registersPerLane),
    pcLo: new Int32Array(laneCount),
    pcHi: new Int32Array(laneCount),
  };
  const frames: Frames = {};
  let rowsLeft = rows;
  let runAt = 0;
  let lane = 0;
  let runLeft = 0;

  function varint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = planes.runs[runAt++];
      if (byte === undefined) throw new PayloadError('the runs of threads end early');
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw new PayloadError('a run of one thread is too long');
  }

  function nextRun(): void {
    lane = varint();
    runLeft = varint();
    if (lane >= laneCount || runLeft === 0) throw new PayloadError('a run names a thread that is not in the table');
  }

  function read(block: AccessBlock, wanted: number): void {
    const length = Math.min(wanted, block.lo.length, rowsLeft);
    for (let done = 0; done < length; done += batchRows) readBatch(block, done, Math.min(batchRows, length - done));
    block.length = length;
    rowsLeft -= length;
    if (rowsLeft === 0) end();
  }

  function readBatch(block: AccessBlock, at: number, size: number): void {
    const pc = block.pcLo !== undefined;
    const physical = block.physicalLo !== undefined && hasPhysical;
    batch.begin(planes, planes.table, size, { pc, physical });
    for (let done = 0; done < size; ) {
      if (runLeft === 0) nextRun();
      const end = Math.min(size, done + runLeft);
      const process = planes.lanes[2 * lane + 1]!;
      block.thread.fill(planes.lanes[2 * lane]!, at + done, at + end);
      block.process.fill(process, at + done, at + end);
      batch.addresses(lanes, lane, done, end);
      if (pc) batch.programCounters(lanes, lane, done, end);
      if (physical) batch.physical(frames, process, done, end);
      runLeft -= end - done;
      done = end;
    }
    batch.finish(planes, block, at, size);
    if (pc) batch.finishProgramCounters(planes, block, at, size);
    if (physical) batch.finishPhysical(planes, block, at, size);
  }

  function end(): void {
    batch.releaseFrames(frames);
    const { near, medium, far, absoluteLo, runs } = planes;
    const complete =
      [near, medium, far, absoluteLo].every(({ at, values }) => at === values.length) &&
      runAt === runs.length &&
      runLeft === 0;
    if (!complete) throw new PayloadError('the planes hold another number of addresses than the codes call for');
  }

  return {
    read,
    get rowsLeft() {
      return rowsLeft;
    },
  };
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
  const [buffer, laneOffset, laneBytes] = plane('lanes');
  const codes = cursor(bytes('codes'));
  const forms = cursor(bytes('forms'));
  if (codes.values.length !== rows || forms.values.length !== rows)
    throw new PayloadError('the planes hold another number of rows than the chunk says');
  return {
    codes,
    forms,
    table: formsOf(halves('formTable')),
    lanes: new Uint16Array(buffer, laneOffset, laneBytes >> 1),
    runs: bytes('runs'),
    near: cursor(signed('near')),
    medium: cursor(halves('medium')),
    far: cursor(words('far')),
    absoluteLo: cursor(words('absoluteLo')),
    absoluteHi: cursor(words('absoluteHi')),
    pcClasses: cursor(bytes('pcClasses')),
    pcNear: cursor(signed('pcNear')),
    pcMedium: cursor(halves('pcMedium')),
    pcFar: cursor(words('pcFar')),
    pcAbsoluteLo: cursor(words('pcAbsoluteLo')),
    pcAbsoluteHi: cursor(words('pcAbsoluteHi')),
    physicalLo: cursor(words('physicalLo')),
    physicalHi: cursor(words('physicalHi')),
  };
}

function cursor<T>(values: T): PlaneCursor<T> {
  return { values, at: 0 };
}

/** @param table kind and size of each form */
function formsOf(table: Int16Array): Forms {
  const kind = new Uint8Array(payload.maxForms);
  const size = new Uint16Array(payload.maxForms);
  const registers = new Uint8Array(payload.maxForms);
  for (let form = 0; form < table.length >> 1; form++) {
    kind[form] = table[2 * form]!;
    size[form] = table[2 * form + 1]!;
    registers[form] = payload.isInstruction(kind[form]!) ? payload.registersPerSet : 0;
  }
  return { kind, size, registers };
}
