import type { Chunks } from './input/stages.ts';

const defaultWindowBytes = 1_048_576;

/**
 * The part of a stream that is being decoded. What is left undecoded moves to the front before more is read, so records whose size is a
 * multiple of four stay aligned and can be read as words.
 */
export class Window {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  /** Bytes from `start` to `end` are not decoded yet. */
  start = 0;
  end = 0;
  /** Position in the stream of `bytes[0]`. */
  offset = 0;
  /** Whether `bytes` up to `end` reaches the end of the stream. */
  ended = false;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk = new Uint8Array(0) as Uint8Array;
  #at = 0;

  constructor(chunks: Chunks, windowBytes: number = defaultWindowBytes) {
    this.bytes = new Uint8Array(Math.ceil(windowBytes / 4) * 4);
    this.words = new Uint32Array(this.bytes.buffer);
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Whether nothing more fits although nothing could be decoded. */
  get isStuck(): boolean {
    return this.start === 0 && this.end === this.bytes.length;
  }

  /** Reads on; false at the end of the stream. */
  async refill(): Promise<boolean> {
    this.bytes.copyWithin(0, this.start, this.end);
    this.offset += this.start;
    this.end -= this.start;
    this.start = 0;
    if (this.#at === this.#chunk.length) {
      const { done, value } = await this.#chunks.next();
      if (done) {
        this.ended = true;
        return false;
      }
      this.#chunk = value;
      this.#at = 0;
    }
    const count = Math.min(this.#chunk.length - this.#at, this.bytes.length - this.end);
    this.bytes.set(this.#chunk.subarray(this.#at, this.#at + count), this.end);
    this.#at += count;
    this.end += count;
    return true;
  }
}
