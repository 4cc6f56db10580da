import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAddressSpaces } from '../../machine/operating-system/index.ts';
import { createRandom } from '../../machine/random.ts';
import { dimensionsOf } from '../design.ts';
import { singlePage } from '../spaces.case.ts';
import { radix } from './radix.ts';
import { createPredictor, victima } from './victima.ts';
import { followLivingSystem, testWalker } from './walks.case.ts';

const setups = ['native', 'virtualized'] as const;
const small = { levels: 4, leaf: 1 } as const;

describe('TLB blocks in the second-level cache', () => {
  it.each(setups)('answer without any reference after a costly walk, %s', (setup) => {
    const { spaces, pages } = singlePage(Array.from({ length: dimensionsOf[setup] }, () => small));
    const walker = testWalker({ design: victima, setup, spaces });
    walker.walk(pages[0]!.vpn);
    expect(walker.walk(pages[0]!.vpn)).toBe(pages[0]!.frame);
    expect(walker.answers().map(({ label, awaited }) => ({ label, awaited }))).toEqual([
      { label: 'TLB block', awaited: false },
    ]);
    expect(walker.cycles()).toBeLessThanOrEqual(14);
  });

  it.each([
    ['native', 'hit'],
    ['virtualized', 'miss'],
  ] as const)('%s: a page next to one that was walked for is a %s', (setup, outcome) => {
    const { spaces } = createAddressSpaces(
      Array.from({ length: dimensionsOf[setup] }, () => ({})),
      createRandom(1),
    );
    const [first, second] = [0x8000, 0x8001].map((vpn) =>
      spaces.reduce((page: number, space) => space.ensure(page), vpn),
    );
    const walker = testWalker({ design: victima, setup, spaces });
    expect(walker.walk(0x8000)).toBe(first);
    expect(walker.walk(0x8001)).toBe(second);
    expect(walker.stage.result().counters.hits).toBe(outcome === 'hit' ? 1 : 0);
  });

  it('are made for costly walks only', () => {
    const { spaces, pages } = singlePage([small]);
    const walker = testWalker({ design: victima, setup: 'native', spaces, options: { costlyCycles: 100_000 } });
    const plain = testWalker({ design: radix, setup: 'native', spaces });
    for (let walk = 0; walk < 3; walk++) {
      walker.walk(pages[0]!.vpn);
      plain.walk(pages[0]!.vpn);
      expect(walker.cycles()).toBe(plain.cycles());
    }
    expect(walker.stage.result().counters).toMatchObject({ blocks: 0, hits: 0, misses: 3 });
  });

  it('are lost when other lines push theirs out of the second-level cache', () => {
    const { spaces, pages } = singlePage([small]);
    const walker = testWalker({ design: victima, setup: 'native', spaces });
    const { vpn, frame } = pages[0]!;
    walker.walk(vpn);
    // 2 MiB of data through caches of 1 MiB and 22 MiB.
    for (let line = 0; line < 32_768; line++) walker.stage.caches.access(0, 2 ** 40 + line, false);
    expect(walker.walk(vpn)).toBe(frame);
    expect(walker.stage.result().counters).toMatchObject({ lost: 1, hits: 0, misses: 2, blocks: 2 });
    walker.walk(vpn);
    expect(walker.stage.result().counters).toMatchObject({ hits: 1 });
  });

  it('are spared by the second-level cache under pressure, and data is not', () => {
    const { spaces, pages } = singlePage([small]);
    const { vpn, frame } = pages[0]!;
    const held = (replacement: string, pressureMisses: number) => {
      const walker = testWalker({
        design: victima,
        setup: 'native',
        spaces,
        options: { replacement, pressureMisses },
      });
      walker.walk(vpn);
      const { caches } = walker.stage;
      // As much data as the cache of 1 MiB holds: what was used longest ago goes first, and that is the block.
      for (let line = 0; line < 16_384 + 1024; line++) caches.access(0, 2 ** 40 + line, false);
      expect(walker.walk(vpn)).toBe(frame);
      return walker.stage.result().counters.hits;
    };
    expect(held('tlb-aware', 0)).toBe(1);
    expect(held('tlb-aware', 1000)).toBe(0);
    expect(held('unaware', 0)).toBe(0);
  });

  it.each(setups)('answer as a naive model with an endless cache says, when the cache is large enough, %s', (setup) => {
    const { spaces } = createAddressSpaces(
      Array.from({ length: dimensionsOf[setup] }, () => ({})),
      createRandom(1),
    );
    const walker = testWalker({ design: victima, setup, spaces });
    const hostFrame = (page: number) => spaces.reduce((at: number, space) => space.ensure(at), page);
    const random = createRandom(4);
    const held = new Set<number>();
    const blocks = new Set<number>();
    let hits = 0;
    for (let page = 0x1000; page < 0x1200; page++) hostFrame(page);
    /** Clusters that a walk has found costly: they may have blocks from then on. */
    const costly = new Set<number>();
    for (let walk = 0; walk < 3000; walk++) {
      const page = 0x1000 + random.below(0x200);
      const cluster = Math.floor(page / 8);
      const isHit = held.has(page);
      if (isHit) hits++;
      expect(walker.walk(page)).toBe(hostFrame(page));
      // A walk has an awaited read of the tables, a block has none.
      expect(walker.answers().some(({ awaited }) => awaited)).toBe(!isHit);
      if (isHit) continue;
      // With the walk caches of the machine a walk that reads no memory is not costly.
      if (walker.cycles() >= 100) costly.add(cluster);
      if (!costly.has(cluster)) continue;
      blocks.add(cluster);
      // Natively the walk has read the line of all eight entries.
      for (let other = 0; other < 8; other++)
        if (setup === 'native' || cluster * 8 + other === page) held.add(cluster * 8 + other);
    }
    expect(walker.stage.result().counters).toMatchObject({ hits, misses: 3000 - hits, blocks: blocks.size, lost: 0 });
    expect(hits).toBeGreaterThan(800);
  });

  it.each(setups)('follow a living system, %s', (setup) => {
    const { counters } = followLivingSystem(victima, setup).stage.result();
    expect(counters.hits).toBeGreaterThan(0);
    expect(counters.dropped).toBeGreaterThan(0);
  });
});

