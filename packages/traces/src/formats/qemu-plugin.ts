import { type AccessBlock, AccessKind } from '@strata/model/machine';
import { type DecodeContext, type Decoder, endOnRecord, hasRoom } from '../stream-reader.ts';
import type { Window } from '../window.ts';
import { type Head, malformed, streamFormat } from './format.ts';

/**
 * Records of our QEMU plugin, little-endian u64: bits 0-47 virtual address, 48-51 log2 of the size, 52 store, 53 fetch (of a translated
 * block, without a size), 54 I/O, 55-62 virtual processor. System mode adds a u64 guest-physical address to each.
 */
const userBytes = 8;
const systemBytes = 16;
const storeBit = 1 << 20;
const fetchBit = 1 << 21;
const ioBit = 1 << 22;
const reservedBit = 1 << 31;
const maxSizeShift = 6;
/** Records that recognition looks at, and the fewest it accepts. */
const sampleRecords = 4096;
const minRecords = 4;
/** Physical addresses above 2^46 do not occur in guests. */
const maxPhysicalHi = 0x3fff;

export const qemuUser = streamFormat({
  name: 'qemu-user',
  summary: 'QEMU plugin, user mode: 8-byte records',
  record: 'u64: address, size, store, fetch, I/O, processor',
  end: 'none (whole records)',
  defaultDialect: '8-byte records',
  recognise: (head) =>
    plausible(head, userBytes, () => true) && !plausible(head, systemBytes, sameOffset)
      ? { by: 'structure', dialect: '8-byte records' }
      : undefined,
  createDecoder: (context) => new PluginDecoder(context, false),
});

export const qemuSystem = streamFormat({
  name: 'qemu-system',
  summary: 'QEMU plugin, system mode: 16-byte records with guest-physical addresses',
  record: 'u64 as in user mode, u64 guest-physical address',
  end: 'none (whole records)',
  columns: { physical: true },
  defaultDialect: '16-byte records',
  recognise: (head) =>
    plausible(head, systemBytes, sameOffset) ? { by: 'structure', dialect: '16-byte records' } : undefined,
  createDecoder: (context) => new PluginDecoder(context, true),
});

/**
 * The guest-physical address lies at the same place in its page as the virtual one; fetches may carry none, I/O a device's. No pair of
 * 8-byte records looks so: a second record with a size above one byte has bits above any physical address.
 */
function sameOffset(words: DataView, at: number): boolean {
  const high = words.getUint32(at + 4, true);
  if (high & ioBit) return true;
  if (high & fetchBit && words.getUint32(at + 8, true) === 0 && words.getUint32(at + 12, true) === 0) return true;
  if (words.getUint32(at + 12, true) > maxPhysicalHi) return false;
  return ((words.getUint32(at, true) ^ words.getUint32(at + 8, true)) & 0xfff) === 0;
}

function plausible({ bytes }: Head, recordBytes: number, check: (words: DataView, at: number) => boolean): boolean {
  const records = Math.min(sampleRecords, Math.floor(bytes.length / recordBytes));
  if (records < minRecords) return false;
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < records; i++) {
    const at = i * recordBytes;
    if (!plausibleRecord(words.getUint32(at, true), words.getUint32(at + 4, true)) || !check(words, at)) return false;
  }
  return true;
}

function plausibleRecord(low: number, high: number): boolean {
  if (high & reservedBit) return false;
  if ((high & storeBit) !== 0 && (high & fetchBit) !== 0) return false;
  if (((high >>> 16) & 15) > maxSizeShift) return false;
  // The first page is never mapped.
  return (high & 0xffff) !== 0 || low >>> 12 !== 0;
}

class PluginDecoder implements Decoder {
  readonly #context: DecodeContext;
  readonly #recordBytes: number;
  readonly #isSystem: boolean;
  /** Number in blocks of each virtual processor, or -1. */
  readonly #threadOf = new Int32Array(256).fill(-1);

  constructor(context: DecodeContext, isSystem: boolean) {
    this.#context = context;
    this.#isSystem = isSystem;
    this.#recordBytes = isSystem ? systemBytes : userBytes;
    context.tally.process(0);
  }

  decode(window: Window, block: AccessBlock): void {
    const { words } = window;
    const { lo, hi, kind, size, thread, process, physicalLo, physicalHi } = block;
    const step = this.#recordBytes >>> 2;
    const from = window.start >>> 2;
    const room = block.lo.length - block.length;
    const records = Math.min(room, Math.floor((window.end - window.start) / this.#recordBytes));
    if (!hasRoom(block)) return;
    let to = block.length;
    let at = from;
    for (let i = 0; i < records; i++, at += step, to++) {
      const high = words[at + 1]!;
      if ((high & (reservedBit | 0x80000)) !== 0) throw this.#implausible(window, at);
      lo[to] = words[at]!;
      // Bit 47 set: the canonical upper half.
      hi[to] = (high & 0x8000) !== 0 ? (high & 0xffff) | 0xffff0000 : high & 0xffff;
      const isFetch = (high & fetchBit) !== 0;
      kind[to] = isFetch ? AccessKind.fetch : (high & storeBit) !== 0 ? AccessKind.store : AccessKind.load;
      size[to] = isFetch ? 0 : 1 << ((high >>> 16) & 15);
      thread[to] = this.#numberOf((high >>> 23) & 255);
      process[to] = 0;
      if (this.#isSystem && physicalLo !== undefined && physicalHi !== undefined) {
        physicalLo[to] = words[at + 2]!;
        physicalHi[to] = words[at + 3]!;
      }
    }
    block.length = to;
    window.start += records * this.#recordBytes;
  }

  end(window: Window): void {
    endOnRecord(this.#context, window, this.#recordBytes);
  }

  #numberOf(processor: number): number {
    const known = this.#threadOf[processor]!;
    if (known >= 0) return known;
    const number = this.#context.tally.thread(processor);
    this.#threadOf[processor] = number;
    return number;
  }

  #implausible(window: Window, at: number): Error {
    const high = window.words[at + 1]!.toString(16).padStart(8, '0');
    const low = window.words[at]!.toString(16).padStart(8, '0');
    return malformed(this.#context, `byte ${window.offset + at * 4}`, 'not a record of the QEMU plugin', {
      expected: 'bit 63 clear and a size of at most 128 bytes',
      found: `0x${high}${low}`,
      mend: 'Check whether the recording was made in user mode (8 bytes) or system mode (16 bytes).',
    });
  }
}
