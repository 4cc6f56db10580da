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
  readonly partitionMask: number;
  readonly setBits: number;

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
    this.partitionMask = 2 ** partitionBits - 1;
    this.setBits = indexBits - partitionBits;
  }

  of(did: number, addressBits: number): number {
    return ((did & this.partitionMask) << this.setBits) | (addressBits & ((1 << this.setBits) - 1));
  }
}

function geometryError(name: string, what: string, mend: string): StrataError {
  return new StrataError({ code: 'io.cache-geometry', where: name, what, mend });
}

const domainCount = 65_536;

function countsOf(
  cache: { readonly hits: number; readonly misses: number; readonly conflicts: number },
  rows: Float64Array,
  domains: Uint8Array,
): CompatCacheCounts {
  return {
    hit: cache.hits,
    miss: cache.misses,
    conflict: cache.conflicts,
    domains: domains.reduce((sum, used) => sum + used, 0),
    rowsUsed: rows.reduce((sum, accesses) => sum + (accesses > 0 ? 1 : 0), 0),
    rows: Array.from(rows),
  };
}

function grownKeys(slotOfKey: Int32Array<ArrayBuffer>, key: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(slotOfKey.length * 2, key + 1)).fill(-1);
  larger.set(slotOfKey);
  return larger;
}

/**
 * What the rarer replacement policies share: which slot holds a key, and the original's counting. Keys are dense numbers of the owner's.
 * `lookup` searches and tells the policy; `access` searches, counts, and inserts on a miss.
 */
abstract class CompatCache {
  readonly ways: number;
  hits = 0;
  misses = 0;
  conflicts = 0;
  readonly #rows: Float64Array;
  readonly #domains = new Uint8Array(domainCount);
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
    this.#domains[did] = 1;
    this.#insert(key, set, nextAccess, hashHi, hashLo);
    return false;
  }

  counts(): CompatCacheCounts {
    return countsOf(this, this.#rows, this.#domains);
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
    if (key >= this.#slotOfKey.length) this.#slotOfKey = grownKeys(this.#slotOfKey, key);
    this.#slotOfKey[key] = slot;
    this.keyOfSlot[slot] = key;
    this.fill(slot, nextAccess, hashHi, hashLo);
  }

  protected abstract touch(slot: number, nextAccess: number): void;
  protected abstract victim(set: number): number;
  protected abstract evict(slot: number): void;
  protected abstract fill(slot: number, nextAccess: number, hashHi: number, hashLo: number): void;
}

/**
 * Least recently used. Does by itself what `CompatCache` shares among the other policies: the page caches see most of a run's accesses.
 */
export class LruCache {
  readonly ways: number;
  hits = 0;
  misses = 0;
  conflicts = 0;
  readonly #rows: Float64Array;
  readonly #domains = new Uint8Array(domainCount);
  readonly #keyOfSlot: Int32Array;
  readonly #used: Int32Array;
  /** Each set's slots in a ring from the least to the most recently used, closed by the set's own node behind all slots. */
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  readonly #ringOfSlot: Int32Array;
  #slotOfKey = new Int32Array(1024).fill(-1);

  constructor(sets: number, ways: number) {
    this.ways = ways;
    this.#rows = new Float64Array(sets);
    this.#used = new Int32Array(sets);
    const slots = sets * ways;
    this.#keyOfSlot = new Int32Array(slots).fill(-1);
    this.#newer = new Int32Array(slots + sets).map((_, node) => node);
    this.#older = new Int32Array(slots + sets).map((_, node) => node);
    this.#ringOfSlot = new Int32Array(slots).map((_, slot) => slots + Math.floor(slot / ways));
  }

  /** True on a hit. */
  lookup(key: number): boolean {
    if (key >= this.#slotOfKey.length) return false;
    const slot = this.#slotOfKey[key]!;
    if (slot === -1) return false;
    this.#touch(slot);
    return true;
  }

  /** True on a hit. */
  access(key: number, set: number, did: number): boolean {
    if (this.ways === 0) return false;
    this.#rows[set]!++;
    if (this.lookup(key)) {
      this.hits++;
      return true;
    }
    this.misses++;
    this.#domains[did] = 1;
    let slot: number;
    if (this.#used[set]! < this.ways) {
      slot = set * this.ways + this.#used[set]!++;
    } else {
      slot = this.#newer[this.#keyOfSlot.length + set]!;
      this.#slotOfKey[this.#keyOfSlot[slot]!] = -1;
      this.conflicts++;
    }
    if (key >= this.#slotOfKey.length) this.#slotOfKey = grownKeys(this.#slotOfKey, key);
    this.#slotOfKey[key] = slot;
    this.#keyOfSlot[slot] = key;
    this.#touch(slot);
    return false;
  }

  counts(): CompatCacheCounts {
    return countsOf(this, this.#rows, this.#domains);
  }

  /** Makes it the most recently used of its set. */
  #touch(slot: number): void {
    const newer = this.#newer;
    const older = this.#older;
    const ring = this.#ringOfSlot[slot]!;
    const newest = older[ring]!;
    if (newest === slot) return;
    const after = newer[slot]!;
    const before = older[slot]!;
    newer[before] = after;
    older[after] = before;
    newer[newest] = slot;
    older[slot] = newest;
    newer[slot] = ring;
    older[ring] = slot;
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
    const set = Math.floor(slot / this.ways);
    const first = set * this.ways;
    // Ways fill from the first: what is not used yet has no count.
    const end = first + this.used[set]!;
    for (let other = first; other < end; other++) this.#counts[other] = this.#counts[other]! >> 1;
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
