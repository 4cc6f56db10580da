import { describe, expect, it } from 'vitest';
import { createAddressSpaces } from '../../machine/operating-system/index.ts';
import { createRandom } from '../../machine/random.ts';
import { dimensionsOf } from '../design.ts';
import { singlePage } from '../spaces.case.ts';
import { radix } from './radix.ts';
import { victima } from './victima.ts';
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

  it('answer as a naive model with an endless cache says, when the cache is large enough', () => {
    const { spaces } = createAddressSpaces([{}], createRandom(1));
    const walker = testWalker({ design: victima, setup: 'native', spaces });
    const random = createRandom(4);
    const held = new Set<number>();
    let hits = 0;
    for (let page = 0x1000; page < 0x1200; page++) spaces[0]!.ensure(page);
    for (let walk = 0; walk < 1000; walk++) {
      const page = 0x1000 + random.below(0x200);
      const cluster = Math.floor(page / 8);
      if (held.has(cluster)) hits++;
      expect(walker.walk(page)).toBe(spaces[0]!.table.translate(page));
      const cycles = walker.answers().reduce((sum, answer) => sum + (answer.awaited ? answer.cycles : 0), 0);
      // With the walk caches of the machine a walk that reads no memory is not costly.
      if (cycles >= 100) held.add(cluster);
    }
    expect(walker.stage.result().counters).toMatchObject({ hits, misses: 1000 - hits, blocks: held.size, lost: 0 });
    expect(hits).toBeGreaterThan(800);
  });

  it.each(setups)('follow a living system, %s', (setup) => {
    const { counters } = followLivingSystem(victima, setup).stage.result();
    expect(counters.hits).toBeGreaterThan(0);
    expect(counters.dropped).toBeGreaterThan(0);
  });
});
