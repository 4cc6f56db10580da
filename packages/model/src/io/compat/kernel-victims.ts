import { createGlibcRandom, HashOrder } from './c-library.ts';
import { contextNumber, type KernelExports, type KernelLayout } from './kernel-layout.ts';
import type { CompatIoConfig } from './model.ts';

/**
 * Chooses what leaves a full set where the iteration order of a C++ hash table breaks ties: in the context cache and, unless it is LRU, the
 * DevTLB (specs/io.md 2.5). What the policies go by lies in the module's memory.
 */
export interface Victims {
  /** Once the module has its memory. */
  watch(memory: KernelExports['memory']): void;
  /**
   * Notes that a tag of this hash goes to a way of the set.
   * @param way an empty one; -1 = the set is full
   * @returns the way, which holds the victim when there was none empty
   */
  place(this: void, cache: number, set: number, way: number, hashHi: number, hashLo: number): number;
}

/** Counts never reach this (specs/io.md 2.1). */
const countLimit = 15;

export function createVictims(
  { contextCache, deviceTlb, replacement }: CompatIoConfig,
  { caches }: Pick<KernelLayout, 'caches'>,
): Victims {
  const random = createGlibcRandom();
  const candidates = new Int32Array(Math.max(contextCache.ways, deviceTlb.ways));
  const contextOrders = new Map<number, HashOrder>();
  const tlbOrders = new Map<number, HashOrder>();
  const { kept: contextAt = 0, countBytes = 0 } = caches.CC;
  const { kept: tlbAt = 0 } = caches.IOTLB;
  let memory: KernelExports['memory'] | undefined;
  let counts = new Uint8Array();
  let words = new Int32Array();
  let nextAccesses = new Float64Array();

  function refresh(): void {
    if (memory === undefined || counts.buffer === memory.buffer) return;
    const { buffer } = memory;
    counts = new Uint8Array(buffer);
    words = new Int32Array(buffer);
    nextAccesses = new Float64Array(buffer);
  }

  const contextCount = (set: number, way: number): number => counts[contextAt + set * countBytes + way]!;
  const tlbSlot = (set: number, way: number): number => tlbAt / 8 + set * deviceTlb.ways + way;
  const tlbCount = (set: number, way: number): number => words[tlbSlot(set, way) * 2]!;

  /** Among the least counted, in iteration order, the one that `rand()` picks. */
  function leastCounted(order: HashOrder, set: number, countOf: (set: number, way: number) => number): number {
    let least = countLimit;
    let found = 0;
    for (let way = order.first(); way !== -1; way = order.next(way)) {
      const count = countOf(set, way);
      if (count < least) {
        least = count;
        found = 0;
      }
      if (count === least) candidates[found++] = way;
    }
    return candidates[random() % found]!;
  }

  /** Asked for last from now on; the first of equals in iteration order. */
  function lastWanted(order: HashOrder, set: number): number {
    let last = order.first();
    for (let way = last; way !== -1; way = order.next(way))
      if (nextAccesses[tlbSlot(set, way)]! > nextAccesses[tlbSlot(set, last)]!) last = way;
    return last;
  }

  function victim(cache: number, order: HashOrder, set: number): number {
    if (cache === contextNumber) return leastCounted(order, set, contextCount);
    return replacement === 'oracle' ? lastWanted(order, set) : leastCounted(order, set, tlbCount);
  }

  return {
    watch(watched) {
      memory = watched;
    },
    place(cache, set, way, hashHi, hashLo) {
      refresh();
      const orders = cache === contextNumber ? contextOrders : tlbOrders;
      let order = orders.get(set);
      if (order === undefined) {
        order = new HashOrder(cache === contextNumber ? contextCache.ways : deviceTlb.ways);
        orders.set(set, order);
      }
      let chosen = way;
      if (way === -1) {
        chosen = victim(cache, order, set);
        order.remove(chosen);
      }
      order.insert(chosen, hashHi, hashLo);
      return chosen;
    },
  };
}
