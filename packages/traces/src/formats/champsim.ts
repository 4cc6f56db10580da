import { type AccessBlock, AccessKind } from '@strata/model/machine';
import { type DecodeContext, type Decoder, endOnRecord, hasRoom } from '../stream-reader.ts';
import type { Window } from '../window.ts';
import { type Head, malformed, streamFormat } from './format.ts';

/** Offsets in 32-bit words of ChampSim's two instruction records (trace_instruction.h). */
interface Layout {
  readonly recordBytes: number;
  readonly stores: number;
  readonly storeSlots: number;
  readonly loads: number;
  readonly loadSlots: number;
  /** Bytes that the compiler leaves unused, always 0. */
  readonly padding: readonly (readonly [number, number])[];
  /** Byte offset of the address space number, where the record has one. */
  readonly asid?: number;
}

const inputLayout: Layout = { recordBytes: 64, stores: 4, storeSlots: 2, loads: 8, loadSlots: 4, padding: [] };
const cloudsuiteLayout: Layout = {
  recordBytes: 96,
  stores: 6,
  storeSlots: 4,
  loads: 14,
  loadSlots: 4,
  padding: [
    [18, 24],
    [90, 96],
  ],
  asid: 88,
};

const sampleRecords = 1000;
const minRecords = 2;
/** User addresses and canonical kernel addresses of x86-64 with 5-level paging. */
const maxUserHi = 0x00ffffff;
const minKernelHi = 0xff000000;

function isCanonical(hi: number): boolean {
  return hi <= maxUserHi || hi >= minKernelHi;
}

/** Every record looked at has an instruction address, flags of 0 or 1, canonical addresses and empty padding. */
function plausible({ bytes, isAll }: Head, layout: Layout): boolean {
  const { recordBytes, padding } = layout;
  const records = Math.min(sampleRecords, Math.floor(bytes.length / recordBytes));
  if (records < minRecords && !(isAll && records === 1)) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < records; i++) {
    const at = i * recordBytes;
    if (!plausibleRecord(view, at, layout)) return false;
    for (const [from, to] of padding) for (let p = from; p < to; p++) if (bytes[at + p] !== 0) return false;
  }
  return true;
}

function plausibleRecord(view: DataView, at: number, { stores, storeSlots, loads, loadSlots }: Layout): boolean {
  const ipLo = view.getUint32(at, true);
  const ipHi = view.getUint32(at + 4, true);
  if ((ipLo === 0 && ipHi === 0) || !isCanonical(ipHi)) return false;
  const isBranch = view.getUint8(at + 8);
  const isTaken = view.getUint8(at + 9);
  if (isBranch > 1 || isTaken > 1) return false;
  for (let slot = 0; slot < storeSlots; slot++) if (!plausibleSlot(view, at + stores * 4 + slot * 8)) return false;
  for (let slot = 0; slot < loadSlots; slot++) if (!plausibleSlot(view, at + loads * 4 + slot * 8)) return false;
  return true;
}

/** Empty, or an address outside the first page. */
function plausibleSlot(view: DataView, at: number): boolean {
  const lo = view.getUint32(at, true);
  const hi = view.getUint32(at + 4, true);
  return (lo === 0 && hi === 0) || (isCanonical(hi) && (hi !== 0 || lo >= 4096));
}

class ChampsimDecoder implements Decoder {
  readonly #context: DecodeContext;
  readonly #layout: Layout;
  readonly #processOf = new Map<number, number>();

  constructor(context: DecodeContext, layout: Layout) {
    this.#context = context;
    this.#layout = layout;
    context.tally.thread(0);
    if (layout.asid === undefined) context.tally.process(0);
  }

