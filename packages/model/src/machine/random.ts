/** A seeded source of randomness. The same seed gives the same numbers on every platform. */
export interface Random {
  /** An integer from 0 to 2^32 - 1. */
  uint32(): number;
  /** An integer from 0 to `limit` - 1, unbiased; `limit` from 1 to 2^53 - 1. */
  below(limit: number): number;
  /** A number from 0 (inclusive) to 1 (exclusive), 53 bits. */
  unit(): number;
  /** An independent generator, for a part whose draws must not disturb the others'. */
  fork(): Random;
}

const twoTo32 = 2 ** 32;
const twoTo53 = 2 ** 53;

/** sfc32 (Doty-Humphrey, PractRand): 128-bit state, passes BigCrush, fast in 32-bit integer arithmetic. */
export function createRandom(seed: number): Random {
  let a = 0x9e3779b9;
  let b = seed >>> 0;
  let c = Math.floor(seed / twoTo32) >>> 0;
  let counter = 1;

  function uint32(): number {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  }

  function unit(): number {
    return ((uint32() >>> 5) * 67108864 + (uint32() >>> 6)) / twoTo53;
  }

  function below(limit: number): number {
    if (limit > twoTo32) {
      const unbiased = twoTo53 - (twoTo53 % limit);
      for (;;) {
        const drawn = unit() * twoTo53;
        if (drawn < unbiased) return drawn % limit;
      }
    }
    const unbiased = twoTo32 - (twoTo32 % limit);
    for (;;) {
      const drawn = uint32();
      if (drawn < unbiased) return drawn % limit;
    }
  }

  // sfc32's own warm-up: the first outputs still show the seed.
  for (let round = 0; round < 15; round++) uint32();
  return { uint32, below, unit, fork: () => createRandom(unit() * twoTo53) };
}
