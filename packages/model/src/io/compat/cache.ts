import { StrataError } from '../../machine/errors.ts';
import { HashOrder } from './c-library.ts';

/** A cache of the original: entries = sets * ways; sets split into partitions by the low bits of the domain (specs/io.md 2.5). */
export interface CompatCacheConfig {
  readonly entries: number;
  /** 0 = no cache: every look-up misses and nothing is counted. */
  readonly ways: number;
  readonly partitions: number;
}

export interface CompatCacheCounts {
  readonly hit: number;
  readonly miss: number;
  readonly conflict: number;
  readonly domains: number;
  readonly rowsUsed: number;
  readonly rows: readonly number[];
}

/** Where the sets of a key lie: `((DID mod partitions) << setBits) | (address bits mod 2^setBits)`; what is not a power of two is cut (quirk Q12). */
export class SetIndex {
  readonly sets: number;
  readonly #partitionMask: number;
  readonly #setBits: number;

  constructor(name: string, { entries, ways, partitions }: CompatCacheConfig) {
    this.sets = ways === 0 ? 0 : Math.floor(entries / ways);
    if (ways > 0 && this.sets === 0)
      throw geometryError(
        name,
        `${entries} entries in ${ways} ways leave no set`,
        'Give at least as many entries as ways.',
      );
    if (ways > 0 && partitions === 0)
      throw geometryError(name, 'zero partitions', 'Use groups:1 for an unpartitioned cache.');
    const indexBits = this.sets === 0 ? 0 : Math.floor(Math.log2(this.sets));
    const partitionBits = partitions === 0 ? 0 : Math.floor(Math.log2(partitions));
    if (ways > 0 && partitionBits > indexBits)
      throw geometryError(
        name,
        `${partitions} partitions of ${this.sets} sets`,
        'Give at most as many groups as sets.',
      );
    this.#partitionMask = 2 ** partitionBits - 1;
    this.#setBits = indexBits - partitionBits;
  }

