import { defineGenerator, sizeField } from './generator.ts';

/** HPCC RandomAccess: streams advanced in turn, and the low half of the polynomial x^64 + x^2 + x + 1. */
const streams = 128;
const polynomial = 7;
const polynomialBits = 0x1_0000_0000_0000_0007n;
const wordBytes = 8;
/** HPCC updates each word four times on average; it fixes where the streams start. */
const updatesPerWord = 4n;

export const gups = defineGenerator({
  name: 'gups',
  summary: 'random updates of a table of 64-bit words, two per number',
  source: 'HPC Challenge RandomAccess, as the DMT artifact (ASPLOS 2024) runs it: T[r % n] ^= r; T[n - r % n] ^= r',
  spec: { size: sizeField(2 * wordBytes) },
  create({ size }, _random, base) {
    // The streams are HPCC's: the seed has no part in them. The table is the largest power of two that fits.
    const words = 2 ** Math.floor(Math.log2(size / wordBytes));
    const { lo, hi } = startOfStreams(words);
    const maskHi = Math.floor((words - 1) / 2 ** 32);
    const maskLo = (words - 1) >>> 0;
    let stream = 0;
    return (emit) => {
      const carry = hi[stream]! >>> 31 === 1 ? polynomial : 0;
      hi[stream] = (hi[stream]! << 1) | (lo[stream]! >>> 31);
      lo[stream] = (lo[stream]! << 1) ^ carry;
      const word = ((hi[stream]! & maskHi) >>> 0) * 2 ** 32 + ((lo[stream]! & maskLo) >>> 0);
      stream = (stream + 1) % streams;
      const first = base + word * wordBytes;
      emit.load(first, wordBytes, 0);
      emit.store(first, wordBytes, 1);
      // Word n itself when r % n is 0: the artifact allocates 16 bytes more for it.
      const second = base + (words - word) * wordBytes;
      emit.load(second, wordBytes, 2);
      emit.store(second, wordBytes, 3);
    };
  },
});

/** Stream j starts at x^(j * updates / 128) in GF(2)[x] modulo the polynomial. */
function startOfStreams(words: number): { lo: Uint32Array; hi: Uint32Array } {
  const lo = new Uint32Array(streams);
  const hi = new Uint32Array(streams);
  const apart = power((updatesPerWord * BigInt(words)) / BigInt(streams));
  let start = 1n;
  for (let stream = 0; stream < streams; stream++) {
    lo[stream] = Number(start & 0xffff_ffffn);
    hi[stream] = Number(start >> 32n);
    start = product(start, apart);
  }
  return { lo, hi };
}

function power(exponent: bigint): bigint {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = product(result, result);
    if (bit === '1') result = product(result, 2n);
  }
  return result;
}

function product(a: bigint, b: bigint): bigint {
  let result = 0n;
  for (let bit = 63n; bit >= 0n; bit--) {
    result <<= 1n;
    if (result >> 64n) result ^= polynomialBits;
    if ((b >> bit) & 1n) result ^= a;
  }
  return result;
}
