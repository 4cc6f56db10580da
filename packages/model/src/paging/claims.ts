import type { Claim, Expectation } from '../machine/claims.ts';
import { type Granularity, type PagingConfig, type PagingResult, pageBytes, simulatePaging } from './simulate.ts';

/** A statement about granularity with the run that measures it; without one, nothing here can and the claim stays open. */
export interface PagingClaim extends Claim {
  readonly how: string;
  value(): number | undefined;
}

/** The trace of the reference results: 64-byte objects, 4 MiB of them, a quarter local (specification far-memory A3.3). */
export const referenceRun: Omit<PagingConfig, 'granularity'> = {
  objects: 65_536,
  objectBytes: 64,
  localBytes: 2 ** 20,
  accesses: 1_000_000,
  pattern: { kind: 'uniform' },
  writes: false,
  seed: 12_345,
};

/** 4 KiB objects as in AIFM's microbenchmarks: as large as a page. */
const pageSized = { objects: 16_384, objectBytes: 4096, localBytes: 2 ** 24, accesses: 500_000, writes: true } as const;
const halfKibibyte = { objectBytes: 512, localBytes: 2 ** 23, writes: true } as const;

function run(granularity: Granularity, change: Partial<PagingConfig> = {}): PagingResult {
  return simulatePaging({ ...referenceRun, ...change, granularity });
}

/** Bytes that pages bring in for each byte of objects that had to come. Every miss of an object brings one object. */
function readAmplification(change: Partial<PagingConfig> = {}): number {
  return run('page', change).bytesIn / run('object', change).bytesIn;
}

function writeAmplification(change: Partial<PagingConfig>): number {
  return run('page', change).bytesOut / run('object', change).bytesOut;
}

const exactly = (value: number): Expectation => ({ kind: 'equals', value, tolerance: 0 });
/** Published with two decimals. */
const about = (value: number): Expectation => ({ kind: 'equals', value, tolerance: 0.005 });

function claim(
  id: string,
  statement: string,
  published: string,
  expectation: Expectation,
  how: string,
  value: () => number | undefined,
  unit?: string,
): PagingClaim {
  return {
    id: `far.${id}`,
    statement,
    source: 'specification far-memory A3.2, A3.3',
    published,
    expectation,
    measure: `far.${id}`,
    how,
    value,
    ...(unit !== undefined && { unit }),
  };
}

const uniform = 'exact LRU, 1,000,000 even accesses to 65,536 objects of 64 B, a quarter local';
const sequential = 'exact LRU, 1,000,000 accesses to 65,536 objects of 64 B, one after the other, a quarter local';

/** Object against page granularity (AIFM, OSDI 2020, against paging) in figures that need no second machine. */
export const pagingClaims: readonly PagingClaim[] = [
  claim(
    'object-misses',
    'misses of objects, even accesses',
    '752,379',
    exactly(752_379),
    uniform,
    () => run('object').misses,
    'misses',
  ),
  claim(
    'page-misses',
    'misses of pages, even accesses',
    '750,231',
    exactly(750_231),
    uniform,
    () => run('page').misses,
    'misses',
  ),
  claim(
    'read-amplification',
    'pages move 64 times the bytes for small objects at random',
    '63.82',
    about(63.82),
    uniform,
    readAmplification,
    'x',
  ),
  claim(
    'write-amplification',
    'and write back 65 times the bytes when half of the accesses write',
    '65.26',
    about(65.26),
    `${uniform}, half of them writes`,
    () => writeAmplification({ writes: true }),
    'x',
  ),
  claim(
    'page-misses-512',
    'misses of pages that hold eight objects of half a kibibyte',
    '749,895 (an amplification of 7.98 is printed beside it; the misses make 7.97)',
    exactly(749_895),
    'exact LRU, 1,000,000 even accesses to 65,536 objects of 512 B, half of them writes, a quarter local',
    () => run('page', halfKibibyte).misses,
    'misses',
  ),
  claim(
    'read-amplification-page',
    'objects as large as a page move the same bytes either way',
    '1.00',
    about(1),
    'exact LRU, 500,000 even accesses to 16,384 objects of 4 KiB, half of them writes, a quarter local',
    () => readAmplification(pageSized),
    'x',
  ),
  claim(
    'sequential-fetches',
    'one after the other, small objects take 64 times the fetches of pages',
    '1,000,000 against 15,625',
    exactly(pageBytes / referenceRun.objectBytes),
    sequential,
    () =>
      run('object', { pattern: { kind: 'sequential' } }).fetches /
      run('page', { pattern: { kind: 'sequential' } }).fetches,
    'x',
  ),
  {
    ...claim(
      'fastswap',
      'applications run up to 61 times as fast as with Fastswap',
      '61 times',
      { kind: 'at-least', value: 1 },
      'not measured: it takes two machines, a 25 Gb/s network and a patched kernel',
      () => undefined,
      'x',
    ),
    source: 'AIFM (OSDI 2020), abstract',
  },
];
