import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PageLevel, Vpn } from '../../machine/address.ts';
import { createAddressSpaces } from '../../machine/operating-system/index.ts';
import type { AddressSpace } from '../../machine/page-table.ts';
import { createRandom } from '../../machine/random.ts';
import { randomSpaces, singlePage, type TestSpaces } from '../spaces.case.ts';
import { agile } from './agile.ts';
import { bareWalker, createForesight, type ForeseenReference, followLivingSystem, testWalker } from './walks.case.ts';

const small = { levels: 4, leaf: 1 } as const;
const setup = 'virtualized';

function walkerOver({ spaces }: TestSpaces, options: Readonly<Record<string, unknown>> = {}, machine = bareWalker) {
  const walker = testWalker({ design: agile, setup, spaces, options, machine });
  /** The guest stores an entry of the node of that level once more. */
  const store = (vpn: number, level: PageLevel) =>
    walker.stage.instances[0]!.mapped!(0, vpn, spaces[0]!.table.translate(vpn), level);
  return { ...walker, store };
}

describe('a walk of agile paging', () => {
  it('makes 4 references all in shadow, and 4 more for each level that it walks nested', () => {
    const test = singlePage([small, small]);
    const { vpn, frame } = test.pages[0]!;
    const walker = walkerOver(test, { switchUpdates: 1 });
    expect(walker.walk(vpn)).toBe(frame);
    expect(walker.answers()).toHaveLength(4);
    for (const [level, references] of [
      [1, 8],
      [2, 12],
      [3, 16],
    ] as const) {
      walker.store(vpn, level);
      expect(walker.walk(vpn)).toBe(frame);
      expect(walker.answers()).toHaveLength(references);
    }
    expect(walker.stage.result()).toMatchObject({
      coverage: null,
      counters: { toNested: 3, fills: 1, switchedWalks: 3 },
    });
  });

  it('walks nested as long as an interval has a store to the node or below it, and in shadow after one without', () => {
    const test = singlePage([small, small]);
    const { vpn } = test.pages[0]!;
    const walker = walkerOver(test, { switchUpdates: 1, intervalWalks: 2 });
    /** References of the walk with which an interval ends. */
    const interval = () => {
      walker.walk(vpn);
      walker.walk(vpn);
      return walker.answers().length;
    };
    walker.walk(vpn);
    walker.walk(vpn);
    walker.store(vpn, 2);
    expect(interval()).toBe(12);
    walker.store(vpn, 1);
    expect(interval()).toBe(12);
    expect(interval()).toBe(4);
    expect(walker.stage.result().counters).toMatchObject({ toNested: 1, toShadow: 1 });
  });

  /** `nested`: nodes that the guest has stored to often, as `level/number`. */
  function foresee(spaces: readonly AddressSpace[], vpn: number, nested: ReadonlySet<string>): ForeseenReference[] {
    const [guest, host] = spaces.map(({ table }) => table);
    const foreseen: ForeseenReference[] = [];
    const entry = (page: string, label: string, at: number, level: number) =>
      foreseen.push({ label, page, byteOffset: (Math.floor(at / 512 ** (level - 1)) % 512) * 8 });
    const translated = (page: number): void => {
      for (let level: number = host!.levels; level >= host!.leafLevel(page); level--)
        entry(`host node ${host!.nodeAt(page, level)}`, `host L${level}`, page, level);
    };
    let isNested = false;
    let knowsHostAddress = true;
    const middle: number = guest!.translate(vpn);
    const shadowLeaf = Math.min(guest!.leafLevel(vpn), host!.leafLevel(middle));
    for (let level: number = guest!.levels; ; level--) {
      isNested ||= nested.has(`${level}/${Math.floor(vpn / 512 ** level)}`);
      if (isNested) {
        const table: number = guest!.frameOf(guest!.nodeAt(vpn, level));
        if (!knowsHostAddress) translated(table);
        knowsHostAddress = false;
        const frame = host!.translate(table);
        entry(`guest node in ${frame}`, `guest L${level}`, vpn, level);
        if (level === guest!.leafLevel(vpn)) {
          translated(middle);
          return foreseen;
        }
      } else {
        entry(`shadow ${level}/${Math.floor(vpn / 512 ** level)}`, `shadow L${level}`, vpn, level);
        if (level === shadowLeaf && nestedBelow(level)) return foreseen;
      }
    }
    /** Whether the walk can end in shadow at that level: no node further down is in nested mode. */
    function nestedBelow(level: number): boolean {
      for (let below = level - 1; below >= guest!.leafLevel(vpn); below--)
        if (nested.has(`${below}/${Math.floor(vpn / 512 ** below)}`)) return false;
      return true;
    }
  }

  it('reads what a naive walker foresees, wherever it switches', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const test = randomSpaces(setup, seed);
        const walker = walkerOver(test, { switchUpdates: 1 });
        const random = createRandom(seed);
        const nested = new Set<string>();
        for (let walk = 0; walk < 30; walk++) {
          const { vpn, frame } = test.pages[random.below(test.pages.length)]!;
          expect(walker.walk(vpn)).toBe(frame);
          // Nodes change their mode, and with it the place of the shadow nodes: each walk is compared for itself.
          createForesight()(walker.answers(), foresee(test.spaces, vpn, nested));
          if (random.below(4) > 0) continue;
          const level = (test.spaces[0]!.table.leafLevel(vpn) + random.below(2)) as PageLevel;
          const above = [1, 2, 3, 4, 5]
            .slice(level - 1)
            .some((at) => nested.has(`${at}/${Math.floor(vpn / 512 ** at)}`));
          walker.store(vpn, level);
          if (!above) nested.add(`${level}/${Math.floor(vpn / 512 ** level)}`);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('skips what the walk caches hold, in either mode', () => {
    const test = singlePage([small, small]);
    const { vpn } = test.pages[0]!;
    const walker = testWalker({ design: agile, setup, spaces: test.spaces, options: { switchUpdates: 1 } });
    walker.walk(vpn);
    walker.walk(vpn);
    expect(walker.answers().map(({ label }) => label)).toEqual(['shadow L1']);
    walker.stage.instances[0]!.mapped!(0, vpn, 0, 1);
    walker.walk(vpn);
    walker.walk(vpn);
    // The page's host frame comes out of the nested TLB, if the machine has one; else its host walk begins at the last level.
    expect(walker.answers().map(({ label }) => label)).toEqual(['guest L1', 'host L1']);
  });
});

describe('the policy of agile paging', () => {
  it('lets stores to nodes in shadow trap, those to nodes in nested mode not', () => {
    const test = singlePage([small, small]);
    const { vpn } = test.pages[0]!;
    const walker = walkerOver(test, { switchUpdates: 3, updateCycles: 10, fillCycles: 100, switchCycles: 1000 });
    walker.store(vpn, 1);
    expect(walker.stage.result().maintenanceCycles, 'nothing is shadowed yet').toBe(0);
    walker.walk(vpn);
    for (let stores = 0; stores < 10; stores++) walker.store(vpn, 1);
    expect(walker.stage.result()).toMatchObject({ maintenanceCycles: 3 * 10 + 100 + 1000, counters: { updates: 3 } });
  });

  it('lets no store trap to a table where a huge page was, which the host had in smaller ones', () => {
    const page = 2 ** 24;
    const { spaces } = createAddressSpaces([{ pages: 'thp' }, { pages: '4k' }], createRandom(1));
    const [guest] = spaces;
    // Two huge pages, so that the table above outlives the one that goes.
    guest!.mmap(page, page + 1024);
    for (const vpn of [page, page + 512]) guest!.ensure(vpn);
    expect(guest!.table.leafLevel(page)).toBe(2);
    const walker = walkerOver({ spaces, pages: [] }, { switchUpdates: 100 });
    const instance = walker.stage.instances[0]!;
    walker.walk(page);
    const frame = guest!.table.translate(page);
    guest!.munmap(page, page + 512);
    instance.unmapped!(0, page, frame, 2);
    guest!.mmap(page, page + 100);
    guest!.ensure(page);
    expect(guest!.table.leafLevel(page)).toBe(1);
    const before = walker.stage.result().counters.updates;
    walker.store(page, 1);
    expect(walker.stage.result().counters.updates, 'its table is not shadowed yet').toBe(before);
    walker.walk(page);
    walker.store(page, 1);
    expect(walker.stage.result().counters.updates).toBe(before! + 1);
  });

  it('takes a node back to shadow after an interval without stores', () => {
    const test = singlePage([small, small]);
    const { vpn } = test.pages[0]!;
    const walker = walkerOver(test, { switchUpdates: 1, intervalWalks: 10 });
    const references: number[] = [];
    walker.walk(vpn);
    walker.store(vpn, 1);
    for (let walk = 0; walk < 25; walk++) {
      walker.walk(vpn);
      references.push(walker.answers().length);
    }
    // Stored to in the first interval, quiet in the second.
    expect(references.filter((count) => count === 8)).toHaveLength(18);
    expect(references.slice(18).every((count) => count === 4)).toBe(true);
    expect(walker.stage.result()).toMatchObject({
      counters: { toNested: 1, toShadow: 1, fills: 2, updates: 1 },
      maintenanceCycles: (1 + 2) * 2500 + 2 * 5000,
    });
  });

  it('forgets what the walk caches hold of the tables of the guest when a node comes back to shadow', () => {
    const test = singlePage([small, small]);
    const { vpn } = test.pages[0]!;
    const walker = testWalker({
      design: agile,
      setup,
      spaces: test.spaces,
      options: { switchUpdates: 1, intervalWalks: 2 },
    });
    const labels = () => new Set(walker.answers().map(({ label }) => label.split(' ')[0]));
    walker.walk(vpn);
    walker.stage.instances[0]!.mapped!(0, vpn as Vpn, test.spaces[0]!.table.translate(vpn), 2);
    for (let walk = 0; walk < 2; walk++) walker.walk(vpn);
    expect(labels()).toContain('guest');
    for (let walk = 0; walk < 3; walk++) expect(walker.walk(vpn)).toBe(test.pages[0]!.frame);
    expect(labels()).toEqual(new Set(['shadow']));
  });

  it('begins in shadow again where a table that was in nested mode has gone and come back', () => {
    const { spaces } = createAddressSpaces([{}, {}], createRandom(1));
    const page = 0x7f000;
    const touch = () => spaces.reduce((at: number, space) => space.ensure(at), page);
    touch();
    const walker = testWalker({ design: agile, setup, spaces, options: { switchUpdates: 1 }, machine: bareWalker });
    walker.walk(page);
    spaces[0]!.munmap(page, page + 1);
    touch();
    expect(walker.walk(page)).toBe(touch());
    expect(walker.answers()).toHaveLength(4);
  });

  it.each([
    ['mostly nested', { switchUpdates: 1, intervalWalks: 50 }],
    ['always in shadow', { switchUpdates: 1000 }],
    ['to and fro', { switchUpdates: 1, intervalWalks: 1 }],
  ])('follows a living system, %s', (mode, options) => {
    const { counters } = followLivingSystem(agile, setup, options).stage.result();
    expect(counters.fills).toBeGreaterThan(0);
    if (mode === 'always in shadow') expect(counters).toMatchObject({ toNested: 0, switchedWalks: 0 });
    else expect(counters.toNested).toBeGreaterThan(0);
    if (mode === 'to and fro') expect(counters.toShadow).toBeGreaterThan(0);
    if (mode === 'always in shadow') expect(counters.drops).toBeGreaterThan(0);
  });
});
