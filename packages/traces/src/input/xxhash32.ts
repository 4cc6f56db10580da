const prime1 = 0x9e3779b1;
const prime2 = 0x85ebca77;
const prime3 = 0xc2b2ae3d;
const prime4 = 0x27d4eb2f;
const prime5 = 0x165667b1;
const stripeBytes = 16;

/** xxHash32 with seed 0, incremental: the checksum of LZ4 frames (xxHash specification 0.1.1). */
export function createXxHash32(): { update(bytes: Uint8Array): void; digest(): number } {
  let v1 = (prime1 + prime2) | 0;
  let v2 = prime2 | 0;
  let v3 = 0;
  let v4 = -prime1 | 0;
  let total = 0;
  const rest = new Uint8Array(stripeBytes);
  let restBytes = 0;

  function stripe(bytes: Uint8Array, at: number): void {
    v1 = round(v1, word(bytes, at));
    v2 = round(v2, word(bytes, at + 4));
    v3 = round(v3, word(bytes, at + 8));
    v4 = round(v4, word(bytes, at + 12));
  }

  return {
    update(bytes) {
      total += bytes.length;
      let at = 0;
      while (restBytes > 0 && restBytes < stripeBytes && at < bytes.length) rest[restBytes++] = bytes[at++]!;
      if (restBytes === stripeBytes) {
        stripe(rest, 0);
        restBytes = 0;
      }
      for (; at + stripeBytes <= bytes.length; at += stripeBytes) stripe(bytes, at);
      while (at < bytes.length) rest[restBytes++] = bytes[at++]!;
    },
    digest() {
      let hash =
        total >= stripeBytes ? (rotate(v1, 1) + rotate(v2, 7) + rotate(v3, 12) + rotate(v4, 18)) | 0 : prime5 | 0;
      hash = (hash + total) | 0;
      let at = 0;
      for (; at + 4 <= restBytes; at += 4)
        hash = Math.imul(rotate((hash + Math.imul(word(rest, at), prime3)) | 0, 17), prime4);
      for (; at < restBytes; at++) hash = Math.imul(rotate((hash + Math.imul(rest[at]!, prime5)) | 0, 11), prime1);
      hash = Math.imul(hash ^ (hash >>> 15), prime2);
      hash = Math.imul(hash ^ (hash >>> 13), prime3);
      return (hash ^ (hash >>> 16)) >>> 0;
    },
  };
}

function round(accumulator: number, input: number): number {
  return Math.imul(rotate((accumulator + Math.imul(input, prime2)) | 0, 13), prime1);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
