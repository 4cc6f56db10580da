import { AccessKind, createRandom, StrataError } from '@strata/model/machine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ReadOptions, TraceReader } from '../reader.ts';
import { generators, openGenerator, openGeneratorText, parseSettings } from './index.ts';
import { createPermutation } from './permutation.ts';
import { createZipfRanks } from './zipf-ranks.ts';

interface Access {
  readonly address: number;
  readonly kind: number;
  readonly size: number;
  readonly pc: number;
}

async function collect(reader: TraceReader): Promise<Access[]> {
  const accesses: Access[] = [];
  for await (const { length, lo, hi, kind, size, pcLo, pcHi } of reader.blocks())
    for (let row = 0; row < length; row++)
      accesses.push({
        address: hi[row]! * 2 ** 32 + lo[row]!,
        kind: kind[row]!,
        size: size[row]!,
        pc: pcLo && pcHi ? pcHi[row]! * 2 ** 32 + pcLo[row]! : -1,
      });
  return accesses;
}

const withPc: ReadOptions = { columns: { pc: true } };
const generate = (name: string, values: Record<string, unknown>, options: ReadOptions = withPc) =>
  collect(openGenerator(name, values, options));
const base = 2 ** 44;

describe.each(generators.names)('generator %s', (name) => {
  it('gives the same accesses for the same seed, cut anywhere', async () => {
    const values = { accesses: 40_000, size: 2 ** 22, seed: 5, codeBytes: 2 ** 16 };
    const whole = await generate(name, values);
    expect(whole).toHaveLength(40_000);
    expect(await generate(name, values)).toEqual(whole);
    expect(await generate(name, values, { ...withPc, skip: 17_003, limit: 9_001 })).toEqual(
      whole.slice(17_003, 26_004),
    );
  });

  it('stays in its address space, from a page to the largest size', async () => {
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 12, max: 46, noNaN: true }), fc.nat(), async (exponent, seed) => {
        const size = Math.floor(2 ** exponent);
        // Word n of gups lies one word after the table.
        const end = base + size + (name === 'gups' ? 8 : 0);
        for (const access of await generate(name, { accesses: 500, size, seed })) {
          expect(access.address).toBeGreaterThanOrEqual(base);
          expect(access.address + access.size).toBeLessThanOrEqual(end);
        }
      }),
      { numRuns: 25 },
    );
  });

  it('fetches the instructions that lead to each access', async () => {
    const accesses = await generate(name, { accesses: 4_000, instructions: true, instructionsPerAccess: 3 });
    for (let at = 0; at + 3 < accesses.length; at += 4) {
      const [first, second, third, data] = accesses.slice(at, at + 4) as [Access, Access, Access, Access];
      expect([first.kind, second.kind, third.kind]).toEqual([AccessKind.fetch, AccessKind.fetch, AccessKind.fetch]);
      expect([second.address, third.address]).toEqual([first.address + 4, first.address + 8]);
      expect(data.kind).toBeLessThan(AccessKind.fetch);
      expect(data.pc).toBe(third.address);
    }
  });

  it('spreads its code over as many pages as it is told', async () => {
    const accesses = await generate(name, { accesses: 20_000, instructions: true, codeBytes: 2 ** 15 });
    const fetches = accesses.filter(({ kind }) => kind === AccessKind.fetch);
    expect(new Set(fetches.map(({ address }) => address >> 12)).size).toBe(8);
  });

  it('refuses a parameter that it does not have', () => {
    expect(() => openGenerator(name, { sizes: 4096 })).toThrow(/unknown key sizes.*size/);
  });
});

