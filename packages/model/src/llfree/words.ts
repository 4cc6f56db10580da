/**
 * Memory as 32-bit words, the only thing the allocator knows of it. One back end owns its memory alone and uses plain loads and stores, the others
 * share it between threads; the algorithm is the same source for all.
 */
export interface Words {
  readonly length: number;
  /** May be out of date when other threads write; whoever acts on it does so by replace(). Not for waiting. */
  load(index: number): number;
  /** The value as it is now: for a loop that waits for another thread. */
  poll(index: number): number;
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

  poll(index: number): number {
    return this.load(index);
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

/**
 * Any number of threads over one SharedArrayBuffer. Writes are `Atomics` (sequentially consistent, more than the algorithm asks for). Reads are plain:
 * aligned words do not tear, each follows an atomic operation of the same thread, and what was read is confirmed by replace(). That halves the price.
 */
export class SharedWords implements Words {
  readonly length: number;
  private readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words;
    this.length = words.length;
  }

  load(index: number): number {
    return this.words[index] as number;
  }

  poll(index: number): number {
    return Atomics.load(this.words, index);
  }

  store(index: number, value: number): void {
    Atomics.store(this.words, index, value);
  }

  replace(index: number, expected: number, next: number): boolean {
    return Atomics.compareExchange(this.words, index, expected, next) === expected;
  }
}
