import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CacheBias, createBiasedStore, createPressure } from './biased-store.ts';
import { type CacheHierarchy, createHierarchy, type HierarchyConfig } from './cache-hierarchy.ts';
import { resolveMachine } from './machine-file.ts';
import { createPrintedHierarchy } from './print/hierarchy.ts';
import { createRandom } from './random.ts';

interface Touch {
  readonly line: number;
  readonly kept: boolean;
  readonly pressed: boolean;
}

const touches = (lines: number): fc.Arbitrary<Touch[]> =>
  fc.array(fc.record({ line: fc.integer({ min: 0, max: lines - 1 }), kept: fc.boolean(), pressed: fc.boolean() }), {
    minLength: 1,
    maxLength: 300,
  });

/** One set under LRU as a list of lines, the most recently used first: what is said, word for word. */
function naiveSet(ways: number, attempts: number): (touch: Touch) => boolean {
  let list: { readonly line: number; readonly kept: boolean }[] = [];
  return ({ line, kept, pressed }) => {
    const held = list.find((entry) => entry.line === line);
    if (held !== undefined) {
      list = [{ line, kept: held.kept || kept }, ...list.filter((entry) => entry !== held)];
      return true;
    }
    if (list.length === ways) {
      for (let asked = 0; pressed && asked < Math.min(attempts, ways) && list.at(-1)!.kept; asked++)
        list = [list.at(-1)!, ...list.slice(0, -1)];
      list = list.slice(0, -1);
    }
    list = [{ line, kept }, ...list];
    return false;
  };
}

describe('a leaning cache', () => {
  it('holds what a naive list of each set holds, under LRU', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(1, 2, 3),
        fc.constantFrom(0, 1, 2, Number.POSITIVE_INFINITY),
        touches(24),
        (ways, sets, attempts, stream) => {
          const pressure = { isHigh: false };
          const store = createBiasedStore({ sets, ways, policy: 'lru' }, createRandom(1), attempts, pressure);
          const naive = Array.from({ length: sets }, () => naiveSet(ways, attempts));
          for (const touch of stream) {
            pressure.isHigh = touch.pressed;
            expect(store.touch(touch.line, touch.kept)).toBe(naive[touch.line % sets]!(touch));
          }
        },
      ),
    );
  });

  it('keeps a page table under pressure however much data comes by, and loses it without pressure', () => {
    for (const isHigh of [true, false]) {
      const store = createBiasedStore({ sets: 1, ways: 4, policy: 'lru' }, createRandom(1), Infinity, { isHigh });
      store.touch(7, true);
      for (let line = 100; line < 200; line++) store.touch(line, false);
      expect(store.touch(7, true)).toBe(isHigh);
    }
  });

  it('spares a line once per attempt: among kept lines only, the policy decides', () => {
    const store = createBiasedStore({ sets: 1, ways: 3, policy: 'lru' }, createRandom(1), Infinity, { isHigh: true });
    for (const line of [1, 2, 3]) store.touch(line, true);
    store.touch(4, true);
    expect([2, 3, 4].map((line) => store.touch(line, true))).toEqual([true, true, true]);
    // One attempt: 2 is spared, and 3 is named and goes although it is kept as well.
    const once = createBiasedStore({ sets: 1, ways: 3, policy: 'lru' }, createRandom(1), 1, { isHigh: true });
    for (const line of [2, 3, 4]) once.touch(line, true);
    once.touch(5, true);
    expect([2, 4, 5].map((line) => once.touch(line, true))).toEqual([true, true, true]);
    expect(once.touch(3, true)).toBe(false);
  });
});

