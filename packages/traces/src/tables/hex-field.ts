const digitOf = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  digitOf[digit.toString(16).charCodeAt(0)] = digit;
  digitOf[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}
const mostDigits = 16;
/** The last three hexadecimal digits of an address are its offset in the 4 KiB page. */
const offsetDigits = 3;

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
    const split = Math.max(start, end - offsetDigits);
    let page = 0;
    for (let at = start; at < split; at++) page = page * 16 + digitOf[bytes[at]!]!;
    let offset = 0;
    for (let at = split; at < end; at++) offset = offset * 16 + digitOf[bytes[at]!]!;
    this.page = page;
    this.offset = offset;
    return true;
  }
}
