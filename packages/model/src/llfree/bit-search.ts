/**
 * The offset of the lowest aligned run of 2^order zero bits in a word of 32 bits, or -1. Orders 0 to 5.
 * Each step keeps the bits whose neighbour run is free too, at the positions that the next order may start at.
 */
export function lowestFreeRun(word: number, order: number): number {
  const starts = order === 0 ? ~word : runStarts(~word, order);
  // Not -starts: V8 negates in floating point for the sake of -0.
  return 31 - Math.clz32(starts & (~starts + 1));
}

/** The offset of the lowest zero bit of a word that has one. */
export function lowestZero(word: number): number {
  return 31 - Math.clz32(~word & (word + 1));
}

function runStarts(freeBits: number, order: number): number {
  let free = freeBits & (freeBits >>> 1) & 0x55555555;
  if (order > 1) free &= (free >>> 2) & 0x11111111;
  if (order > 2) free &= (free >>> 4) & 0x01010101;
  if (order > 3) free &= (free >>> 8) & 0x00010001;
  if (order > 4) free &= (free >>> 16) & 1;
  return free;
}

/** 2^order one bits from bit 0 up. Orders 0 to 5. */
export function runMask(order: number): number {
  return order >= 5 ? -1 : (1 << (1 << order)) - 1;
}

export function countOnes(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
