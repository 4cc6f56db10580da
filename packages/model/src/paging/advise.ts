import { createHybridPool, type HybridCounts, type HybridPool, pageBytes } from './hybrid-pool.ts';
import { type CurvePoint, createLruCurve } from './lru-curve.ts';
import type { Granularity } from './simulate.ts';

export interface AdvisorConfig {
  /** Amounts of local memory wanted exactly, in bytes, beside the grid. */
  readonly localBytes: readonly number[];
  /** Objects and pages followed at most before the advisor begins to sample; at least 1,000. */
  readonly mostUnits: number;
}

/** What one granularity does with one amount of local memory: bytes and round trips apart, since one can win where the other loses. */
export interface AdvicePoint {
  readonly granularity: Granularity;
  readonly localBytes: number;
  /** Fetches per access; above 1 where an access needs several pages. */
  readonly missRatio: number;
  readonly fetches: number;
  readonly bytesIn: number;
  readonly writeBacks: number;
  readonly bytesOut: number;
}

export interface Advice {
  readonly accesses: number;
  readonly writes: number;
  /** Bytes of all objects, and of all pages. */
  readonly objectFootprintBytes: number;
  readonly pageFootprintBytes: number;
  /** Share of the pages that was followed; 1: every figure is exact. */
  readonly samplingRate: number;
  readonly points: readonly AdvicePoint[];
}

/** One pass over accesses to objects that lie at addresses. */
export interface Advisor {
  /** An access to `objectBytes` from `address`; `object` names them. */
  note(object: number, objectBytes: number, address: number, isWrite: boolean): void;
  result(): Advice;
}

const smallestOctave = 14;
const largestOctave = 50;
/** Points per octave of the grid for objects and pages; hybrid memory is simulated, once per octave. */
const pointsPerOctave = 4;

function capacitiesOf(wanted: readonly number[]): Float64Array {
  const grid: number[] = [...wanted];
  for (let step = smallestOctave * pointsPerOctave; step <= largestOctave * pointsPerOctave; step++)
    grid.push(Math.round(2 ** (step / pointsPerOctave)));
  return Float64Array.from(new Set(grid)).sort();
}

function octavesOf(wanted: readonly number[]): number[] {
  const octaves = Array.from({ length: largestOctave - smallestOctave + 1 }, (_, at) => 2 ** (at + smallestOctave));
  return [...new Set([...wanted, ...octaves])].sort((a, b) => a - b);
}

/**
 * Object, page and hybrid granularity for all amounts of local memory in one pass. Memory is bounded by `mostUnits`: beyond it only pages
 * whose hash falls below a threshold are followed, with the objects that begin on them (SHARDS; Waldspurger et al., FAST 2015), the
 * hybrid ones in miniature.
 */
export function createAdvisor({ localBytes, mostUnits }: AdvisorConfig): Advisor {
  const capacities = capacitiesOf(localBytes);
  const objects = createLruCurve(capacities);
  const pages = createLruCurve(capacities);
  const hybrids = createHybrids(octavesOf(localBytes));
  let accesses = 0;
  let writes = 0;
  let rate = 1;
  let last = { object: -1, address: -1, objectBytes: 0, isWrite: false };

  const isFollowed = (page: number) => rate === 1 || hashOf(page) < rate;

  function sampleHalf(): void {
    rate /= 2;
    objects.retain(isFollowed, 1 / rate);
    pages.retain(isFollowed, 1 / rate);
    hybrids.retain(isFollowed, rate);
  }

  return {
    note(object, objectBytes, address, isWrite) {
      accesses++;
      if (isWrite) writes++;
      const isSame = object === last.object && address === last.address && objectBytes === last.objectBytes;
      // A second use in a row changes nothing, and is most of what a program does.
      const coversAllOfLast = isSame && objectBytes <= pageBytes - (address % pageBytes);
      if (coversAllOfLast && (last.isWrite || !isWrite)) return;
      last = { object, address, objectBytes, isWrite };
      const first = Math.floor(address / pageBytes);
      const end = Math.floor((address + objectBytes - 1) / pageBytes);
      for (let page = first; page <= end; page++) if (isFollowed(page)) pages.touch(page, pageBytes, isWrite, page);
      if (isFollowed(first)) {
        objects.touch(object, objectBytes, isWrite, first);
        hybrids.touch(object, objectBytes, first, isWrite);
      }
      while (objects.units > mostUnits || pages.units > mostUnits) sampleHalf();
    },
    result() {
      const upTo = Math.max(objects.footprintBytes, pages.footprintBytes);
      const shown = (capacity: number, before: number | undefined) =>
        localBytes.includes(capacity) || before === undefined || before < upTo;
      const ofCurve = (granularity: Granularity, points: readonly CurvePoint[]) =>
        points.flatMap((point, at) =>
          shown(capacities[at]!, capacities[at - 1])
            ? [pointOf(granularity, capacities[at]!, { ...point, fetches: point.misses }, accesses)]
            : [],
        );
      return {
        accesses,
        writes,
        objectFootprintBytes: objects.footprintBytes,
        pageFootprintBytes: pages.footprintBytes,
        samplingRate: rate,
        points: [
          ...ofCurve('object', objects.points()),
          ...ofCurve('page', pages.points()),
          ...hybrids
            .counts()
            .flatMap(([capacity, counts], at, all) =>
              shown(capacity, all[at - 1]?.[0]) ? [pointOf('hybrid', capacity, counts, accesses)] : [],
            ),
        ],
      };
    },
  };
}

