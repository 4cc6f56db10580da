import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CacheBias } from '../biased-store.ts';
import { type CacheHierarchy, cacheShapesOf, createHierarchy } from '../cache-hierarchy.ts';
import { resolveMachine } from '../machine-file.ts';
import { createRandom } from '../random.ts';
import { createPrintedHierarchy } from './hierarchy.ts';
import { createLowerCaches } from './lower-caches.ts';

const cache = (sets: number, ways: number, sharedByCores = 1, policy = 'lru') => ({
  sizeBytes: sets * ways * 64,
  ways,
  sharedByCores,
  policy,
});

const machines = fc
  .record({
    cores: fc.integer({ min: 1, max: 3 }),
    prefetcher: fc.constantFrom('none', 'nextline'),
    walkerReads: fc.constantFrom('l1d', 'l2'),
    l2Sets: fc.constantFrom(256, 260, 1024),
    l2Ways: fc.constantFrom(1, 2, 4, 11, 16),
    llcSets: fc.constantFrom(256, 300, 2 ** 15),
    llcWays: fc.constantFrom(1, 3, 8, 11, 12, 16),
    shared: fc.constantFrom(0, 1, 2),
  })
  .map(({ l2Sets, l2Ways, llcSets, llcWays, shared, ...rest }) =>
    resolveMachine({
      ...rest,
      l1i: cache(1, 1),
      l1d: cache(2, 1),
      l2: cache(l2Sets, l2Ways, shared === 1 ? 1 : 2),
      llc: cache(llcSets, llcWays, shared),
    }),
  );

const biases: fc.Arbitrary<CacheBias | undefined> = fc.option(
  fc
    .record({
      caches: fc.constantFrom<CacheBias['caches']>(['l2'], ['llc'], ['l2', 'llc']),
      walks: fc.boolean(),
      attempts: fc.constantFrom(0, 1, 3, Number.POSITIVE_INFINITY),
      missesPerThousand: fc.constantFrom(0, 300, 2000),
    })
    .map(({ walks, ...bias }) => ({ ...bias, keeps: (line, byWalk) => (walks ? byWalk : line % 3 === 0) })),
  { nil: undefined },
);

const kinds = ['data', 'fetch', 'fetch missed', 'passed', 'walk'] as const;

function play(hierarchy: CacheHierarchy, kind: (typeof kinds)[number], core: number, line: number): number {
  if (kind === 'fetch missed') return hierarchy.fetchMissed(core, line);
  if (kind !== 'walk' && kind !== 'passed') return hierarchy.access(core, line, kind === 'fetch');
  if (kind === 'passed') hierarchy.passed?.(line % 20_000);
  else hierarchy.missed?.();
  return hierarchy.walk(core, line);
}

describe('the caches behind the first level in WebAssembly', () => {
  it('answer and count as the interpreted ones, leaning or not, up to the last line of memory', () => {
    fc.assert(
      fc.property(machines, biases, fc.nat(), (machine, bias, seed) => {
        expect(createLowerCaches(cacheShapesOf(machine), { l2: 0, llc: 0 })).toBeDefined();
        const interpreted = createHierarchy(machine, createRandom(1), bias);
        const printed = createPrintedHierarchy(machine, createRandom(1), bias);
        const random = createRandom(seed);
        const { l2, llc } = cacheShapesOf(machine);
        const steps = [l2.geometry.sets, llc.geometry.sets];
        for (let count = 0; count < 12_000; count++) {
          const step = steps[random.below(2)]!;
          // Tags that end alike in 8 bits are told apart by the rest only.
          const tag = random.below(24) * (random.below(3) === 0 ? 256 : 1);
          const near = tag * step + random.below(2);
          const line = random.below(2) === 0 ? near : 2 ** 46 - 1 - near;
          const kind = kinds[Math.min(kinds.length - 1, random.below(count < 6000 ? 3 : 12))]!;
          const core = random.below(machine.cores);
          if (printed.ahead !== undefined && count % 40 === 0) {
            const { lines, begin } = printed.ahead;
            const known = 1 + random.below(lines.length);
            for (let at = 0; at < known; at++)
              lines[at] = random.below(2) === 0 ? line : 2 ** 46 - 1 - random.below(2 ** 20);
            begin(known);
          }
          if (count === 9000) for (const hierarchy of [interpreted, printed]) hierarchy.clear();
          if (count === 10_000) for (const hierarchy of [interpreted, printed]) hierarchy.resetCounts();
          const expected = play(interpreted, kind, core, line);
          if (play(printed, kind, core, line) !== expected)
            expect.fail(`access ${count} is not answered from ${expected}`);
        }
        expect(printed.counts()).toEqual(interpreted.counts());
      }),
      { numRuns: 40 },
    );
  });

  it('are not made for another policy, for more ways than an order of use has room for, or for so few sets that tags do not fit', () => {
    const fits = resolveMachine({ l2: cache(256, 16), llc: cache(256, 16) });
    expect(createLowerCaches(cacheShapesOf(fits), { l2: 0, llc: 0 })).toBeDefined();
    for (const llc of [cache(256, 17), cache(255, 16), cache(256, 16, 1, 'tree-plru')]) {
      const machine = resolveMachine({ l2: cache(256, 16), llc });
      expect(createLowerCaches(cacheShapesOf(machine), { l2: 0, llc: 0 })).toBeUndefined();
    }
  });
});
