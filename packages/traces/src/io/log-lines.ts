const lineFeed = 10;

/** Cuts a stream of bytes into lines, wherever the pieces are cut. */
export abstract class LogLines {
  #rest = new Uint8Array(4096);
  #restLength = 0;

  push(bytes: Uint8Array): void {
    let start = 0;
    for (let end = bytes.indexOf(lineFeed); end !== -1; end = bytes.indexOf(lineFeed, start)) {
      if (this.#restLength > 0) {
        this.#keep(bytes.subarray(start, end));
        this.line(this.#rest, 0, this.#restLength);
        this.#restLength = 0;
      } else {
        this.line(bytes, start, end);
      }
      start = end + 1;
    }
    this.#keep(bytes.subarray(start));
  }

  end(): void {
    if (this.#restLength > 0) this.line(this.#rest, 0, this.#restLength);
    this.#restLength = 0;
  }

  #keep(bytes: Uint8Array): void {
    const length = this.#restLength + bytes.length;
    if (length > this.#rest.length) {
      const larger = new Uint8Array(length * 2);
      larger.set(this.#rest.subarray(0, this.#restLength));
      this.#rest = larger;
    }
    this.#rest.set(bytes, this.#restLength);
    this.#restLength = length;
  }

  /** One line without its line feed, in `bytes` from `start` to `end`. */
  protected abstract line(bytes: Uint8Array, start: number, end: number): void;
}

const digits = new Int8Array(256).fill(-1);
for (const [value, letter] of [...'0123456789abcdef'].entries())
  for (const form of [letter, letter.toUpperCase()]) digits[form.charCodeAt(0)] = value;

/** Value of a hexadecimal digit in either case, or -1. */
export function hexDigit(byte: number): number {
  return digits[byte]!;
}

/** First byte after at least one blank, or -1. */
export function afterSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && (bytes[at] === 0x20 || bytes[at] === 0x09)) at++;
  return at === from || at === end ? -1 : at;
}

export function startsWith(bytes: Uint8Array, at: number, end: number, word: Uint8Array): boolean {
  if (at + word.length > end) return false;
  for (let index = 0; index < word.length; index++) if (bytes[at + index] !== word[index]) return false;
  return true;
}

export function find(bytes: Uint8Array, from: number, end: number, word: Uint8Array): number {
  const last = end - word.length;
  const first = word[0]!;
  for (let at = from; at <= last; at++) if (bytes[at] === first && startsWith(bytes, at, end, word)) return at;
  return -1;
}