function pointOf(
  granularity: Granularity,
  localBytes: number,
  { fetches, bytesIn, writeBacks, bytesOut }: HybridCounts,
  accesses: number,
): AdvicePoint {
  const missRatio = accesses === 0 ? 0 : fetches / accesses;
  return { granularity, localBytes, missRatio, fetches, bytesIn, writeBacks, bytesOut };
}

/** Hybrid memories of growing capacity. All that hold everything so far are one; each is split off when it would first have to evict. */
function createHybrids(capacities: readonly number[]) {
  const full: { readonly capacity: number; readonly pool: HybridPool }[] = [];
  const holdsAll = createHybridPool(Number.MAX_SAFE_INTEGER);
  const pages = createNumbering();
  const objects = createNumbering();
  /** By number of the object: the page that it began on when it was first seen. */
  const pageOf: number[] = [];
  let rate = 1;
  let next = 0;

  function split(objectBytes: number): void {
    const needed = holdsAll.localBytes + Math.max(objectBytes, pageBytes);
    while (next < capacities.length && capacities[next]! * rate < needed) {
      const capacity = capacities[next++]!;
      // What fits no memory of this capacity was never kept in one.
      full.push({ capacity, pool: holdsAll.clone(capacity * rate) });
    }
  }

  return {
    touch(object: number, objectBytes: number, page: number, isWrite: boolean): void {
      split(objectBytes);
      const known = objects.find(object);
      const number = known ?? objects.add(object);
      if (known === undefined) pageOf[number] = pages.find(page) ?? pages.add(page);
      for (const { pool } of full) pool.touch(number, objectBytes, pageOf[number]!, isWrite);
      holdsAll.touch(number, objectBytes, pageOf[number]!, isWrite);
    },
    retain(keeps: (page: number) => boolean, newRate: number): void {
      rate = newRate;
      const keepsNumber = (page: number) => keeps(pages.nameOf(page));
      for (const { capacity, pool } of full) pool.retain(keepsNumber, capacity * rate);
      holdsAll.retain(keepsNumber, Number.MAX_SAFE_INTEGER);
      objects.retain((object) => keepsNumber(pageOf[object]!));
      pages.retain(keepsNumber);
      for (const { pool } of full) pool.weigh(1 / rate);
      holdsAll.weigh(1 / rate);
    },
    counts(): [number, HybridCounts][] {
      return [
        ...full.map(({ capacity, pool }): [number, HybridCounts] => [capacity, pool]),
        ...capacities.slice(next).map((capacity): [number, HybridCounts] => [capacity, holdsAll]),
      ];
    },
  };
}

/** Numbers from 0 on for names, as few as there are names at a time. */
function createNumbering() {
  const numbers = new Map<number, number>();
  const names: number[] = [];
  const unused: number[] = [];
  return {
    find: (name: number) => numbers.get(name),
    add(name: number): number {
      const number = unused.pop() ?? names.length;
      names[number] = name;
      numbers.set(name, number);
      return number;
    },
    nameOf: (number: number) => names[number]!,
    retain(keeps: (number: number) => boolean): void {
      for (const [name, number] of numbers) {
        if (keeps(number)) continue;
        numbers.delete(name);
        unused.push(number);
      }
    },
  };
}

/** 0 to 1, evenly spread: 32 bits mixed as MurmurHash3's finaliser does. */
function hashOf(page: number): number {
  let mixed = (page >>> 0) ^ Math.imul((page / 2 ** 32) >>> 0, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
}
