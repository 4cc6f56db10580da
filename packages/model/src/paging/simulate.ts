import { StrataError } from '../machine/errors.ts';
import { createHybridPool, pageBytes } from './hybrid-pool.ts';
import { createLruPool } from './lru-pool.ts';

/**
 * How accesses choose objects: evenly at random, one after the other from the start again and again, or by Zipf's law with an exponent. Then
 * the popular objects lie side by side, or `scattered` over all pages: what is fetched as objects is the same, as pages it is not.
 */
export type Pattern =
  | { readonly kind: 'uniform' }
  | { readonly kind: 'sequential' }
  | { readonly kind: 'zipf'; readonly exponent: number; readonly isScattered?: boolean };

/**
 * `object`: what is fetched and evicted is one object; `page`: every page that an object lies on; `hybrid`: pages that are used densely as
 * pages, the objects of the others one by one.
 */
export const granularities = ['object', 'page', 'hybrid'] as const;
export type Granularity = (typeof granularities)[number];

export interface PagingConfig {
  /** Objects, 1 to 2^27. */
  readonly objects: number;
  /** Size of an object in bytes; objects lie one behind the other. */
  readonly objectBytes: number;
  /** Local memory in bytes: object data or pages, nothing else counted. */
  readonly localBytes: number;
  readonly accesses: number;
  readonly pattern: Pattern;
  /** Every second access writes, at random. */
  readonly writes: boolean;
  /** Seed of the 32-bit xorshift generator; not 0. */
  readonly seed: number;
  readonly granularity: Granularity;
}

/** What exact LRU does; bytes and transfers separately, since one can win where the other loses (specification A3.3). */
export interface PagingResult {
  /** Accesses, or pages of accesses, that were not local. */
  readonly misses: number;
  /** Transfers to local memory. */
  readonly fetches: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Dirty objects or pages that were evicted. */
  readonly writeBacks: number;
}

const mostObjects = 2 ** 27;

/**
 * Runs accesses over local memory with exact LRU (specification far-memory A3.2, A3.3).
 * @throws StrataError `paging.range` for figures that make no run
 */
export function simulatePaging(config: PagingConfig): PagingResult {
  check(config);
  if (config.granularity === 'hybrid') return simulateHybrid(config);
  const { objects, objectBytes, localBytes, accesses, granularity, writes } = config;
  const isObject = granularity === 'object';
  const unitBytes = isObject ? objectBytes : pageBytes;
  const units = isObject ? objects : Math.ceil((objects * objectBytes) / pageBytes);
  const pool = createLruPool(units, Math.floor(localBytes / unitBytes));
  const random = createXorshift(config.seed);
  const next = indexSource(config, random);
  for (let access = 0; access < accesses; access++) {
    const index = next();
    const isWrite = writes && (random() & 1) === 1;
    const first = isObject ? index : Math.floor((index * objectBytes) / pageBytes);
    const last = isObject ? index : Math.floor(((index + 1) * objectBytes - 1) / pageBytes);
    for (let unit = first; unit <= last; unit++) pool.touch(unit, isWrite);
  }
  const { misses, writeBacks } = pool;
  return { misses, fetches: misses, bytesIn: misses * unitBytes, bytesOut: writeBacks * unitBytes, writeBacks };
}

function simulateHybrid(config: PagingConfig): PagingResult {
  const { objectBytes, localBytes, accesses, writes } = config;
  const pool = createHybridPool(localBytes);
  const random = createXorshift(config.seed);
  const next = indexSource(config, random);
  for (let access = 0; access < accesses; access++) {
    const index = next();
    const isWrite = writes && (random() & 1) === 1;
    pool.touch(index, objectBytes, Math.floor((index * objectBytes) / pageBytes), isWrite);
  }
  const { misses, fetches, bytesIn, bytesOut, writeBacks } = pool;
  return { misses, fetches, bytesIn, bytesOut, writeBacks };
}

/** Marsaglia's 32-bit xorshift (13, 17, 5), the generator of the reference results; the seed is not 0. */
export function createXorshift(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function indexSource({ objects, pattern }: PagingConfig, random: () => number): () => number {
  if (pattern.kind === 'uniform') return () => random() % objects;
  if (pattern.kind === 'sequential') {
    let at = 0;
    return () => {
      const index = at;
      at = at + 1 === objects ? 0 : at + 1;
      return index;
    };
  }
  const rank = zipfSource(objects, pattern.exponent, random);
  if (!pattern.isScattered) return rank;
  const step = scatteringStep(objects);
  return () => (rank() * step) % objects;
}

/** Knuth's multiplier for 16 bits, which the reference results use; the next that has no divisor in common, so that no two ranks meet. */
const scattering = 40_503;

function scatteringStep(objects: number): number {
  let step = scattering;
  while (greatestCommonDivisor(step, objects) !== 1) step++;
  return step;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Draws by Zipf's law from `objects` of them. Object 0 is the most popular, its neighbours follow: the hot set lies together. */
export function zipfSource(objects: number, exponent: number, random: () => number): () => number {
  const upTo = new Float64Array(objects);
  let sum = 0;
  for (let rank = 0; rank < objects; rank++) {
    sum += (rank + 1) ** -exponent;
    upTo[rank] = sum;
  }
  return () => {
    const wanted = (random() / 2 ** 32) * sum;
    let low = 0;
    let high = objects - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (upTo[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

function check({ objects, objectBytes, localBytes, accesses, pattern, seed, granularity }: PagingConfig): void {
  const whole = (what: string, value: number, least: number, most: number) => {
    if (!(Number.isInteger(value) && value >= least && value <= most))
      throw new StrataError({
        code: 'paging.range',
        what: `${what} is out of range`,
        expected: `an integer from ${least} to ${most}`,
        found: String(value),
      });
  };
  whole('the number of objects', objects, 1, mostObjects);
  whole('the size of an object', objectBytes, 1, 2 ** 30);
  whole('the number of accesses', accesses, 0, Number.MAX_SAFE_INTEGER);
  whole('the seed', seed, 1, 2 ** 32 - 1);
  const largestUnit = { object: objectBytes, page: pageBytes, hybrid: Math.max(objectBytes, pageBytes) };
  whole('local memory', localBytes, largestUnit[granularity], Number.MAX_SAFE_INTEGER);
  if (objects * objectBytes > mostObjects * pageBytes)
    whole('objects times their size', objects * objectBytes, 1, mostObjects * pageBytes);
  if (pattern.kind === 'zipf' && !(pattern.exponent >= 0 && pattern.exponent <= 10))
    throw new StrataError({
      code: 'paging.range',
      what: 'the exponent of Zipf is out of range',
      expected: 'a number from 0 to 10',
      found: String(pattern.exponent),
    });
}
