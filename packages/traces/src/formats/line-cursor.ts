const lineFeed = 10;
const carriageReturn = 13;
const space = 32;
const tab = 9;

/** Value of each byte as a hexadecimal digit, or -1. */
const digitOf = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  digitOf[digit.toString(16).charCodeAt(0)] = digit;
  digitOf[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}
const maxHexDigits = 16;
const twoTo32 = 4_294_967_296;

/** Reads fields of one line out of bytes; every method leaves `at` behind what it accepted. Lines end with a line feed. */
export class LineCursor {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  /** The number read last, as two signed words (stores to a `Uint32Array` make them unsigned). */
  lo = 0;
  hi = 0;

  /** Hexadecimal, with or without `0x`; false when there is no digit here, or more than 64 bits. */
  hex(): boolean {
    const { bytes } = this;
    let at = this.at;
    if (bytes[at] === 48 && (bytes[at + 1]! | 32) === 120) at += 2;
    const from = at;
    const oneWord = at + 8;
    let lo = 0;
    let digit = digitOf[bytes[at]!]!;
    while (digit >= 0 && at < oneWord) {
      lo = (lo << 4) | digit;
      digit = digitOf[bytes[++at]!]!;
    }
    let hi = 0;
    while (digit >= 0) {
      hi = (hi << 4) | (lo >>> 28);
      lo = (lo << 4) | digit;
      digit = digitOf[bytes[++at]!]!;
    }
    this.at = at;
    this.lo = lo;
    this.hi = hi;
    return at > from && (at - from <= maxHexDigits || this.#isZeroPadded(from, at - maxHexDigits));
  }

  /** Decimal; false when there is no digit here, or more than 64 bits. */
  decimal(): boolean {
    const { bytes } = this;
    const from = this.at;
    const small = from + 9;
    let at = from;
    let value = 0;
    let digit = bytes[at]! - 48;
    while (digit >= 0 && digit <= 9 && at < small) {
      value = value * 10 + digit;
      digit = bytes[++at]! - 48;
    }
    this.at = at;
    this.lo = value;
    this.hi = 0;
    if (digit >= 0 && digit <= 9) return this.#longDecimal(value);
    return at > from;
  }

  /** `0x` and hexadecimal, or decimal. */
  number(): boolean {
    return this.bytes[this.at] === 48 && (this.bytes[this.at + 1]! | 32) === 120 ? this.hex() : this.decimal();
  }

  /** The number read last, where it is known to be small. */
  get value(): number {
    return (this.hi >>> 0) * twoTo32 + (this.lo >>> 0);
  }

  /** Steps over blanks and tabs; false when there are none. */
  blanks(): boolean {
    const from = this.at;
    while (this.bytes[this.at] === space || this.bytes[this.at] === tab) this.at++;
    return this.at > from;
  }

  /** Steps over one given byte. */
  byte(expected: number): boolean {
    if (this.bytes[this.at] !== expected) return false;
    this.at++;
    return true;
  }

  /** Steps over a word of letters given in upper case, whatever the case here. */
  word(upper: string): boolean {
    for (let i = 0; i < upper.length; i++) if ((this.bytes[this.at + i]! & ~32) !== upper.charCodeAt(i)) return false;
    this.at += upper.length;
    return true;
  }

  /** Whether only blanks follow on this line. */
  isAtEnd(): boolean {
    if (this.bytes[this.at] === lineFeed) return true;
    while (this.bytes[this.at] === space || this.bytes[this.at] === tab || this.bytes[this.at] === carriageReturn)
      this.at++;
    return this.bytes[this.at] === lineFeed;
  }

  /** Moves behind the line feed. */
  nextLine(): void {
    const { bytes } = this;
    let at = this.at;
    while (bytes[at] !== lineFeed) at++;
    this.at = at + 1;
  }

  /** The digits behind the ninth. */
  #longDecimal(first: number): boolean {
    const { bytes } = this;
    let at = this.at;
    let lo = first;
    let hi = 0;
    for (;;) {
      const digit = bytes[at]! - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      const product = lo * 10 + digit;
      lo = product >>> 0;
      hi = hi * 10 + (product - lo) / twoTo32;
      if (hi >= twoTo32) return false;
      at++;
    }
    this.at = at;
    this.lo = lo | 0;
    this.hi = hi | 0;
    return true;
  }

  #isZeroPadded(from: number, to: number): boolean {
    for (let at = from; at < to; at++) if (this.bytes[at] !== 48) return false;
    return true;
  }
}
