import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PageLevel } from '../../machine/address.ts';
import { createAddressSpaces, type DemandSpace } from '../../machine/operating-system/index.ts';
import type { AddressSpace } from '../../machine/page-table.ts';
import { createRandom } from '../../machine/random.ts';
import { type Design, dimensionsOf, type Setup, Where } from '../design.ts';
import { randomSpaces, singlePage } from '../spaces.case.ts';
import { FlattenedTable } from './flattened-table.ts';
import { fpt } from './fpt.ts';
import { tableNames } from './radix.ts';
import {
  bareWalker,
  createForesight,
  type ForeseenReference,
  followLivingSystem,
  pageOf,
  testWalker,
  watchedSpaces,
} from './walks.case.ts';

const setups = ['native', 'virtualized', 'nested'] as const;
const small = { levels: 4, leaf: 1 } as const;

/** The walk of flattened tables as one would say it: which levels share a node, and each address translated by the dimension below. */
function foresee(
  setup: Setup,
  spaces: readonly AddressSpace[],
  vpn: number,
  /** Where the tables of guests have been found to lie, by name. */
  places: ReadonlyMap<string, number> = new Map(),
): ForeseenReference[] {
  const foreseen: ForeseenReference[] = [];
  function translate(dimension: number, page: string | number, purpose: string): void {
    const space = spaces[dimension];
    if (space === undefined) return;
    // Where a design keeps a table in a guest is its own affair; that it is translated like any page is not.
    const number = typeof page === 'number' ? page : places.get(page);
    const { levels } = space.table;
    const leaf = number === undefined ? 1 : space.table.leafLevel(number);
    const nodes =
      levels === 5
        ? [
            [5, 5],
            [4, 3],
            [2, 1],
          ]
        : [
            [4, 3],
            [2, 1],
          ]; // prettier-ignore
    for (const [top, bottom] of nodes as [number, number][]) {
      if (top < leaf) break;
      const name = top === bottom ? `L${top}` : `L${top}+L${bottom}`;
      const label = `${tableNames[setup][dimension]} ${name}`.trimStart() + (dimension === 0 ? '' : ` for ${purpose}`);
      const at = number ?? Number.NaN;
      const slot = Math.floor(at / 512 ** (bottom - 1)) % 512 ** (top - bottom + 1);
      const node = `${dimension}/${top}/${Math.floor(at / 512 ** top)}/${Math.floor(slot / 512)}`;
      translate(dimension + 1, node, label);
      foreseen.push({ label, page: node, byteOffset: (slot % 512) * 8 });
    }
    const below = number === undefined ? 'somewhere' : space.table.translate(number);
    translate(dimension + 1, below, dimension === 0 ? 'data' : purpose);
  }
  translate(0, vpn, '');
  return foreseen;
}

describe('a walk of flattened tables', () => {
  it.each([
    ['natively', [small], 2],
    ['in a VM', [small, small], 8],
    ['in a nested VM', [small, small, small], 26],
    ['natively with five levels', [{ levels: 5, leaf: 1 }], 3],
    ['natively for a 2 MiB page', [{ levels: 4, leaf: 2 }], 2],
    ['natively for a 1 GiB page', [{ levels: 4, leaf: 3 }], 1],
  ] as const)('makes as many references %s as two levels per node leave', (_where, dimensions, references) => {
    const test = singlePage(dimensions as readonly { levels: 4 | 5; leaf: PageLevel }[]);
    const setup = setups[dimensions.length - 1]!;
    const walker = testWalker({ design: fpt, setup, spaces: test.spaces, machine: bareWalker });
    walker.walk(test.pages[0]!.vpn);
    expect(walker.answers()).toHaveLength(references);
  });

  it('reads what a naive walker foresees, natively, entry by entry', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { spaces, pages } = randomSpaces('native', seed);
        const walker = testWalker({ design: fpt, setup: 'native', spaces, machine: bareWalker });
        const compare = createForesight();
        for (const { vpn, frame } of pages) {
          expect(walker.walk(vpn)).toBe(frame);
          compare(walker.answers(), foresee('native', spaces, vpn));
        }
      }),
      { numRuns: 30 },
    );
  });

  it.each(['virtualized', 'nested'] as const)(
    'reads what a naive walker foresees, %s, reference by reference',
    (setup) => {
      fc.assert(
        fc.property(fc.nat(), (seed) => {
          const { spaces, pages } = randomSpaces(setup, seed, 6);
          const { design, spaces: own } = watchedSpaces(fpt as Design);
          const walker = testWalker({ design, setup, spaces, machine: bareWalker });
          const places = new Map<string, number>();
          const compare = createForesight();
          for (const { vpn, frame } of pages) {
            expect(walker.walk(vpn)).toBe(frame);
            const answers = walker.answers();
            // A guest's table is read at a host address, which tells its own; then what that takes below can be foreseen.
            for (let dimension = 0; dimension + 1 < spaces.length; dimension++)
              for (const [index, { label, page, byteOffset }] of foresee(setup, own(), vpn, places).entries()) {
                if (!label.startsWith(`${tableNames[setup][dimension]} `) || Number.isNaN(byteOffset)) continue;
                const host = answers[index]!.frame;
                const below = own().slice(dimension + 1);
                places.set(
                  page,
                  below.reduceRight((at: number, space) => pageOf(space, at), host),
                );
              }
            compare(answers, foresee(setup, own(), vpn, places));
          }
        }),
        { numRuns: 15 },
      );
    },
  );

  it('skips the upper node when the page-walk cache has its entry: one reference when warm', () => {
    const { spaces, pages } = singlePage([small]);
    const walker = testWalker({ design: fpt, setup: 'native', spaces });
    walker.walk(pages[0]!.vpn);
    walker.walk(pages[0]!.vpn);
    expect(walker.answers().map(({ label }) => label)).toEqual(['L2+L1']);
  });
});

