import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CacheHierarchy, cacheNames, createHierarchy, type HierarchyConfig } from './cache-hierarchy.ts';
import { resolveMachine } from './machine-file.ts';
import { createPrintedHierarchy } from './print/hierarchy.ts';
import { createRandom } from './random.ts';

/** Caches small enough that everything is evicted soon; sizes in lines. */
const machines = fc
  .record({
    cores: fc.integer({ min: 1, max: 5 }),
    prefetcher: fc.constantFrom('none', 'nextline'),
    walkerReads: fc.constantFrom('l1d', 'l2'),
    policy: fc.constantFrom('lru', 'lfu', 'random', 'srrip', 'tree-plru'),
    l1Sets: fc.constantFrom(1, 2, 3),
    l2Sets: fc.constantFrom(2, 4, 5),
    llcShared: fc.constantFrom(0, 1, 2),
    l2Shared: fc.constantFrom(1, 2),
  })
  .map(({ cores, prefetcher, walkerReads, policy, l1Sets, l2Sets, llcShared, l2Shared }) => {
    const cache = (sets: number, ways: number, sharedByCores: number) => ({
      sizeBytes: sets * ways * 64,
      ways,
      policy,
      sharedByCores,
    });
    const l1 = cache(l1Sets, 2, 1);
    return resolveMachine({
      cores,
      prefetcher,
      walkerReads,
      l1i: l1,
      l1d: l1,
      l2: cache(l2Sets, 4, l2Shared),
      llc: cache(8, 4, llcShared),
    });
  });

const accesses = fc.array(
  fc.record({
    core: fc.integer({ min: 0, max: 4 }),
    line: fc.oneof(
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 0, max: 9 }).map((i) => 2 ** 45 + i),
    ),
    kind: fc.constantFrom('data', 'fetch', 'walk'),
  }),
  { minLength: 1, maxLength: 300 },
);

type Access = { core: number; line: number; kind: string };

function play(hierarchy: CacheHierarchy, { core, line, kind }: Access): number {
  return kind === 'walk' ? hierarchy.walk(core, line) : hierarchy.access(core, line, kind === 'fetch');
}

/** LRU by lists, for machines without a prefetcher: the front of each list is the most recently used line. */
function naiveLru(config: HierarchyConfig): (access: Access) => number {
  const held = new Map<string, number[]>();
  const touch = (name: 'l1i' | 'l1d' | 'l2' | 'llc', core: number, line: number): boolean => {
    const { sizeBytes, ways, sharedByCores } = config[name];
    const instance = sharedByCores === 0 ? 0 : Math.floor(core / Math.min(sharedByCores, config.cores));
    const id = `${name} ${instance} ${line % (sizeBytes / 64 / ways)}`;
    const list = held.get(id) ?? [];
    held.set(id, [line, ...list.filter((other) => other !== line)].slice(0, ways));
    return list.includes(line);
  };
  return ({ core, line, kind }) => {
    const first = kind === 'fetch' ? 'l1i' : 'l1d';
    if (!(kind === 'walk' && config.walkerReads === 'l2') && touch(first, core, line)) return 1;
    if (touch('l2', core, line)) return 2;
    return touch('llc', core, line) ? 3 : 0;
  };
}

