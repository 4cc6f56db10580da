import { describe, expect, it } from 'vitest';
import { createAddressSpaces } from '../../machine/operating-system/index.ts';
import { createRandom } from '../../machine/random.ts';
import { dimensionsOf } from '../design.ts';
import { singlePage } from '../spaces.case.ts';
import { pomTlb } from './pom-tlb.ts';
import { radix } from './radix.ts';
import { bareWalker, followLivingSystem, testWalker } from './walks.case.ts';

const setups = ['native', 'virtualized', 'nested'] as const;
const small = { levels: 4, leaf: 1 } as const;
const large = { levels: 4, leaf: 2 } as const;

describe('a TLB in memory', () => {
  it.each(setups)('answers with one reference what has been walked for once, %s', (setup) => {
    const { spaces, pages } = singlePage(Array.from({ length: dimensionsOf[setup] }, () => small));
    const walker = testWalker({ design: pomTlb, setup, spaces, machine: bareWalker });
    const cold = { native: 4, virtualized: 24, nested: 124 }[setup];
    walker.walk(pages[0]!.vpn);
    expect(walker.answers()).toHaveLength(2 + cold);
    expect(walker.walk(pages[0]!.vpn)).toBe(pages[0]!.frame);
    expect(walker.answers().map(({ label }) => label)).toEqual(['TLB in memory, 4 KiB']);
  });

  it('learns the page size of a region: the second access to a 2 MiB page reads the right half', () => {
    const { spaces, pages } = singlePage([large, large]);
    const walker = testWalker({ design: pomTlb, setup: 'virtualized', spaces });
    walker.walk(pages[0]!.vpn);
    expect(walker.walk(pages[0]!.vpn + 1)).toBe(pages[0]!.frame + 1);
    expect(walker.answers().map(({ label }) => label)).toEqual(['TLB in memory, 2 MiB']);
  });

  it.each(setups)('holds what a naive model holds: sets of four, the least recently used gives way, %s', (setup) => {
    const sets = 2 ** 19 / 64;
    const { spaces } = createAddressSpaces(
      Array.from({ length: dimensionsOf[setup] }, () => ({})),
      createRandom(1),
    );
    const walker = testWalker({ design: pomTlb, setup, spaces, options: { sizeMiB: 1 } });
    const naive = new Map<number, number[]>();
    const random = createRandom(2);
    for (let walk = 0; walk < 2000; walk++) {
      const page = 0x7f000 + random.below(3) + sets * random.below(7);
      const expected = spaces.reduce((at: number, space) => space.ensure(at), page);
      const set = naive.get(page % sets) ?? [];
      naive.set(page % sets, set);
      const held = set.indexOf(page);
      if (held >= 0) set.splice(held, 1);
      set.unshift(page);
      set.length = Math.min(set.length, 4);
      expect(walker.walk(page)).toBe(expected);
      const [first, ...others] = walker.answers();
      expect(first!.byteOffset).toBe((page % 64) * 64);
      expect(others.length === 0, `page ${page} was held`).toBe(held >= 0);
    }
    const { coverage, counters } = walker.stage.result();
    expect(coverage).toBeNull();
    expect(counters.hits! + counters.misses!).toBe(2000);
    expect(counters.hits).toBeGreaterThan(500);
  });

  it('lies contiguously in host memory, a line of 64 bytes per set', () => {
    const { spaces } = createAddressSpaces([{}], createRandom(1));
    const walker = testWalker({ design: pomTlb, setup: 'native', spaces });
    const lineOf = (page: number) => {
      spaces[0]!.ensure(page);
      walker.walk(page);
      const { frame, byteOffset } = walker.answers()[0]!;
      return frame * 64 + byteOffset / 64;
    };
    const first = lineOf(0x20000);
    for (const distance of [1, 63, 64, 1000]) expect(lineOf(0x20000 + distance)).toBe(first + distance);
    expect(walker.stage.result().tableBytes).toBe(spaces[0]!.table.nodes * 4096 + 2 ** 24);
  });

  it('is done without when memory is too fragmented for it: the radix walk, nothing covered', () => {
    const { spaces, pages } = singlePage([small]);
    const memories = [{ frames: 2 ** 16, unusable: 1 }];
    const walker = testWalker({ design: pomTlb, setup: 'native', spaces, memories, machine: bareWalker });
    const plain = testWalker({ design: radix, setup: 'native', spaces, machine: bareWalker });
    for (let walk = 0; walk < 2; walk++) {
      walker.walk(pages[0]!.vpn);
      plain.walk(pages[0]!.vpn);
      expect(walker.cycles()).toBe(plain.cycles());
    }
    expect(walker.stage.result()).toMatchObject({ counters: { unavailable: 1, hits: 0 } });
  });

  it('keeps entries of 4 KiB pages and of 2 MiB pages in lines of their own, all within its size', () => {
    const { spaces } = createAddressSpaces([{ pages: 'thp' }], createRandom(1));
    const walker = testWalker({ design: pomTlb, setup: 'native', spaces, options: { sizeMiB: 1 } });
    const random = createRandom(2);
    const lines = new Map<string, Set<number>>();
    for (let walk = 0; walk < 400; walk++) {
      const page = 2 ** 24 + random.below(2 ** 20);
      const frame = spaces[0]!.ensure(page);
      expect(walker.walk(page)).toBe(frame);
      for (const { label, frame: at, byteOffset } of walker.answers())
        if (label.startsWith('TLB in memory'))
          lines.set(label, (lines.get(label) ?? new Set()).add(at * 64 + byteOffset / 64));
    }
    const [small, large] = [...lines.values()];
    expect([...small!].filter((line) => large!.has(line))).toEqual([]);
    const all = [...small!, ...large!];
    expect(Math.max(...all) - Math.min(...all)).toBeLessThan(2 ** 20 / 64);
  });

  it.each(setups)('follows a living system, %s', (setup) => {
    const { counters } = followLivingSystem(pomTlb, setup).stage.result();
    expect(counters.hits).toBeGreaterThan(0);
    expect(counters.dropped).toBeGreaterThan(0);
  });
});