  of(did: number, addressBits: number): number {
    return ((did & this.#partitionMask) << this.#setBits) | (addressBits & ((1 << this.#setBits) - 1));
  }
}

function geometryError(name: string, what: string, mend: string): StrataError {
  return new StrataError({ code: 'io.cache-geometry', where: name, what, mend });
}

/**
 * What all replacement policies share: which slot holds a key, and the original's counting. Keys are dense numbers of the owner's.
 * `lookup` searches and tells the policy; `access` searches, counts, and inserts on a miss.
 */
abstract class CompatCache {
  readonly ways: number;
  hits = 0;
  misses = 0;
  conflicts = 0;
  readonly #rows: Float64Array;
  readonly #domains = new Set<number>();
  protected readonly keyOfSlot: Int32Array;
  protected readonly used: Int32Array;
  #slotOfKey = new Int32Array(1024).fill(-1);

  constructor(sets: number, ways: number) {
    this.ways = ways;
    this.#rows = new Float64Array(sets);
    this.used = new Int32Array(sets);
    this.keyOfSlot = new Int32Array(sets * ways).fill(-1);
  }

  /** True on a hit. @param nextAccess position of the next request for this page, for the oracle */
  lookup(key: number, nextAccess: number): boolean {
    const slot = this.slotOf(key);
    if (slot === -1) return false;
    this.touch(slot, nextAccess);
    return true;
  }

  /** True on a hit. @param hashHi, hashLo the original's hash of the key, which orders ties */
  access(key: number, set: number, did: number, nextAccess: number, hashHi: number, hashLo: number): boolean {
    if (this.ways === 0) return false;
    this.#rows[set]!++;
    if (this.lookup(key, nextAccess)) {
      this.hits++;
      return true;
    }
    this.misses++;
    this.#domains.add(did);
    this.#insert(key, set, nextAccess, hashHi, hashLo);
    return false;
  }

  counts(): CompatCacheCounts {
    const rows = Array.from(this.#rows);
    return {
      hit: this.hits,
      miss: this.misses,
      conflict: this.conflicts,
      domains: this.#domains.size,
      rowsUsed: rows.filter((accesses) => accesses > 0).length,
      rows,
    };
  }

  protected slotOf(key: number): number {
    return key < this.#slotOfKey.length ? this.#slotOfKey[key]! : -1;
  }

  #insert(key: number, set: number, nextAccess: number, hashHi: number, hashLo: number): void {
    let slot: number;
    if (this.used[set]! < this.ways) {
      slot = set * this.ways + this.used[set]!++;
    } else {
      slot = this.victim(set);
      this.evict(slot);
      this.#slotOfKey[this.keyOfSlot[slot]!] = -1;
      this.conflicts++;
    }
    if (key >= this.#slotOfKey.length) this.#growKeys(key);
    this.#slotOfKey[key] = slot;
    this.keyOfSlot[slot] = key;
    this.fill(slot, nextAccess, hashHi, hashLo);
  }

  #growKeys(key: number): void {
    const larger = new Int32Array(Math.max(this.#slotOfKey.length * 2, key + 1)).fill(-1);
    larger.set(this.#slotOfKey);
    this.#slotOfKey = larger;
  }

  protected abstract touch(slot: number, nextAccess: number): void;
  protected abstract victim(set: number): number;
  protected abstract evict(slot: number): void;
  protected abstract fill(slot: number, nextAccess: number, hashHi: number, hashLo: number): void;
}

/** Least recently used. */
export class LruCache extends CompatCache {
  readonly #lastUse: Float64Array;
  #uses = 0;

  constructor(sets: number, ways: number) {
    super(sets, ways);
    this.#lastUse = new Float64Array(sets * ways);
  }

  protected override touch(slot: number): void {
    this.#lastUse[slot] = ++this.#uses;
  }

  protected override victim(set: number): number {
    const first = set * this.ways;
    let oldest = first;
    for (let slot = first + 1; slot < first + this.ways; slot++)
      if (this.#lastUse[slot]! < this.#lastUse[oldest]!) oldest = slot;
    return oldest;
  }

  protected override evict(): void {}

  protected override fill(slot: number): void {
    this.touch(slot);
  }
}

/** A count that reaches this halves all counts of its set (specs/io.md 2.1). */
const lfuCountLimit = 15;

/**
 * Least frequently used: among the entries with the smallest count, in the hash table's iteration order, the one that `rand()` picks.
 * `random` is shared by all LFU caches of a run and drawn once per eviction.
 */
export class LfuCache extends CompatCache {
  readonly #counts: Uint8Array;
  readonly #orders: readonly HashOrder[];
  readonly #candidates: Int32Array;
  readonly #random: () => number;

  constructor(sets: number, ways: number, random: () => number) {
    super(sets, ways);
    this.#counts = new Uint8Array(sets * ways);
    this.#orders = Array.from({ length: sets }, () => new HashOrder(ways));
    this.#candidates = new Int32Array(ways);
    this.#random = random;
  }

  protected override touch(slot: number): void {
    if (++this.#counts[slot]! < lfuCountLimit) return;
    const first = slot - (slot % this.ways);
    for (let other = first; other < first + this.ways; other++) this.#counts[other] = this.#counts[other]! >> 1;
  }

  protected override victim(set: number): number {
    const order = this.#orders[set]!;
    const first = set * this.ways;
    let smallest = lfuCountLimit;
    let found = 0;
    for (let node = order.first(); node !== -1; node = order.next(node)) {
      const count = this.#counts[first + node]!;
      if (count < smallest) {
        smallest = count;
        found = 0;
      }
      if (count === smallest) this.#candidates[found++] = first + node;
    }
    return this.#candidates[this.#random() % found]!;
  }

  protected override evict(slot: number): void {
    this.#orders[Math.floor(slot / this.ways)]!.remove(slot % this.ways);
  }

  protected override fill(slot: number, _nextAccess: number, hashHi: number, hashLo: number): void {
    this.#counts[slot] = 0;
    this.#orders[Math.floor(slot / this.ways)]!.insert(slot % this.ways, hashHi, hashLo);
  }
}

/** Evicts the entry whose page is asked for last from now on; ties go to the first in the hash table's iteration order. */
export class OracleCache extends CompatCache {
  readonly #nextAccess: Float64Array;
  readonly #orders: readonly HashOrder[];

  constructor(sets: number, ways: number) {
    super(sets, ways);
    this.#nextAccess = new Float64Array(sets * ways);
    this.#orders = Array.from({ length: sets }, () => new HashOrder(ways));
  }

  protected override touch(slot: number, nextAccess: number): void {
    this.#nextAccess[slot] = nextAccess;
  }

  protected override victim(set: number): number {
    const order = this.#orders[set]!;
    const first = set * this.ways;
    let last = first + order.first();
    for (let node = order.first(); node !== -1; node = order.next(node))
      if (this.#nextAccess[first + node]! > this.#nextAccess[last]!) last = first + node;
    return last;
  }

  protected override evict(slot: number): void {
    this.#orders[Math.floor(slot / this.ways)]!.remove(slot % this.ways);
  }

  protected override fill(slot: number, nextAccess: number, hashHi: number, hashLo: number): void {
    this.#nextAccess[slot] = nextAccess;
    this.#orders[Math.floor(slot / this.ways)]!.insert(slot % this.ways, hashHi, hashLo);
  }
}

export type AnyCompatCache = LruCache | LfuCache | OracleCache;
