/** Of every map's hashes. */
export const HASH_SEED = 0x5f61767a;

/**
 * MurmurHash3, 32 bits, over whole words: the key's bytes with zeros up to the next word. `words` is read from index `from`; keys of
 * different lengths differ by the length that is mixed in last.
 */
export function murmur3(words: Uint32Array, from: number, byteLength: number, seed: number): number {
  let hash = seed;
  const count = (byteLength + 3) >>> 2;
  for (let index = 0; index < count; index++) {
    let block = Math.imul(words[from + index]!, 0xcc9e2d51);
    block = Math.imul((block << 15) | (block >>> 17), 0x1b873593);
    hash ^= block;
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  hash ^= byteLength;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
