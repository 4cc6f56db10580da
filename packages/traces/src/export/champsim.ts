import { type AccessBlock, AccessKind } from '@strata/model/machine';
import type { TraceReader } from '../reader.ts';
import { type WriteOptions, type WriteResult, writeStream } from './output.ts';

const recordWords = 16;
const storesAt = 4;
const storeSlots = 2;
const loadsAt = 8;
const loadSlots = 4;
const bufferRecords = 16_384;
/** ChampSim takes an instruction address of 0 for an empty slot: data accesses without one get this. */
const unknownPc = 0x400000;

/**
 * Writes ChampSim's 64-byte records. An instruction takes the data accesses that follow it, at most 2 stores and 4 loads; more, or data
 * without an instruction before it, make further records of the same address. Sizes, threads, registers and branches are not known and
 * left out; accesses of address 0 cannot be written. Compressed as the name says.
 * @throws StrataError `output.unwritable`, and what reading throws
 */
export async function writeChampsim(
  path: string,
  reader: TraceReader,
  { signal }: WriteOptions = {},
): Promise<WriteResult> {
  const encoder = new ChampsimEncoder();
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for await (const block of reader.blocks()) {
      signal?.throwIfAborted();
      for (let at = 0; at < block.length; at++) {
        encoder.add(block, at);
        if (encoder.isFull) yield encoder.take();
      }
    }
    encoder.finish();
    if (encoder.length > 0) yield encoder.take();
  }
  await writeStream(path, chunks());
  return { accesses: encoder.accesses, dropped: encoder.dropped };
}

class ChampsimEncoder {
  /** Whole records in the buffer; the one being filled comes behind them. */
  length = 0;
  accesses = 0;
  readonly dropped = new Map<string, number>();
  readonly #words = new Uint32Array((bufferRecords + 2) * recordWords);
  #isOpen = false;
  #loads = 0;
  #stores = 0;

  get isFull(): boolean {
    return this.length >= bufferRecords;
  }

  add(block: AccessBlock, at: number): void {
    const lo = block.lo[at]!;
    const hi = block.hi[at]!;
    const kind = block.kind[at]!;
    if (kind === AccessKind.fetch) {
      this.#open(lo, hi);
      this.accesses++;
    } else if (kind !== AccessKind.load && kind !== AccessKind.store)
      this.#drop(kind === AccessKind.prefetch ? 'prefetch' : 'event');
    else if (lo === 0 && hi === 0) this.#drop('access to address 0');
    else this.#data(kind, lo, hi, block.pcLo?.[at] ?? 0, block.pcHi?.[at] ?? 0);
  }

  finish(): void {
    if (this.#isOpen) this.length++;
    this.#isOpen = false;
  }

  take(): Uint8Array {
    const from = this.length * recordWords;
    const bytes = new Uint8Array(this.#words.slice(0, from).buffer);
    this.#words.copyWithin(0, from, from + recordWords);
    this.#words.fill(0, recordWords);
    this.length = 0;
    return bytes;
  }

  #data(kind: number, lo: number, hi: number, pcLo: number, pcHi: number): void {
    const isStore = kind === AccessKind.store;
    const base = this.length * recordWords;
    if (!this.#isOpen) this.#open(pcLo === 0 && pcHi === 0 ? unknownPc : pcLo, pcHi);
    else if (isStore ? this.#stores === storeSlots : this.#loads === loadSlots)
      this.#open(this.#words[base]!, this.#words[base + 1]!);
    const slot = isStore ? storesAt + this.#stores++ * 2 : loadsAt + this.#loads++ * 2;
    const to = this.length * recordWords + slot;
    this.#words[to] = lo;
    this.#words[to + 1] = hi;
    this.accesses++;
  }

  #open(pcLo: number, pcHi: number): void {
    this.finish();
    const base = this.length * recordWords;
    this.#words[base] = pcLo;
    this.#words[base + 1] = pcHi;
    this.#isOpen = true;
    this.#loads = 0;
    this.#stores = 0;
  }

  #drop(reason: string): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1);
  }
}
