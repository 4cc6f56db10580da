/**
 * The parts of the GNU C and C++ libraries that the original's results depend on (specs/io.md 1.6, 2.5, section 6 end): the sequence of
 * `rand()` after `srand(1)`, and the iteration order of a hash table.
 */

/** glibc's default generator: r[i] = r[i-3] + r[i-31] modulo 2^32, results without their lowest bit. */
export function createGlibcRandom(seed = 1): () => number {
  const state = new Int32Array(34);
  state[0] = seed;
  for (let index = 1; index < 31; index++) {
    // 16807 * state modulo 2^31 - 1 by Schrage's method, as the library seeds itself.
    const previous = state[index - 1]!;
    const word = 16807 * (previous % 127773) - 2836 * Math.trunc(previous / 127773);
    state[index] = word < 0 ? word + 2147483647 : word;
  }
  const ring = new Int32Array(31);
  for (let index = 0; index < 31; index++) ring[index] = state[index]!;
  let front = 3;
  let rear = 0;
  const step = (): number => {
    const value = (ring[front]! + ring[rear]!) | 0;
    ring[front] = value;
    front = front === 30 ? 0 : front + 1;
    rear = rear === 30 ? 0 : rear + 1;
    return value >>> 1;
  };
  for (let discarded = 0; discarded < 310; discarded++) step();
  return step;
}

const bucketCounts = [
  1, 13, 29, 59, 127, 257, 541, 1109, 2357, 5087, 10273, 20753, 42043, 85229, 172933, 351061, 712697, 1447153, 2938679,
  5967347,
];
const twoTo32 = 2 ** 32;

/** `(hi * 2^32 + lo) mod divisor` for a divisor below 2^21; hi and lo unsigned 32-bit. */
export function modulo64(hi: number, lo: number, divisor: number): number {
  return ((hi % divisor) * (twoTo32 % divisor) + (lo % divisor)) % divisor;
}

/**
 * The order in which a node-based hash table of unique keys iterates: one singly linked list; a new node goes to the front of its
 * bucket, or to the front of the whole list when its bucket is empty; the table grows through fixed prime sizes when the number of
 * elements would exceed that of buckets, and then re-inserts in list order by the same rule. Nodes are numbers of the owner's.
 */
export class HashOrder {
  #buckets = 1;
  #size = 0;
  #first = -1;
  #next: Int32Array;
  #hashHi: Uint32Array;
  #hashLo: Uint32Array;
  /** Per bucket: the node before its first one in the list; -1 = the list's head, -2 = the bucket is empty. */
  #before = new Int32Array([-2]);

  /** @param capacity nodes expected; a larger node number makes room */
  constructor(capacity: number) {
    this.#next = new Int32Array(capacity).fill(-1);
    this.#hashHi = new Uint32Array(capacity);
    this.#hashLo = new Uint32Array(capacity);
  }

  /** First node in iteration order, or -1. */
  first(): number {
    return this.#first;
  }

  /** Node after that one, or -1. */
  next(node: number): number {
    return this.#next[node]!;
  }

  /** @param hashHi, hashLo the 64-bit hash of the node's key, in words of either sign */
  insert(node: number, hashHi: number, hashLo: number): void {
    if (node >= this.#next.length) this.#makeRoom(node);
    this.#hashHi[node] = hashHi;
    this.#hashLo[node] = hashLo;
    if (this.#size + 1 > (this.#buckets === 1 ? 0 : this.#buckets)) this.#rehash();
    this.#size++;
    this.#link(node);
  }

  remove(node: number): void {
    const bucket = this.#bucketOf(node);
    let previous = this.#before[bucket]!;
    while (this.#after(previous) !== node) previous = this.#after(previous);
    const next = this.#next[node]!;
    const nextBucket = next === -1 ? -1 : this.#bucketOf(next);
    if (next !== -1 && nextBucket !== bucket) this.#before[nextBucket] = previous;
    if (previous === this.#before[bucket] && nextBucket !== bucket) this.#before[bucket] = -2;
    if (previous === -1) this.#first = next;
    else this.#next[previous] = next;
    this.#next[node] = -1;
    this.#size--;
  }

  #makeRoom(node: number): void {
    const capacity = Math.max(node + 1, this.#next.length * 2);
    const next = new Int32Array(capacity).fill(-1);
    next.set(this.#next);
    const hashHi = new Uint32Array(capacity);
    hashHi.set(this.#hashHi);
    const hashLo = new Uint32Array(capacity);
    hashLo.set(this.#hashLo);
    this.#next = next;
    this.#hashHi = hashHi;
    this.#hashLo = hashLo;
  }

  #after(node: number): number {
    return node === -1 ? this.#first : this.#next[node]!;
  }

  #bucketOf(node: number): number {
    return modulo64(this.#hashHi[node]!, this.#hashLo[node]!, this.#buckets);
  }

  #link(node: number): void {
    const bucket = this.#bucketOf(node);
    const before = this.#before[bucket]!;
    if (before === -2) {
      this.#next[node] = this.#first;
      if (this.#first !== -1) this.#before[this.#bucketOf(this.#first)] = node;
      this.#first = node;
      this.#before[bucket] = -1;
    } else if (before === -1) {
      this.#next[node] = this.#first;
      this.#first = node;
    } else {
      this.#next[node] = this.#next[before]!;
      this.#next[before] = node;
    }
  }

  #rehash(): void {
    const larger = bucketCounts.find((count) => count > Math.max(this.#buckets, this.#size));
    if (larger === undefined)
      throw new Error('a hash table of more than six million entries is outside what the original could hold');
    const order: number[] = [];
    for (let node = this.#first; node !== -1; node = this.#next[node]!) order.push(node);
    this.#buckets = larger;
    this.#before = new Int32Array(larger).fill(-2);
    this.#first = -1;
    for (const node of order) this.#link(node);
  }
}