  decode(window: Window, block: AccessBlock): void {
    const { words } = window;
    const { recordBytes, stores, storeSlots, loads, loadSlots, asid } = this.#layout;
    const step = recordBytes >>> 2;
    const stop = (window.start + Math.floor((window.end - window.start) / recordBytes) * recordBytes) >>> 2;
    let at = window.start >>> 2;
    for (; at < stop && hasRoom(block); at += step) {
      const pcLo = words[at]!;
      const pcHi = words[at + 1]!;
      if ((words[at + 2]! & 0xfefe) !== 0) throw this.#implausible(window, at);
      const process = asid === undefined ? 0 : this.#process(words[at + (asid >>> 2)]! & 0xffff);
      const first = block.length;
      this.#append(block, pcLo, pcHi, AccessKind.fetch);
      for (let slot = at + loads, end = slot + loadSlots * 2; slot < end; slot += 2)
        if (words[slot] !== 0 || words[slot + 1] !== 0)
          this.#append(block, words[slot]!, words[slot + 1]!, AccessKind.load);
      for (let slot = at + stores, end = slot + storeSlots * 2; slot < end; slot += 2)
        if (words[slot] !== 0 || words[slot + 1] !== 0)
          this.#append(block, words[slot]!, words[slot + 1]!, AccessKind.store);
      for (let i = first; i < block.length; i++) {
        block.process[i] = process;
        if (block.pcLo !== undefined && block.pcHi !== undefined) {
          block.pcLo[i] = pcLo;
          block.pcHi[i] = pcHi;
        }
      }
    }
    window.start = at * 4;
  }

  end(window: Window): void {
    endOnRecord(this.#context, window, this.#layout.recordBytes);
  }

  #append(block: AccessBlock, lo: number, hi: number, kind: number): void {
    const to = block.length++;
    block.lo[to] = lo;
    block.hi[to] = hi;
    block.kind[to] = kind;
    block.size[to] = 0;
    block.thread[to] = 0;
  }

  #process(asid: number): number {
    const known = this.#processOf.get(asid);
    if (known !== undefined) return known;
    const number = this.#context.tally.process(asid);
    this.#processOf.set(asid, number);
    return number;
  }

  #implausible(window: Window, at: number): Error {
    return malformed(this.#context, `byte ${window.offset + at * 4}`, 'not a ChampSim record', {
      expected: 'branch flags of 0 or 1',
      found: `${words8(window, at)}`,
      mend: 'Check whether the records are 64 bytes (champsim) or 96 bytes (champsim-cloudsuite).',
    });
  }
}

function words8(window: Window, at: number): string {
  return [...window.bytes.subarray(at * 4 + 8, at * 4 + 10)].join(', ');
}

function format(name: string, summary: string, record: string, layout: Layout, other: Layout) {
  return streamFormat({
    name,
    summary,
    record,
    end: 'none (whole records)',
    extensions: ['.champsimtrace', '.champsim'],
    columns: { pc: true },
    defaultDialect: `${layout.recordBytes}-byte records`,
    recognise: (head) =>
      plausible(head, layout) && !(plausible(head, other) && fit(head, other) > fit(head, layout))
        ? { by: 'structure', dialect: `${layout.recordBytes}-byte records` }
        : undefined,
    createDecoder: (context) => new ChampsimDecoder(context, layout),
  });
}

/** How well the content fits where both layouts are plausible: a whole number of records, then programs that mostly run straight on. */
function fit({ bytes, isAll }: Head, { recordBytes }: Layout): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records = Math.floor(bytes.length / recordBytes);
  let near = 0;
  for (let i = 1; i < records; i++) {
    const here = i * recordBytes;
    const distance = view.getUint32(here, true) - view.getUint32(here - recordBytes, true);
    if (Math.abs(distance) < 256) near++;
  }
  const isWhole = isAll && bytes.length % recordBytes === 0;
  return near / Math.max(1, records) + (isWhole ? 1 : 0);
}

export const champsim = format(
  'champsim',
  'ChampSim trace, one file per core',
  '64 bytes: instruction address, branch flags, registers, 2 store and 4 load addresses',
  inputLayout,
  cloudsuiteLayout,
);
export const champsimCloudsuite = format(
  'champsim-cloudsuite',
  'ChampSim CloudSuite trace, one file per core',
  '96 bytes: instruction address, branch flags, registers, 4 store and 4 load addresses, address space',
  cloudsuiteLayout,
  inputLayout,
);
