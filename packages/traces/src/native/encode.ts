import type { AccessBlock } from '@strata/model/machine';
import { AccessKind } from '@strata/model/machine';
import { chunkRows, type FileHeader } from './layout.ts';
import * as payload from './payload.ts';

/** One plane that grows to a fixed capacity. */
class Sink<T extends Uint8Array | Int8Array | Int16Array | Uint16Array | Int32Array | Uint32Array> {
  readonly data: T;
  length = 0;
  constructor(data: T) {
    this.data = data;
  }
  bytes(): Uint8Array {
    return new Uint8Array(this.data.buffer, 0, this.length * this.data.BYTES_PER_ELEMENT);
  }
}

/** A finished chunk before compression. `raw` is the encoder's own memory, valid until the next row is added. */
export interface RawChunk {
  readonly raw: Uint8Array;
  /** Where its planes begin; the table of planes, at 0, is the first. */
  readonly starts: readonly number[];
  readonly rows: number;
  readonly accesses: number;
}

export interface ChunkEncoder {
  /** Takes rows `from` up to the block's length; returns the row where it stopped because the chunk is full. */
  add(block: AccessBlock, from: number): number;
  readonly rows: number;
  /** Hands out the chunk and starts the next one. */
  take(): RawChunk;
}

export function createChunkEncoder(
  columns: Pick<FileHeader, 'pc' | 'physical'>,
  capacity: number = chunkRows,
): ChunkEncoder {
  const sinks = createSinks(capacity);
  const forms = new Map<number, number>();
  const lanes = new Map<number, number>();
  let registerLo = new Int32Array(payload.registersPerLane);
  let registerHi = new Int32Array(payload.registersPerLane);
  let registerUsed = new Float64Array(payload.registersPerLane);
  let lanePcLo = new Int32Array(1);
  let lanePcHi = new Int32Array(1);
  const pageTag = new Int32Array(payload.translationSlots);
  const pageTagHi = new Int32Array(payload.translationSlots);
  const frameLo = new Int32Array(payload.translationSlots);
  const frameHi = new Int32Array(payload.translationSlots);
  let rows = 0;
  let accesses = 0;
  let clock = 0;
  let lane = -1;
  let laneKey = -1;
  let runRows = 0;
  let lastForm = -1;
  let lastFormKey = -1;
  let raw = new Uint8Array(0);

  function add(block: AccessBlock, from: number): number {
    const end = Math.min(block.length, from + capacity - rows);
    for (let row = from; row < end; row++) {
      const kind = block.kind[row]!;
      const formKey = kind * 65_536 + block.size[row]!;
      if (formKey !== lastFormKey && !chooseForm(formKey)) return row;
      const key = block.thread[row]! * 65_536 + block.process[row]!;
      if (key !== laneKey) chooseLane(key);
      runRows++;
      let code = address(block.lo[row]! | 0, block.hi[row]! | 0, kind, block.size[row]!);
      if (columns.pc) code |= programCounter(block, row, kind);
      if (columns.physical) code |= physical(block, row);
      sinks.codes.data[rows] = code;
      sinks.forms.data[rows] = lastForm;
      rows++;
      if (kind < AccessKind.noFetch) accesses++;
    }
    return end;
  }

  /** False when the form table is full, which ends the chunk. */
  function chooseForm(key: number): boolean {
    let form = forms.get(key);
    if (form === undefined) {
      if (forms.size === payload.maxForms) return false;
      form = forms.size;
      forms.set(key, form);
    }
    lastForm = form;
    lastFormKey = key;
    return true;
  }

  function chooseLane(key: number): void {
    closeRun();
    let chosen = lanes.get(key);
    if (chosen === undefined) {
      chosen = lanes.size;
      lanes.set(key, chosen);
      growLanes(chosen + 1);
    }
    lane = chosen;
    laneKey = key;
  }

  function growLanes(count: number): void {
    if (lanePcLo.length >= count) return;
    registerLo = doubled(registerLo);
    registerHi = doubled(registerHi);
    const used = new Float64Array(registerUsed.length * 2);
    used.set(registerUsed);
    registerUsed = used;
    lanePcLo = doubled(lanePcLo);
    lanePcHi = doubled(lanePcHi);
  }

  function closeRun(): void {
    if (runRows === 0) return;
    pushVarint(lane);
    pushVarint(runRows);
    runRows = 0;
  }

  function pushVarint(value: number): void {
    const { data } = sinks.runs;
    let rest = value;
    while (rest > 127) {
      data[sinks.runs.length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    data[sinks.runs.length++] = rest;
  }

  /**
   * Nearest register when the distance fits 16 bits; otherwise the least recently used one gives way, so that a random access does not
   * tear down a stream. Which register to take is the encoder's choice alone: the decoder follows the code.
   */
  function address(lo: number, hi: number, kind: number, size: number): number {
    const first = lane * payload.registersPerLane + (payload.isInstruction(kind) ? payload.registersPerSet : 0);
    let best = -1;
    let bestDistance = 32_768;
    let oldest = first;
    for (let register = first; register < first + payload.registersPerSet; register++) {
      const distance = (lo - registerLo[register]!) | 0;
      const magnitude = distance < 0 ? ~distance : distance;
      if (magnitude < bestDistance && reaches(register, distance, hi)) {
        best = register;
        bestDistance = magnitude;
        if (magnitude === 0) break;
      }
      if (registerUsed[register]! < registerUsed[oldest]!) oldest = register;
    }
    const chosen = best === -1 ? oldest : best;
    const distance = (lo - registerLo[chosen]!) | 0;
    const kindOfDistance = pushDistance(reaches(chosen, distance, hi), distance, lo, hi);
    const next = (lo + size) | 0;
    registerLo[chosen] = next;
    registerHi[chosen] = next >>> 0 < lo >>> 0 ? hi + 1 : hi;
    registerUsed[chosen] = ++clock;
    return (chosen - first) | (kindOfDistance << payload.classShift);
  }

  /** Whether register plus signed 32-bit distance gives the high half too. */
  function reaches(register: number, distance: number, hi: number): boolean {
    const from = registerLo[register]! >>> 0;
    const sum = from + distance;
    return ((registerHi[register]! + (sum < 0 ? -1 : sum > 0xffffffff ? 1 : 0)) | 0) === hi;
  }

  function pushDistance(fits: boolean, distance: number, lo: number, hi: number): number {
    if (!fits) {
      sinks.absoluteLo.data[sinks.absoluteLo.length++] = lo;
      sinks.absoluteHi.data[sinks.absoluteHi.length++] = hi;
      return payload.absolute;
    }
    if (distance === 0) return payload.exact;
    if (distance >= -128 && distance < 128) {
      sinks.near.data[sinks.near.length++] = distance;
      return payload.near;
    }
    if (distance >= -32_768 && distance < 32_768) {
      sinks.medium.data[sinks.medium.length++] = distance;
      return payload.medium;
    }
    sinks.far.data[sinks.far.length++] = distance;
    return payload.far;
  }

  function programCounter(block: AccessBlock, row: number, kind: number): number {
    const lo = block.pcLo![row]! | 0;
    const hi = block.pcHi![row]! | 0;
    const own = payload.isInstruction(kind);
    const fromLo = own ? block.lo[row]! | 0 : lanePcLo[lane]!;
    const fromHi = own ? block.hi[row]! | 0 : lanePcHi[lane]!;
    lanePcLo[lane] = lo;
    lanePcHi[lane] = hi;
    if (lo === fromLo && hi === fromHi) return 0;
    pushPc(lo, hi, fromLo, fromHi);
    return payload.explicitPc;
  }

  function pushPc(lo: number, hi: number, fromLo: number, fromHi: number): void {
    const distance = (lo - fromLo) | 0;
    const sum = (fromLo >>> 0) + distance;
    const fits = ((fromHi + (sum < 0 ? -1 : sum > 0xffffffff ? 1 : 0)) | 0) === hi;
    let kindOfDistance: number = payload.far;
    if (!fits) {
      kindOfDistance = payload.absolute;
      sinks.pcAbsoluteLo.data[sinks.pcAbsoluteLo.length++] = lo;
      sinks.pcAbsoluteHi.data[sinks.pcAbsoluteHi.length++] = hi;
    } else if (distance >= -128 && distance < 128) {
      kindOfDistance = payload.near;
      sinks.pcNear.data[sinks.pcNear.length++] = distance;
    } else if (distance >= -32_768 && distance < 32_768) {
      kindOfDistance = payload.medium;
      sinks.pcMedium.data[sinks.pcMedium.length++] = distance;
    } else sinks.pcFar.data[sinks.pcFar.length++] = distance;
    sinks.pcClasses.data[sinks.pcClasses.length++] = kindOfDistance;
  }

  function physical(block: AccessBlock, row: number): number {
    const lo = block.lo[row]!;
    const hi = block.hi[row]!;
    const physicalLo = block.physicalLo![row]! | 0;
    const physicalHi = block.physicalHi![row]! | 0;
    const slot = payload.translationSlot(lo, hi, block.process[row]!);
    const tag = (lo & ~4095) | 1;
    const known = pageTag[slot] === tag && pageTagHi[slot] === (hi | 0);
    if (known && (frameLo[slot]! | (lo & 4095)) === physicalLo && frameHi[slot] === physicalHi) return 0;
    pageTag[slot] = tag;
    pageTagHi[slot] = hi;
    frameLo[slot] = physicalLo & ~4095;
    frameHi[slot] = physicalHi;
    sinks.physicalLo.data[sinks.physicalLo.length++] = physicalLo;
    sinks.physicalHi.data[sinks.physicalHi.length++] = physicalHi;
    return payload.explicitPhysical;
  }

  function take(): RawChunk {
    closeRun();
    sinks.codes.length = rows;
    sinks.forms.length = rows;
    for (const key of forms.keys()) {
      sinks.formTable.data[sinks.formTable.length++] = Math.floor(key / 65_536);
      sinks.formTable.data[sinks.formTable.length++] = key % 65_536;
    }
    for (const key of lanes.keys()) {
      sinks.lanes.data[sinks.lanes.length++] = Math.floor(key / 65_536);
      sinks.lanes.data[sinks.lanes.length++] = key % 65_536;
    }
    const starts: number[] = [0];
    const bytes = layOut(starts);
    const chunk = { raw: raw.subarray(0, bytes), starts, rows, accesses };
    reset();
    return chunk;
  }

  /** @param starts takes where each plane begins */
  function layOut(starts: number[]): number {
    const table = new Uint32Array(payload.planes.length);
    let bytes = table.byteLength;
    payload.planes.forEach((plane, index) => {
      table[index] = sinks[plane].bytes().length;
      bytes += padded(table[index]!);
    });
    if (raw.length < bytes) raw = new Uint8Array(bytes + bytes / 4);
    raw.set(new Uint8Array(table.buffer));
    let at = table.byteLength;
    for (const plane of payload.planes) {
      const data = sinks[plane].bytes();
      starts.push(at);
      raw.set(data, at);
      raw.fill(0, at + data.length, at + padded(data.length));
      at += padded(data.length);
    }
    return bytes;
  }

  function reset(): void {
    for (const plane of payload.planes) sinks[plane].length = 0;
    forms.clear();
    lanes.clear();
    registerLo.fill(0);
    registerHi.fill(0);
    registerUsed.fill(0);
    lanePcLo.fill(0);
    lanePcHi.fill(0);
    pageTag.fill(0);
    rows = 0;
    accesses = 0;
    clock = 0;
    lane = -1;
    laneKey = -1;
    lastForm = -1;
    lastFormKey = -1;
  }

  return {
    add,
    take,
    get rows() {
      return rows;
    },
  };
}

function createSinks(capacity: number) {
  return {
    codes: new Sink(new Uint8Array(capacity)),
    forms: new Sink(new Uint8Array(capacity)),
    formTable: new Sink(new Uint16Array(2 * payload.maxForms)),
    lanes: new Sink(new Uint16Array(2 * capacity)),
    // A run of one row in the last of 2^17 lanes takes three bytes and one.
    runs: new Sink(new Uint8Array(6 * capacity)),
    near: new Sink(new Int8Array(capacity)),
    medium: new Sink(new Int16Array(capacity)),
    far: new Sink(new Int32Array(capacity)),
    absoluteLo: new Sink(new Int32Array(capacity)),
    absoluteHi: new Sink(new Int32Array(capacity)),
    pcClasses: new Sink(new Uint8Array(capacity)),
    pcNear: new Sink(new Int8Array(capacity)),
    pcMedium: new Sink(new Int16Array(capacity)),
    pcFar: new Sink(new Int32Array(capacity)),
    pcAbsoluteLo: new Sink(new Int32Array(capacity)),
    pcAbsoluteHi: new Sink(new Int32Array(capacity)),
    physicalLo: new Sink(new Int32Array(capacity)),
    physicalHi: new Sink(new Int32Array(capacity)),
  } satisfies Record<payload.Plane, unknown>;
}

function doubled(old: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(old.length * 2);
  grown.set(old);
  return grown;
}

function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}
