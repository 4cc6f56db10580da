import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAddressSpaces } from '../../machine/operating-system/index.ts';
import type { AddressSpace } from '../../machine/page-table.ts';
import { createRandom } from '../../machine/random.ts';
import { type Design, dimensionsOf, type Setup } from '../design.ts';
import { randomSpaces, singlePage } from '../spaces.case.ts';
import type { Answer } from '../walk-memory.ts';
import { CuckooPageTable } from './cuckoo-page-table.ts';
import { ecpt } from './ecpt.ts';
import { tableNames } from './radix.ts';
import { bareWalker, followLivingSystem, pageOf, testWalker, watchedSpaces } from './walks.case.ts';

const setups = ['native', 'virtualized', 'nested'] as const;
const small = { levels: 4, leaf: 1 } as const;
/** Tables small enough that many can be made; the promises do not depend on it. */
const smallTables = { initialSlots: 64, walkTableSlots: 64 };

const awaited = (answers: readonly Answer[]) => answers.filter((answer) => answer.awaited).map(({ label }) => label);

describe('a look-up in elastic cuckoo page tables', () => {
  it.each([
    ['native', ['4 KiB entry']],
    ['virtualized', ['host 4 KiB entry for guest 4 KiB entry', 'guest 4 KiB entry', 'host 4 KiB entry for data']],
    [
      'nested',
      [
        'EPT01 4 KiB entry for EPT12 4 KiB entry for guest 4 KiB entry',
        'EPT12 4 KiB entry for guest 4 KiB entry',
        'EPT01 4 KiB entry for guest 4 KiB entry',
        'guest 4 KiB entry',
        'EPT01 4 KiB entry for EPT12 4 KiB entry for data',
        'EPT12 4 KiB entry for data',
        'EPT01 4 KiB entry for data',
      ],
    ],
  ] as const)('waits for these steps, one after the other, %s', (setup, steps) => {
    const { spaces, pages } = singlePage(Array.from({ length: dimensionsOf[setup] }, () => small));
    const walker = testWalker({ design: ecpt, setup, spaces, machine: bareWalker });
    expect(walker.walk(pages[0]!.vpn)).toBe(pages[0]!.frame);
    expect(awaited(walker.answers())).toEqual(steps);
  });

  it('is one memory access, hashing and walk caches natively: 200 + 2 + 4 cycles cold', () => {
    const { spaces, pages } = singlePage([small]);
    const walker = testWalker({ design: ecpt, setup: 'native', spaces });
    walker.walk(pages[0]!.vpn);
    expect(walker.cycles()).toBe(206);
  });

  it('probes three ways of the 4 KiB table and, when a walk cache says so, one way for a 2 MiB page', () => {
    for (const [leaf, probed] of [
      [1, 3],
      [2, 1],
      [3, 1],
    ] as const) {
      const { spaces, pages } = singlePage([{ levels: 4, leaf }]);
      const walker = testWalker({ design: ecpt, setup: 'native', spaces });
      walker.walk(pages[0]!.vpn);
      walker.walk(pages[0]!.vpn);
      expect(walker.answers()).toHaveLength(probed);
    }
  });

  it('waits for the slowest way only when told to', () => {
    const { spaces, pages } = randomSpaces('virtualized', 3);
    const cycles = (waitForAll: boolean) => {
      const walker = testWalker({ design: ecpt, setup: 'virtualized', spaces, options: { waitForAll } });
      return pages.reduce((sum, { vpn }) => {
        walker.walk(vpn);
        return sum + walker.cycles();
      }, 0);
    };
    expect(cycles(true)).toBeGreaterThan(cycles(false));
  });
});