describe('the cache hierarchy', () => {
  it('printed for its geometry answers and counts as the interpreted one', () => {
    fc.assert(
      fc.property(machines, accesses, (machine, stream) => {
        const interpreted = createHierarchy(machine, createRandom(1));
        const printed = createPrintedHierarchy(machine, createRandom(1));
        stream.forEach((access, index) => {
          const one = { ...access, core: access.core % machine.cores };
          if (index === 200) for (const hierarchy of [interpreted, printed]) hierarchy.clear();
          if (index === 250) for (const hierarchy of [interpreted, printed]) hierarchy.resetCounts();
          expect(play(printed, one)).toBe(play(interpreted, one));
        });
        expect(printed.counts()).toEqual(interpreted.counts());
      }),
      { numRuns: 200 },
    );
  });

  it('printed with a last level of many sets or ways answers as the interpreted one, up to the last line of memory', () => {
    const places = fc.array(fc.record({ set: fc.integer({ min: 0, max: 3 }), tag: fc.integer({ min: 0, max: 30 }) }), {
      minLength: 1,
      maxLength: 300,
    });
    const shapes = fc.record({
      sets: fc.constantFrom(2 ** 14, 2 ** 15, 40_000, 2 ** 16),
      ways: fc.constantFrom(1, 8, 11, 16, 17),
      highest: fc.constantFrom(0, 2 ** 41, 2 ** 45, 2 ** 46 - 1),
    });
    fc.assert(
      fc.property(shapes, places, ({ sets, ways, highest }, stream) => {
        const llc = { sizeBytes: sets * ways * 64, ways };
        const tiny = { sizeBytes: 64, ways: 1 };
        const machine = resolveMachine({ cores: 1, l1i: tiny, l1d: tiny, l2: tiny, llc });
        const interpreted = createHierarchy(machine, createRandom(1));
        const printed = createPrintedHierarchy(machine, createRandom(1));
        for (const { set, tag } of stream) {
          const line = tag % 2 === 0 ? tag * sets + set : Math.max(0, highest - tag * sets - set);
          expect(printed.walk(0, line)).toBe(interpreted.walk(0, line));
        }
        expect(printed.counts()).toEqual(interpreted.counts());
      }),
      { numRuns: 60 },
    );
  });

  it('answers where lists of the most recently used lines say, under LRU without a prefetcher', () => {
    fc.assert(
      fc.property(machines, accesses, (random, stream) => {
        const lru = (cache: HierarchyConfig['l1d']) => ({ ...cache, policy: 'lru' as const });
        const { l1i, l1d, l2, llc } = random;
        const machine = {
          ...random,
          prefetcher: 'none' as const,
          l1i: lru(l1i),
          l1d: lru(l1d),
          l2: lru(l2),
          llc: lru(llc),
        };
        const hierarchy = createHierarchy(machine, createRandom(1));
        const naive = naiveLru(machine);
        for (const access of stream) {
          const one = { ...access, core: access.core % machine.cores };
          expect(play(hierarchy, one)).toBe(naive(one));
        }
      }),
    );
  });

  it('counts every access once in its first cache, and every miss once in the next', () => {
    fc.assert(
      fc.property(machines, accesses, (machine, stream) => {
        const hierarchy = createPrintedHierarchy(machine, createRandom(1));
        for (const access of stream) play(hierarchy, { ...access, core: access.core % machine.cores });
        const { l1i, l1d, l2, llc } = hierarchy.counts();
        const number = (kind: string) => stream.filter((access) => access.kind === kind).length;
        expect(l1i.dataHits + l1i.dataMisses).toBe(number('fetch'));
        expect(l1d.dataHits + l1d.dataMisses).toBe(number('data'));
        const firstForWalks = machine.walkerReads === 'l1d' ? l1d : l2;
        expect(firstForWalks.walkHits + firstForWalks.walkMisses).toBe(number('walk'));
        expect(l2.dataHits + l2.dataMisses).toBe(l1i.dataMisses + l1d.dataMisses);
        expect(llc.dataHits + llc.dataMisses).toBe(l2.dataMisses);
        expect(llc.walkHits + llc.walkMisses).toBe(l2.walkMisses);
        expect(llc.prefetchHits + llc.prefetchMisses).toBe(l2.prefetchMisses);
        const prefetches = machine.prefetcher === 'none' ? 0 : l1d.dataMisses + l1d.walkMisses;
        expect(l1d.prefetchHits + l1d.prefetchMisses).toBe(prefetches);
      }),
    );
  });

  it('finds the next line in L1D after a miss, with the next-line prefetcher, and the line after that in memory', () => {
    const hierarchy = createHierarchy(resolveMachine({ cores: 1 }), createRandom(1));
    expect([hierarchy.walk(0, 100), hierarchy.access(0, 101, false), hierarchy.access(0, 102, false)]).toEqual([
      0, 1, 0,
    ]);
  });

  it('shares the last level between cores, not what is above it', () => {
    const hierarchy = createHierarchy(resolveMachine({ cores: 2, prefetcher: 'none' }), createRandom(1));
    expect([hierarchy.access(0, 7, false), hierarchy.access(1, 7, false), hierarchy.access(1, 7, true)]).toEqual([
      0, 3, 2,
    ]);
    expect(cacheNames.map((name) => hierarchy.counts()[name].dataMisses)).toEqual([1, 2, 2, 1]);
  });
});
