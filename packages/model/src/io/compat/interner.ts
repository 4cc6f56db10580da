const words = 5;

/**
 * Numbers tuples of five 32-bit words in order of first appearance. The model works on such numbers instead of 64-bit addresses, so
 * memory grows with the pages that a trace touches, not with its length.
 */
export class Interner {
  size = 0;
  #keys = new Uint32Array(1024 * words);
  #table = new Int32Array(4096).fill(-1);

  /** Number of the tuple; a new one when it was not there (then `size` grows by one). */
  intern(a: number, b: number, c: number, d: number, e: number): number {
    let slot = hashOf(a, b, c, d, e) & (this.#table.length - 1);
    for (let found = this.#table[slot]!; found !== -1; found = this.#table[slot]!) {
      if (this.#holds(found, a, b, c, d, e)) return found;
      slot = (slot + 1) & (this.#table.length - 1);
    }
    const id = this.size++;
    if (this.#keys.length < this.size * words) this.#keys = grown(this.#keys);
    this.#keys.set([a, b, c, d, e], id * words);
    this.#table[slot] = id;
    if (this.size * 2 > this.#table.length) this.#rehash();
    return id;
  }

  #holds(id: number, a: number, b: number, c: number, d: number, e: number): boolean {
    const keys = this.#keys;
    const at = id * words;
    return keys[at] === a && keys[at + 1] === b && keys[at + 2] === c && keys[at + 3] === d && keys[at + 4] === e;
  }

  #rehash(): void {
    const table = new Int32Array(this.#table.length * 2).fill(-1);
    const keys = this.#keys;
    for (let id = 0, at = 0; id < this.size; id++, at += words) {
      let slot = hashOf(keys[at]!, keys[at + 1]!, keys[at + 2]!, keys[at + 3]!, keys[at + 4]!) & (table.length - 1);
      while (table[slot] !== -1) slot = (slot + 1) & (table.length - 1);
      table[slot] = id;
    }
    this.#table = table;
  }
}

function hashOf(a: number, b: number, c: number, d: number, e: number): number {
  let hash = Math.imul(a, 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15) ^ b, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13) ^ c, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 16) ^ d, 0x27d4eb2f);
  hash = Math.imul(hash ^ (hash >>> 15) ^ e, 0x165667b1);
  return hash ^ (hash >>> 16);
}

function grown(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}