/** What a naive walker of one dimension probes: walk caches as lists, tables as sets of page sizes. */
function createNaive(space: AddressSpace, pmdEntries: number, pudEntries: number) {
  const ways = [0, 3, 3, 2];
  const leaves: { vpn: number; level: number }[] = [];
  space.table.forEachLeaf((vpn, _frame, level) => leaves.push({ vpn, level }));
  const has = (level: number, where = (_vpn: number) => true) =>
    leaves.some((leaf) => leaf.level === level && where(leaf.vpn));
  const lru = (entries: number) => {
    const list: number[] = [];
    return (key: number): boolean => {
      const at = list.indexOf(key);
      if (at >= 0) list.splice(at, 1);
      list.unshift(key);
      list.length = Math.min(list.length, entries);
      return at >= 0;
    };
  };
  const pmd = lru(pmdEntries);
  const pud = lru(pudEntries);
  return (vpn: number): { entries: number; lines: number } => {
    const level = space.table.leafLevel(vpn);
    const knowsGiB = pud(Math.floor(vpn / 2 ** 27));
    const knows2MiB = level < 3 && pmd(Math.floor(vpn / 2 ** 18));
    const lines = (knowsGiB ? 0 : 2) + (level === 3 || knows2MiB ? 0 : 2);
    if (knows2MiB) return { entries: level === 1 ? 3 : 1, lines };
    if (knowsGiB && level === 3) return { entries: 1, lines };
    const inGiB = (other: number) => Math.floor(other / 2 ** 18) === Math.floor(vpn / 2 ** 18);
    const sizes = knowsGiB ? [1, 2].filter((size) => has(size, inGiB)) : [1, 2, 3].filter((size) => has(size));
    return { entries: sizes.reduce((sum, size) => sum + ways[size]!, 0), lines };
  };
}

describe('the probes of a look-up', () => {
  it('are as many as a naive walker says, and each cluster of pages has a line of its own', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), (seed, pmd, pud) => {
        const { spaces, pages } = randomSpaces('native', seed);
        const options = { ...smallTables, pmdCacheEntries: pmd, pudCacheEntries: pud };
        const walker = testWalker({ design: ecpt, setup: 'native', spaces, options });
        const naive = createNaive(spaces[0]!, pmd, pud);
        const lines = new Map<string, string>();
        const random = createRandom(seed);
        for (let walk = 0; walk < 60; walk++) {
          const { vpn, frame } = pages[random.below(pages.length)]!;
          expect(walker.walk(vpn)).toBe(frame);
          const answers = walker.answers();
          const isLine = ({ label }: Answer) => label === 'walk table';
          const foreseen = naive(vpn);
          expect(answers.filter(isLine)).toHaveLength(foreseen.lines);
          expect(answers.filter((answer) => !isLine(answer))).toHaveLength(foreseen.entries);
          const level = spaces[0]!.table.leafLevel(vpn);
          const entry = answers.find((answer) => answer.awaited)!;
          const cluster = `${level}/${Math.floor(vpn / (8 * 512 ** (level - 1)))}`;
          const line = `${entry.frame}/${entry.byteOffset}`;
          expect(lines.get(cluster) ?? line).toBe(line);
          expect(lines.get(line) ?? cluster).toBe(cluster);
          lines.set(cluster, line).set(line, cluster);
        }
      }),
      { numRuns: 30 },
    );
  });
});

/**
 * Look-ups in every dimension, following what was read: the address of a guest's line is known from where it was read, and must have been
 * looked up below just before. Walk caches are lists, page sizes are sought among all leaves.
 */