describe('the predictor of walk cost', () => {
  it('says what two saturating counters for each cluster say', () => {
    const walks = fc.array(
      fc.record({ key: fc.oneof(fc.constantFrom(0, 1, 4095, 4096, 2 ** 44), fc.nat(9000)), costly: fc.boolean() }),
      { minLength: 1, maxLength: 400 },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 9 }),
        fc.integer({ min: 0, max: 16 }),
        walks,
        (frequent, costly, stream) => {
          const predictor = createPredictor(frequent, costly);
          const naive = new Map<number, { walks: number; costly: number }>();
          for (const walk of stream) {
            const { walks: before, costly: costlyBefore } = naive.get(walk.key) ?? { walks: 0, costly: 0 };
            // Three bits and four.
            const now = { walks: Math.min(7, before + 1), costly: Math.min(15, costlyBefore + Number(walk.costly)) };
            naive.set(walk.key, now);
            expect(predictor.walked(walk.key, walk.costly)).toBe(now.walks >= frequent && now.costly >= costly);
          }
        },
      ),
    );
  });

  it('never lets a block be made at a threshold beyond what its counter can hold', () => {
    const predictor = createPredictor(8, 0);
    const answers = Array.from({ length: 40 }, () => predictor.walked(3, true));
    expect(answers).not.toContain(true);
  });

  it('asks for the walks and the costly walks that the options say', () => {
    for (const [frequentWalks, costlyWalks, blocks] of [
      [1, 1, 1],
      [3, 1, 1],
      [4, 1, 0],
      [1, 2, 0],
      [3, 0, 1],
    ] as const) {
      const { spaces, pages } = singlePage([small]);
      const options = { frequentWalks, costlyWalks, costlyCycles: 100 };
      const walker = testWalker({ design: victima, setup: 'native', spaces, options });
      // The first walk is cold; the others find its lines in the caches, and are cheap.
      for (let walk = 0; walk < 3; walk++) walker.walk(pages[0]!.vpn);
      expect(walker.stage.result().counters.blocks, `${frequentWalks} walks, ${costlyWalks} costly`).toBe(blocks);
    }
  });
});
