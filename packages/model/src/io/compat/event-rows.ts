const wordsPerRow = 8;

/** Words of a row; SID and DID share the first. */
export const EventWord = {
  device: 0,
  level: 1,
  iovaLo: 2,
  iovaHi: 3,
  maskLo: 4,
  maskHi: 5,
  slpteLo: 6,
  slpteHi: 7,
} as const;

/** Translations in the order of their logs, a row of 32 bytes each. */
export class EventRows {
  length = 0;
  #words = new Uint32Array(4096 * wordsPerRow);

  word(event: number, word: number): number {
    return this.#words[event * wordsPerRow + word]!;
  }

  sid(event: number): number {
    return this.#words[event * wordsPerRow]! & 0xffff;
  }

  did(event: number): number {
    return this.#words[event * wordsPerRow]! >>> 16;
  }

  /** Words may be signed or not. */
  push(
    sid: number,
    did: number,
    level: number,
    iovaLo: number,
    iovaHi: number,
    maskLo: number,
    maskHi: number,
    slpteLo: number,
    slpteHi: number,
  ): void {
    const at = this.length++ * wordsPerRow;
    if (at === this.#words.length) this.#grow();
    const words = this.#words;
    words[at] = sid | (did << 16);
    words[at + 1] = level & 0xff;
    words[at + 2] = iovaLo;
    words[at + 3] = iovaHi;
    words[at + 4] = maskLo;
    words[at + 5] = maskHi;
    words[at + 6] = slpteLo;
    words[at + 7] = slpteHi;
  }

  #grow(): void {
    const larger = new Uint32Array(this.#words.length * 2);
    larger.set(this.#words);
    this.#words = larger;
  }
}