describe('flattened tables in fragmented memory', () => {
  it.each(setups)('are made of 4 KiB nodes, and translate with the references of the radix walk, %s', (setup) => {
    const dimensions = Array.from({ length: dimensionsOf[setup] }, () => small);
    const { spaces, pages } = singlePage(dimensions);
    const memories = dimensions.map(() => ({ frames: 2 ** 16, unusable: 1 }));
    const walker = testWalker({ design: fpt, setup, spaces, machine: bareWalker, memories });
    expect(walker.walk(pages[0]!.vpn)).toBe(pages[0]!.frame);
    expect(walker.answers()).toHaveLength({ native: 4, virtualized: 24, nested: 124 }[setup]);
    const { counters } = walker.stage.result();
    expect(walker.stage.instances[0]!.coveredWalks!()).toBe(0);
    expect(counters).toMatchObject({ unflattenedWalks: 1 });
    expect(counters.fallbacks).toBeGreaterThanOrEqual(2 * dimensions.length);
  });

  it('give everything back when everything is unmapped', () => {
    fc.assert(
      fc.property(fc.nat(), fc.boolean(), (seed, scarce) => {
        const { spaces } = randomSpaces('native', seed);
        const taken = new Set<number>();
        let next = 512;
        const take = (count: number): number => {
          const first = Math.ceil(next / count) * count;
          next = first + count;
          taken.add(first);
          return first;
        };
        const table = new FlattenedTable(spaces[0]!.table.levels, [4, 2], {
          allocate: () => take(1),
          allocateBlock: () => (scarce ? -1 : take(512)),
          allocateRange: () => -1,
          free: (frame) => expect(taken.delete(frame)).toBe(true),
        });
        const leaves: [number, PageLevel][] = [];
        spaces[0]!.table.forEachLeaf((vpn, frame, level) => {
          table.map(vpn, frame, level);
          leaves.push([vpn, level]);
        });
        for (const [vpn, level] of leaves) table.unmap(vpn, level);
        table.settle();
        // The root stays.
        expect(taken.size).toBe(1);
      }),
      { numRuns: 40 },
    );
  });
});

describe('flattened tables under a living operating system', () => {
  it.each(setups)('follow faults, unmapping, migration, collapses and splits, %s', (setup) => {
    const { tableBytes } = followLivingSystem(fpt, setup).stage.result();
    expect(tableBytes).toBeGreaterThan(0);
  });
});