describe('pressure on translation', () => {
  it('is the rate of misses in the window before, of 8192 accesses', () => {
    const pressure = createPressure(5);
    const window = (misses: number) => {
      for (let miss = 0; miss < misses; miss++) pressure.miss();
      for (let access = 0; access < 8192; access++) pressure.access(1);
    };
    expect(pressure.isHigh).toBe(false);
    window(41);
    expect(pressure.isHigh).toBe(true);
    window(40);
    expect(pressure.isHigh).toBe(false);
  });

  it('is always high at a threshold of 0', () => {
    const pressure = createPressure(0);
    expect(pressure.isHigh).toBe(true);
    for (let access = 0; access < 8192; access++) pressure.access(1);
    expect(pressure.isHigh).toBe(true);
  });
});

type Access = { core: number; line: number; kind: 'data' | 'fetch' | 'walk' };

function play(hierarchy: CacheHierarchy, { core, line, kind }: Access): number {
  if (kind !== 'walk') return hierarchy.access(core, line, kind === 'fetch');
  hierarchy.missed?.();
  return hierarchy.walk(core, line);
}

interface Machine {
  readonly config: HierarchyConfig;
  readonly lines: number;
}

const machines: fc.Arbitrary<Machine> = fc
  .record({
    cores: fc.integer({ min: 1, max: 3 }),
    policy: fc.constantFrom('lru', 'lfu', 'random', 'srrip', 'tree-plru'),
    prefetcher: fc.constantFrom('none', 'nextline'),
    walkerReads: fc.constantFrom('l1d', 'l2'),
    l2Sets: fc.constantFrom(1, 2, 3),
    l2Ways: fc.constantFrom(1, 2, 4, 16),
    llcSets: fc.constantFrom(4, 5, 2 ** 15),
    llcWays: fc.constantFrom(1, 8, 16, 32),
  })
  .map(({ cores, policy, prefetcher, walkerReads, l2Sets, l2Ways, llcSets, llcWays }) => {
    const cache = (sets: number, ways: number) => ({ sizeBytes: sets * ways * 64, ways, policy });
    const l1 = cache(1, 1);
    const machine = { cores, prefetcher, walkerReads, l1i: l1, l1d: l1 };
    return {
      config: resolveMachine({ ...machine, l2: cache(l2Sets, l2Ways), llc: cache(llcSets, llcWays) }),
      lines: llcSets,
    };
  });

const biases: fc.Arbitrary<CacheBias> = fc
  .record({
    caches: fc.constantFrom<CacheBias['caches']>(['l2'], ['llc'], ['l2', 'llc']),
    walks: fc.boolean(),
    attempts: fc.constantFrom(1, 3, Number.POSITIVE_INFINITY),
    missesPerThousand: fc.constantFrom(0, 300, 2000),
  })
  .map(({ walks, ...bias }) => ({ ...bias, keeps: (line, byWalk) => (walks ? byWalk : line % 3 === 0) }));

describe('leaning caches printed for their geometry', () => {
  it('answer and count as the interpreted ones, under every policy, up to the last line of memory', () => {
    fc.assert(
      fc.property(machines, biases, fc.nat(), ({ config, lines }, bias, seed) => {
        const interpreted = createHierarchy(config, createRandom(1), bias);
        const printed = createPrintedHierarchy(config, createRandom(1), bias);
        const random = createRandom(seed);
        const high = 2 ** 46 - 40 * lines;
        // More than a window of the pressure, so that leaning begins and ends.
        for (let count = 0; count < 20_000; count++) {
          const phase = count < 9000 ? 2 : 5;
          const line = random.below(40) * lines + random.below(2) + (random.below(2) === 0 ? 0 : high);
          const kind = (['data', 'fetch', 'walk'] as const)[Math.min(2, random.below(phase))]!;
          const access = { core: random.below(config.cores), line, kind };
          if (count === 15_000) for (const hierarchy of [interpreted, printed]) hierarchy.clear();
          const expected = play(interpreted, access);
          if (play(printed, access) !== expected) expect.fail(`access ${count} is not answered from ${expected}`);
        }
        expect(printed.counts()).toEqual(interpreted.counts());
      }),
      { numRuns: 60 },
    );
  });
});