function createNaiveNested(
  setup: Setup,
  spaces: readonly AddressSpace[],
  entries: { readonly pmd: number; readonly pud: number; readonly waitForAll: boolean },
) {
  const names = tableNames[setup];
  const probes = spaces.map((space) => createNaive(space, entries.pmd, entries.pud));
  /** By dimension and cluster of pages: the line that holds its entries. */
  const lines = new Map<string, string>();

  return function follow(vpn: number, answers: readonly Answer[]): { frame: number; cycles: number } {
    let next = 0;
    let cycles = 0;

    /** `took`: from beginning to end, whether or not the walk waits for it. */
    function lookUp(dimension: number, page: number, awaited: boolean): { frame: number; took: number } {
      const space = spaces[dimension];
      if (space === undefined) return { frame: page, took: 0 };
      const foreseen = probes[dimension]!(page);
      const level = space.table.leafLevel(page);
      const size = ['', '4 KiB', '2 MiB', '1 GiB'][level]!;
      for (let line = 0; line < foreseen.lines; line++) expect(readLine(dimension, false).what).toBe('walk table');
      let found = 0;
      let right = 0;
      let slowest = 0;
      for (let probe = 0; probe < foreseen.entries; probe++) {
        const { what, address, took } = readLine(dimension, awaited);
        if (what !== `${size} entry`) {
          expect(what).toBe('other ways');
          slowest = Math.max(slowest, took);
          continue;
        }
        found++;
        right = took;
        const cluster = `${dimension}/${level}/${Math.floor(page / (8 * 512 ** (level - 1)))}`;
        expect(lines.get(cluster) ?? address).toBe(address);
        lines.set(cluster, address);
      }
      expect(found).toBe(1);
      const step = 2 + 4 + (entries.waitForAll ? Math.max(0, slowest - right) : 0);
      // The right line has counted for itself.
      if (awaited) cycles += step;
      const below = lookUp(dimension + 1, space.table.translate(page), awaited);
      return { frame: below.frame, took: step + right + below.took };
    }

    /** One line of that dimension's tables, its address looked up first. */
    function readLine(dimension: number, awaited: boolean): { what: string; address: string; took: number } {
      const name = names[dimension] === '' ? '' : `${names[dimension]} `;
      const ahead = answers.slice(next).findIndex(({ label }) => name === '' || label.startsWith(name));
      const { label, frame, byteOffset } = answers[next + ahead]!;
      const what = label.slice(name.length).split(' for ')[0]!;
      const isAwaited = awaited && what.endsWith('entry');
      const place = spaces.slice(dimension + 1).reduceRight((at: number, space) => pageOf(space, at), frame);
      const below = lookUp(dimension + 1, place, isAwaited);
      expect(below.frame).toBe(frame);
      const answer = answers[next++]!;
      expect(answer).toMatchObject({ label, frame, byteOffset, awaited: isAwaited });
      if (isAwaited) cycles += answer.cycles;
      return { what, address: `${frame}/${byteOffset}`, took: below.took + answer.cycles };
    }

    const { frame } = lookUp(0, vpn, true);
    expect(next).toBe(answers.length);
    return { frame, cycles };
  };
}

describe.each(setups)('nested look-ups, %s', (setup) => {
  it('are what a naive walker follows, line by line and cycle by cycle', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 3 }), fc.boolean(), (seed, pmd, waitForAll) => {
        const { spaces, pages } = randomSpaces(setup, seed, 6);
        const pud = 1;
        const options = { ...smallTables, pmdCacheEntries: pmd, pudCacheEntries: pud, waitForAll };
        const { design, spaces: own } = watchedSpaces(ecpt as Design);
        const walker = testWalker({ design, setup, spaces, options, machine: bareWalker });
        const follow = createNaiveNested(setup, own(), { pmd, pud, waitForAll });
        const random = createRandom(seed);
        for (let walk = 0; walk < 10; walk++) {
          const { vpn, frame } = pages[random.below(pages.length)]!;
          expect(walker.walk(vpn)).toBe(frame);
          expect(follow(vpn, walker.answers())).toEqual({ frame, cycles: walker.cycles() });
        }
      }),
      { numRuns: 12 },
    );
  });
});

