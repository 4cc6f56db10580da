import { createXxHash32 } from './xxhash32.ts';

/**
 * Streaming decoder of LZ4 frames (LZ4 frame format 1.6): linked and independent blocks, content checksum, concatenated and skippable
 * frames. Block checksums are skipped: the content checksum covers the same bytes where the writer gives one.
 */
export async function* decodeLz4(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new ByteQueue(source);
  try {
    for (let frames = 0; ; frames++) {
      const magic = await input.take(4);
      if (magic === undefined) {
        if (frames === 0) throw new Error('unexpected end of input');
        return;
      }
      const word = uint32(magic, 0);
      if (word === frameMagic) yield* decodeFrame(input);
      else if (word >>> 4 === skippableMagic >>> 4) await input.need(uint32(await input.need(4), 0));
      else throw new Error(`no LZ4 frame at compressed byte ${input.consumed - 4}`);
    }
  } finally {
    await input.close();
  }
}

const frameMagic = 0x184d2204;
const skippableMagic = 0x184d2a50;
const historyBytes = 65_536;
const blockBytesOf = [0, 0, 0, 0, 65_536, 262_144, 1_048_576, 4_194_304];

async function* decodeFrame(input: ByteQueue): AsyncGenerator<Uint8Array> {
  const [flags, blockDescriptor] = [...(await input.need(2))] as [number, number];
  if (flags >>> 6 !== 1) throw new Error(`unknown LZ4 frame version ${flags >>> 6}`);
  const blockBytes = blockBytesOf[(blockDescriptor >>> 4) & 7]!;
  if (blockBytes === 0) throw new Error('invalid LZ4 block size');
  if (flags & 1) throw new Error('the LZ4 frame needs a dictionary');
  const hasBlockChecksum = (flags & 16) !== 0;
  await input.need((flags & 8 ? 8 : 0) + 1);
  const hash = flags & 4 ? createXxHash32() : undefined;
  // Window: up to 64 KiB of history in front of the block being decoded.
  const window = new Uint8Array(historyBytes + blockBytes);
  let history = 0;
  for (;;) {
    const sizeWord = uint32(await input.need(4), 0);
    if (sizeWord === 0) break;
    const size = sizeWord & 0x7fffffff;
    if (size > blockBytes) throw new Error(`an LZ4 block of ${size} bytes exceeds the frame's limit of ${blockBytes}`);
    const block = await input.need(size);
    const end = sizeWord >>> 31 ? copyBlock(block, window, history) : decodeBlock(block, window, history);
    if (hasBlockChecksum) await input.need(4);
    const output = window.slice(history, end);
    hash?.update(output);
    if (output.length > 0) yield output;
    history = Math.min(end, historyBytes);
    window.copyWithin(0, end - history, end);
  }
  if (hash !== undefined && uint32(await input.need(4), 0) !== hash.digest()) throw new Error('LZ4 checksum mismatch');
}

function copyBlock(block: Uint8Array, window: Uint8Array, start: number): number {
  window.set(block, start);
  return start + block.length;
}

function decodeBlock(block: Uint8Array, window: Uint8Array, start: number): number {
  let from = 0;
  let to = start;
  while (from < block.length) {
    const token = block[from++]!;
    let literals = token >>> 4;
    if (literals === 15) {
      let more: number;
      do {
        more = block[from++] ?? invalid();
        literals += more;
      } while (more === 255);
    }
    if (from + literals > block.length || to + literals > window.length) invalid();
    for (let i = 0; i < literals; i++) window[to++] = block[from++]!;
    if (from === block.length) return to;
    const distance = (block[from] ?? invalid()) | ((block[from + 1] ?? invalid()) << 8);
    from += 2;
    let length = (token & 15) + 4;
    if ((token & 15) === 15) {
      let more: number;
      do {
        more = block[from++] ?? invalid();
        length += more;
      } while (more === 255);
    }
    if (distance === 0 || distance > to || to + length > window.length) invalid();
    // Byte by byte: a match may overlap what it produces.
    for (let i = 0; i < length; i++, to++) window[to] = window[to - distance]!;
  }
  return to;
}

function invalid(): never {
  throw new Error('invalid LZ4 block');
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Bytes by count out of chunks of any length. */
class ByteQueue {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk = new Uint8Array(0);
  #at = 0;
  consumed = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#chunks = source[Symbol.asyncIterator]();
  }

  /** Exactly `count` bytes; undefined when the input ends before the first. */
  async take(count: number): Promise<Uint8Array | undefined> {
    if (this.#chunk.length - this.#at >= count) return this.#advance(count);
    const pieces: Uint8Array[] = [this.#chunk.slice(this.#at)];
    let have = this.#chunk.length - this.#at;
    while (have < count) {
      const { done, value } = await this.#chunks.next();
      if (done) {
        if (have === 0) return undefined;
        throw new Error('unexpected end of input');
      }
      this.#chunk = value as Uint8Array<ArrayBuffer>;
      this.#at = Math.min(value.length, count - have);
      pieces.push(value.slice(0, this.#at));
      have += this.#at;
    }
    this.consumed += count;
    const all = new Uint8Array(count);
    let to = 0;
    for (const piece of pieces) {
      all.set(piece, to);
      to += piece.length;
    }
    return all;
  }

  async need(count: number): Promise<Uint8Array> {
    if (count === 0) return new Uint8Array(0);
    const bytes = await this.take(count);
    if (bytes === undefined) throw new Error('unexpected end of input');
    return bytes;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  #advance(count: number): Uint8Array {
    this.consumed += count;
    this.#at += count;
    return this.#chunk.subarray(this.#at - count, this.#at);
  }
}
