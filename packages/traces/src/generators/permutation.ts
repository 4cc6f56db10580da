import type { Random } from '@strata/model/machine';

/**
 * A random permutation of 0 to `count` - 1 in constant memory: a Feistel network over the next even number of bits, walked until it
 * falls below `count` (Black and Rogaway, CT-RSA 2002). `count` from 1 to 2^52.
 */
export function createPermutation(count: number, random: Random): (index: number) => number {
  let halfBits = 1;
  while (4 ** halfBits < count) halfBits++;
  const half = 2 ** halfBits;
  const mask = half - 1;
  const keys = Uint32Array.from({ length: 4 }, () => random.uint32());

  function permuteOnce(index: number): number {
    let left = Math.floor(index / half);
    let right = index % half;
    for (let round = 0; round < keys.length; round++) {
      const mixed = (left ^ mix(right ^ keys[round]!)) & mask;
      left = right;
      right = mixed;
    }
    return left * half + right;
  }

  return (index) => {
    let at = permuteOnce(index);
    while (at >= count) at = permuteOnce(at);
    return at;
  };
}

/** Finalizer of MurmurHash3: every input bit reaches every output bit. */
function mix(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