describe('elastic cuckoo page tables under a living operating system', () => {
  it.each(setups)('follow faults, unmapping, migration, collapses and splits, %s', (setup) => {
    const { counters } = followLivingSystem(ecpt, setup, smallTables).stage.result();
    expect(counters.resizes).toBeGreaterThan(0);
  });

  it('grow with the process, pay for it, and lose no page', () => {
    const { spaces } = createAddressSpaces([{}], createRandom(1));
    const walker = testWalker({ design: ecpt, setup: 'native', spaces, options: { initialSlots: 64 } });
    const before = walker.stage.result();
    for (let page = 0; page < 60_000; page++) spaces[0]!.ensure(page);
    for (let page = 0; page < 60_000; page += 7) expect(walker.walk(page)).toBe(spaces[0]!.table.translate(page));
    const after = walker.stage.result();
    expect(after.tableBytes!).toBeGreaterThan(60_000 * 8);
    expect(before.maintenanceCycles, 'no table yet').toBe(0);
    const { kicks, moves, clearedPages } = after.counters;
    expect(after.maintenanceCycles).toBe(200 * (kicks! + moves!) + 1000 * clearedPages!);
    expect(after.bytesMigrated).toBe(64 * (kicks! + moves!));
    // Each doubling clears as much as the table has then.
    expect(clearedPages! * 4096).toBeGreaterThan(after.tableBytes!);
    expect(after.counters.moves).toBeGreaterThan(7_500);
  });
});

describe('elastic cuckoo page tables in fragmented memory', () => {
  it('lie in scattered frames, and a walk reads their list first', () => {
    const { spaces, pages } = singlePage([small]);
    const memories = [{ frames: 2 ** 16, unusable: 1 }];
    // Ways of 4 MiB.
    const walker = testWalker({ design: ecpt, setup: 'native', spaces, memories, options: { initialSlots: 65_536 } });
    expect(walker.walk(pages[0]!.vpn)).toBe(pages[0]!.frame);
    expect(awaited(walker.answers())).toEqual(['frame list', '4 KiB entry']);
    const { counters, maintenanceCycles, allocationFailures } = walker.stage.result();
    expect(counters).toMatchObject({ scatteredWays: 3, scatteredWalks: 1 });
    expect(walker.stage.instances[0]!.coveredWalks!()).toBe(0);
    expect(allocationFailures).toBe(3);
    expect(maintenanceCycles).toBe(
      200 * (counters.kicks! + counters.moves!) + 1000 * counters.clearedPages! + 2500 * 3,
    );
  });
});

describe('the memory of elastic cuckoo page tables', () => {
  it.each([
    ['contiguous', false],
    ['scattered', true],
  ])('is what they say, and nothing else is kept, while they grow and shrink: %s', (_, scattered) => {
    const taken = new Set<number>();
    let next = 0;
    const take = (count: number): number => {
      const first = next;
      next += count;
      for (let frame = first; frame < next; frame++) taken.add(frame);
      return first;
    };
    const table = new CuckooPageTable({
      ways: [3, 3, 2],
      initialSlots: 64,
      walkTableSlots: 64,
      upsizeAbove: 0.6,
      downsizeBelow: 0.2,
      maxKicks: 4,
      random: createRandom(1),
      frames: {
        allocate: () => take(1),
        allocateBlock: () => -1,
        allocateRange: (count) => (scattered ? -1 : take(count)),
        free: (frame) => expect(taken.delete(frame)).toBe(true),
      },
    });
    const check = () => expect(taken.size * 4096).toBe(table.tableBytes);
    const pages = Array.from({ length: 3000 }, (_page, at) => at * 8);
    for (const vpn of pages) {
      table.map(vpn, vpn + 7, 1);
      check();
    }
    const largest = table.tableBytes;
    for (const vpn of pages) expect(table.locate(vpn) === 1 ? table.locatedFrame : -1).toBe(vpn + 7);
    for (const vpn of pages) {
      table.unmap(vpn, 1);
      check();
    }
    expect(table.tableBytes).toBeLessThan(largest / 4);
    expect(table.scatteredWays > 0).toBe(scattered);
    for (const vpn of pages) expect(table.locate(vpn)).toBe(0);
  });
});