describe('what flattened tables cost to keep', () => {
  const options = { clearCycles: 11, failedCycles: 100_003, repeatCycles: 1009 };
  const costOf = (unusable: number, happens: (space: DemandSpace) => void) => {
    const { spaces } = createAddressSpaces([{}], createRandom(1));
    const memories = [{ frames: 2 ** 16, unusable }];
    const walker = testWalker({ design: fpt, setup: 'native', spaces, options, memories });
    happens(spaces[0]!);
    return walker.stage.result();
  };

  it('is clearing each node of 2 MiB in one go, none of 4 KiB', () => {
    // A root, and a node for each GiB.
    const three = costOf(0, (space) => [0, 1, 512, 2 ** 18, 2 ** 18 + 5].forEach((page) => void space.ensure(page)));
    expect(three).toMatchObject({ maintenanceCycles: 3 * 512 * 11, counters: { flattened: 3, fallbacks: 0 } });
  });

  it('is a new node where a range is used again, after its last page was unmapped and the program went on', () => {
    const { spaces } = createAddressSpaces([{}], createRandom(1));
    const walker = testWalker({ design: fpt, setup: 'native', spaces, options });
    const flattened = () => walker.stage.result().counters.flattened!;
    const walk = (page: number) => {
      const frame = spaces[0]!.ensure(page);
      expect(walker.walk(page)).toBe(frame);
    };
    const [other, range] = [0, 2 ** 18];
    walk(other);
    walk(range);
    const before = flattened();
    // A page that moves leaves its node for a moment only.
    spaces[0]!.migrate(range);
    walk(range);
    expect(flattened()).toBe(before);
    spaces[0]!.munmap(range, range + 1);
    walk(other);
    walk(range);
    expect(flattened()).toBe(before + 1);
  });

  it('is one request in vain for each node that memory has no block for', () => {
    const none = costOf(1, (space) => [0, 2 ** 18].forEach((page) => void space.ensure(page)));
    expect(none.counters.flattened).toBe(0);
    expect(none.counters.fallbacks).toBeGreaterThanOrEqual(3);
    expect(none).toMatchObject({
      maintenanceCycles: none.counters.fallbacks! * 100_003,
      allocationFailures: none.counters.fallbacks,
    });
  });
});

describe('the settings of flattened tables', () => {
  it.each([
    ['L4+L3,L2+L1', 'native', ['L4+L3', 'L2+L1'], 2],
    ['L3+L2', 'native', ['L4', 'L3+L2', 'L1'], 3],
    ['L2+L1', 'native', ['L4', 'L3', 'L2+L1'], 3],
    ['L4+L3,L2+L1', 'virtualized', undefined, 8],
    ['L3+L2', 'virtualized', undefined, 15],
    ['L2+L1', 'nested', undefined, 63],
  ] as const)('flatten: %s makes a cold %s walk read these nodes', (flatten, setup, labels, references) => {
    const { spaces, pages } = singlePage(Array.from({ length: dimensionsOf[setup] }, () => small));
    const walker = testWalker({ design: fpt, setup, spaces, machine: bareWalker, options: { flatten } });
    expect(walker.walk(pages[0]!.vpn)).toBe(pages[0]!.frame);
    expect(walker.answers()).toHaveLength(references);
    if (labels !== undefined) expect(walker.answers().map(({ label }) => label)).toEqual(labels);
  });

  /** Where the last reference of a walk is answered after data went through all caches, with so many TLB misses per thousand accesses. */
  function answeredAfterData(options: Record<string, unknown>, missesPerThousand: number): number {
    const { spaces, pages } = singlePage([small]);
    const walker = testWalker({ design: fpt, setup: 'native', spaces, options });
    const { caches } = walker.stage;
    // Two windows of the pressure first, then more lines than the caches have.
    const data = (lines: number, from: number) => {
      for (let line = 0; line < lines; line++) {
        if (line % 1000 < missesPerThousand) caches.missed?.();
        caches.access(0, 2 ** 40 + from + line, false);
      }
    };
    data(16_384, 0);
    walker.walk(pages[0]!.vpn);
    data(600_000, 16_384);
    walker.walk(pages[0]!.vpn);
    return walker.answers().at(-1)!.where;
  }

  it.each([
    [{ prioritise: 'off' }, 500, Where.memory],
    [{ prioritise: 'always' }, 0, Where.l2],
    [{ prioritise: 'pressure' }, 500, Where.l2],
    [{ prioritise: 'pressure' }, 1, Where.memory],
    [{ prioritise: 'pressure', pressureMisses: 600 }, 500, Where.memory],
    [{ prioritise: 'pressure', pressureMisses: 0 }, 0, Where.l2],
  ])('%j with %i misses per thousand accesses: the table is answered from %i afterwards', (options, misses, where) => {
    expect(answeredAfterData(options, misses)).toBe(where);
  });
});
