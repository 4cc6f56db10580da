const digitOf = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  digitOf[digit.toString(16).charCodeAt(0)] = digit;
  digitOf[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}
const mostDigits = 16;
/** The last three hexadecimal digits of an address are its offset in the 4 KiB page. */
const offsetDigits = 3;
const middleDigits = 6;
const middleLimit = 16 ** middleDigits;

/** A hexadecimal number of up to 64 bits out of text, as page and offset, so that it is exact without BigInt. Reused for every field. */
export class HexField {
  /** The number divided by 4096. */
  page = 0;
  /** The number modulo 4096. */
  offset = 0;
  /** Where the digits ended. */
  end = 0;

  /** Reads the digits from `start` on; false when there are none or more than 16. */
  read(bytes: Uint8Array, start: number, limit: number): boolean {
    let end = start;
    while (end < limit && digitOf[bytes[end]!]! >= 0) end++;
    this.end = end;
    if (end === start || end - start > mostDigits) return false;
    // Three pieces of at most seven digits: sums of 32-bit integers, joined once.
    const offsetStart = end - offsetDigits;
    const middleStart = offsetStart - middleDigits;
    let high = 0;
    for (let at = start; at < middleStart; at++) high = (high << 4) | digitOf[bytes[at]!]!;
    let middle = 0;
    for (let at = middleStart > start ? middleStart : start; at < offsetStart; at++)
      middle = (middle << 4) | digitOf[bytes[at]!]!;
    let offset = 0;
    for (let at = offsetStart > start ? offsetStart : start; at < end; at++)
      offset = (offset << 4) | digitOf[bytes[at]!]!;
    this.page = high * middleLimit + middle;
    this.offset = offset;
    return true;
  }
}