describe('gups', () => {
  it('makes the updates of HPC Challenge, to both indices, n included', async () => {
    const words = 256;
    const accesses = await generate('gups', { size: words * 8, accesses: 4 * 128 * 8, base: 0 });
    const expected: [number, number][] = [];
    for (const word of naiveIndices(words)) {
      for (const index of [word, words - word]) {
        expected.push([index * 8, AccessKind.load], [index * 8, AccessKind.store]);
      }
    }
    expect(accesses.map(({ address, kind }) => [address, kind])).toEqual(expected);
    expect(accesses.some(({ address }) => address === words * 8)).toBe(true);
  });

  it('uses the high half of the numbers for tables above 2^32 words', async () => {
    const accesses = await generate('gups', { size: 2 ** 44, accesses: 40_000, base: 0 });
    expect(accesses.filter(({ address }) => address >= 2 ** 43).length / accesses.length).toBeCloseTo(0.5, 1);
  });

  /** The sequence by its definition: number k of stream j is x^(j * 4n / 128 + k + 1), stepped one by one. */
  function* naiveIndices(words: number): Generator<number> {
    const step = (value: bigint) => BigInt.asUintN(64, value << 1n) ^ (value >> 63n ? 7n : 0n);
    const states: bigint[] = [];
    for (let stream = 0, state = 1n; stream < 128; stream++) {
      states.push(state);
      for (let number = 0; number < (4 * words) / 128; number++) state = step(state);
    }
    for (let round = 0; round < 8; round++)
      for (let stream = 0; stream < 128; stream++) {
        states[stream] = step(states[stream]!);
        yield Number(states[stream]! % BigInt(words));
      }
  }
});

describe('the permutation', () => {
  it('meets every number once, for any count', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(), (count, seed) => {
        const permute = createPermutation(count, createRandom(seed));
        expect(new Set(Array.from({ length: count }, (_, index) => permute(index))).size).toBe(count);
        expect(permute(0)).toBeLessThan(count);
      }),
      { numRuns: 50 },
    );
  });

  it('scatters neighbours over the whole range', () => {
    const permute = createPermutation(2 ** 34, createRandom(1));
    const bins = new Array<number>(16).fill(0);
    for (let index = 0; index < 16_000; index++) bins[Math.floor(permute(index) / 2 ** 30)]!++;
    const chiSquare = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeLessThan(37.7);
  });
});

describe('zipf', () => {
  it.each([0.5, 0.99, 1, 1.5, 3])('draws ranks with frequency 1 / rank^%d', (exponent) => {
    const count = 50;
    const draws = 100_000;
    const nextRank = createZipfRanks(count, exponent, createRandom(3));
    const seen = new Array<number>(count).fill(0);
    for (let draw = 0; draw < draws; draw++) seen[nextRank()]!++;
    const weights = seen.map((_, rank) => (rank + 1) ** -exponent);
    const sum = weights.reduce((a, b) => a + b, 0);
    // Bins that expect fewer than five draws are put together.
    let chiSquare = 0;
    let rest = 0;
    let restExpected = 0;
    seen.forEach((found, rank) => {
      const expected = (draws * weights[rank]!) / sum;
      if (expected >= 5) chiSquare += (found - expected) ** 2 / expected;
      else {
        rest += found;
        restExpected += expected;
      }
    });
    if (restExpected > 0) chiSquare += (rest - restExpected) ** 2 / restExpected;
    // 99.9 % of chi-square with 49 degrees of freedom.
    expect(chiSquare).toBeLessThan(85.4);
  });

  it('holds for 2^40 objects', () => {
    const nextRank = createZipfRanks(2 ** 40, 0.99, createRandom(3));
    const ranks = Array.from({ length: 20_000 }, nextRank);
    expect(ranks.every((rank) => Number.isInteger(rank) && rank >= 0 && rank < 2 ** 40)).toBe(true);
    // With H = sum of k^-0.99 over 2^40 objects = 32.5 (Euler-Maclaurin), rank 0 has probability 1 / H.
    expect(ranks.filter((rank) => rank === 0).length / 20_000).toBeCloseTo(1 / 32.5, 2);
  });
});

