/**
 * Memory as 32-bit words, the only thing the allocator knows of it. One back end owns its memory alone and uses plain loads and stores, the others
 * share it between threads; the algorithm is the same source for all.
 */
export interface Words {
  readonly length: number;
  load(index: number): number;
  store(index: number, value: number): void;
  /** Writes `next` if the word holds `expected`, and says whether it did. */
  replace(index: number, expected: number, next: number): boolean;
}

/** One thread: a plain array, no atomics. */
export class ExclusiveWords implements Words {
  readonly length: number;
  private readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words;
    this.length = words.length;
  }

  load(index: number): number {
    return this.words[index] as number;
  }

  store(index: number, value: number): void {
    this.words[index] = value;
  }

  replace(index: number, expected: number, next: number): boolean {
    if (this.words[index] !== expected) return false;
    this.words[index] = next;
    return true;
  }
}

/** Any number of threads over one SharedArrayBuffer, through `Atomics` (sequentially consistent, more than the algorithm asks for). */
export class SharedWords implements Words {
  readonly length: number;
  private readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words;
    this.length = words.length;
  }

  load(index: number): number {
    return Atomics.load(this.words, index);
  }

  store(index: number, value: number): void {
    Atomics.store(this.words, index, value);
  }

  replace(index: number, expected: number, next: number): boolean {
    return Atomics.compareExchange(this.words, index, expected, next) === expected;
  }
}