describe('chase', () => {
  it('visits every node once before it visits one again', async () => {
    const nodes = 1000;
    const accesses = await generate('chase', { size: nodes * 64, accesses: 2 * nodes, loads: 0 });
    const order = accesses.map(({ address }) => (address - base) / 64);
    expect([...order.slice(0, nodes)].sort((a, b) => a - b)).toEqual(Array.from({ length: nodes }, (_, node) => node));
    expect(order.slice(nodes)).toEqual(order.slice(0, nodes));
  });
});

describe('strided', () => {
  it('touches every element once per round', async () => {
    const accesses = await generate('strided', { size: 4096, strideBytes: 512, accesses: 1024 });
    const order = accesses.map(({ address }) => (address - base) / 8);
    expect(order.slice(0, 9)).toEqual([0, 64, 128, 192, 256, 320, 384, 448, 1]);
    expect(new Set(order.slice(0, 512)).size).toBe(512);
  });
});

describe('btree', () => {
  it('goes through one node per level, each a child of the one before', async () => {
    const accesses = await generate('btree', { size: 2 ** 20, fanout: 4, accesses: 2000 });
    const pointers = accesses.filter(({ pc }, _, all) => pc !== all[0]!.pc);
    // 2^20 bytes in nodes of 64 hold 12,288 leaves of a tree of 8 levels.
    const levels = pointers.findIndex(({ address }, index) => index > 0 && address < base + 64);
    expect(levels).toBe(8);
    for (let at = 0; at + levels <= pointers.length; at += levels)
      for (let level = 1; level < levels; level++)
        expect(pointers[at + level]!.address).toBeGreaterThan(pointers[at + level - 1]!.address);
  });
});

describe('bfs', () => {
  it('dequeues vertices in the order in which they were enqueued, and discovers each once', async () => {
    const degree = 4;
    const vertices = 500;
    const region = vertices * 8;
    const accesses = await generate('bfs', { size: region * (3 + degree), degree, accesses: 12_000 });
    const queueWrites: number[] = [];
    const parents = new Set<number>();
    for (const { address, kind } of accesses) {
      const offset = address - base;
      if (offset < region || offset >= 3 * region) continue;
      const index = (offset % region) / 8;
      if (offset >= 2 * region) {
        if (kind === AccessKind.store && index === 0 && queueWrites.length > 0) break;
        if (kind === AccessKind.store) expect(index).toBe(queueWrites.push(index) - 1);
        else expect(index).toBeLessThan(queueWrites.length);
      } else if (kind === AccessKind.store) {
        expect(parents.has(index)).toBe(false);
        parents.add(index);
      }
    }
    expect(queueWrites).toHaveLength(vertices);
  });
});

describe('a generator as a path', () => {
  it('is the generator with those values', async () => {
    const text = await collect(openGeneratorText('gen:zipf,size=4MiB,accesses=1e3,seed=42,scattered=false', withPc));
    expect(text).toEqual(await generate('zipf', { size: 2 ** 22, accesses: 1000, seed: 42, scattered: false }));
  });

  it.each([
    ['64k', 65_536],
    ['64kB', 64_000],
    ['64KiB', 65_536],
    ['1.5MiB', 1.5 * 2 ** 20],
    ['0x10000', 65_536],
    ['1e6', 1_000_000],
  ])('takes the size %s', (size, bytes) => {
    expect(parseSettings('gups', [`size=${size}`, 'accesses=64k'])).toEqual({ size: bytes, accesses: 64_000 });
  });

  it.each([
    ['gen:gusp', /unknown generator gusp.*gups/],
    ['gen:gups,sise=4096', /unknown key sise.*size/],
    ['gen:gups,size=large', /size.*integer.*large/],
    ['gen:gups,size=8', /at least 16|from 16/],
    ['gen:gups,size', /KEY=VALUE/],
    ['gen:gups,', /KEY=VALUE/],
    ['gen:zipf,scattered=maybe', /true or false/],
    ['gen:gups,seed=1.5', /integer/],
  ])('%s is refused with a sentence', (path, message) => {
    expect(() => openGeneratorText(path)).toThrow(StrataError);
    expect(() => openGeneratorText(path)).toThrow(message);
  });
});
