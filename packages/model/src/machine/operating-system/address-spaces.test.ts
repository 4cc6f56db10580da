import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Frame, guestPage, indexAt, pagesIn, type Vpn } from '../address.ts';
import { entryKind, entryTarget, type PageTable } from '../page-table.ts';
import { createRandom } from '../random.ts';
import { createAddressSpaces, type DimensionOptions } from './address-spaces.ts';
import type { PagePolicy } from './demand-space.ts';

const policyArbitrary = fc.constantFrom<PagePolicy>('4k', '2m', '1g', 'thp', 'khugepaged');
const dimensionArbitrary: fc.Arbitrary<DimensionOptions> = fc.record({
  levels: fc.constantFrom<4 | 5>(4, 5),
  pages: policyArbitrary,
  khugepaged: fc.record({ faultsPerScan: fc.integer({ min: 16, max: 200 }) }),
});
const touchesArbitrary = fc.array(
  fc.tuple(fc.constantFrom(0x400, 0x7f12_34500, 0x7_ffff_f000), fc.nat(3000)).map(([base, offset]) => base + offset),
  { minLength: 1, maxLength: 60 },
);

/** Every frame that a hardware walk in all dimensions reads or arrives at, in the space below each. */
function walkAll(tables: readonly PageTable[], dimension: number, page: number): number {
  const table = tables[dimension]!;
  const locate = (frame: number) => (dimension + 1 < tables.length ? walkAll(tables, dimension + 1, frame) : frame);
  let node = 0;
  for (let level: number = table.levels; ; level--) {
    expect(locate(table.frameOf(node))).toBeGreaterThanOrEqual(0);
    const entry = table.entry(node, indexAt(page, level));
    expect(entryKind(entry)).not.toBe(0);
    if (entryKind(entry) === 2) return locate(entryTarget(entry) + (page % pagesIn[level as 1 | 2 | 3]));
    node = entryTarget(entry);
  }
}

/** Frames used in the memory below a table must be used once. */
function expectNoFrameTwice(table: PageTable): void {
  const used = new Set<number>();
  const use = (frame: number) => {
    if (used.has(frame)) throw new Error(`frame ${frame} is used twice`);
    used.add(frame);
  };
  const visited: [number, number][] = [[0, table.levels]];
  for (const [node, level] of visited) {
    use(table.frameOf(node));
    for (let index = 0; level > 1 && index < 512; index++) {
      const entry = table.entry(node, index);
      if (entryKind(entry) === 1) visited.push([entryTarget(entry), level - 1]);
    }
  }
  table.forEachLeaf((_vpn, frame, level) => {
    if (level > 1) expect(frame % pagesIn[level]).toBe(0);
    if (level < 3) for (let offset = 0; offset < pagesIn[level]; offset++) use(frame + offset);
  });
}

describe('address spaces on top of each other', () => {
  it('leave no walk without a host page, whatever the page sizes and levels', () => {
    fc.assert(
      fc.property(
        fc.array(dimensionArbitrary, { minLength: 1, maxLength: 3 }),
        touchesArbitrary,
        (options, touches) => {
          // A 1 GiB guest page over 4 KiB host pages is 262,144 faults: the next test has one.
          fc.pre(options.slice(0, -1).every(({ pages }) => pages !== '1g'));
          const { spaces } = createAddressSpaces(options, createRandom(1));
          const tables = spaces.map(({ table }) => table);
          for (const vpn of touches) {
            const frame = spaces[0]!.ensure(vpn);
            expect(frame).toBe(tables[0]!.translate(vpn));
            let translated = frame as number;
            for (const table of tables.slice(1)) translated = table.translate(translated);
            expect(walkAll(tables, 0, vpn)).toBe(translated);
          }
          for (const table of tables) expectNoFrameTwice(table);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('back a whole huge page of the guest, whatever the host backs it with', () => {
    const { spaces } = createAddressSpaces([{ pages: '1g' }, { pages: 'thp' }], createRandom(1));
    const first = spaces[0]!.ensure(0x7f1240000) as number;
    expect(spaces[0]!.table.leafLevel(0x7f1240000)).toBe(3);
    for (let frame = first; frame < first + pagesIn[3]; frame += 511) expect(spaces[1]!.table.leafLevel(frame)).toBe(2);
  });

  it('come out the same from the same seed', () => {
    const frames = () => {
      const { spaces } = createAddressSpaces(
        [{ unusable: 0.7, memoryBytes: 2 ** 30 }, { pages: 'thp' }],
        createRandom(9),
      );
      return Array.from({ length: 200 }, (_, page) => spaces[0]!.ensure(page * 77));
    };
    expect(frames()).toEqual(frames());
  });

  it('cost nothing for memory that is not touched', () => {
    const before = process.memoryUsage().arrayBuffers;
    const { spaces } = createAddressSpaces([{ memoryBytes: 2 ** 44 }, {}, {}], createRandom(1));
    spaces[0]!.ensure(5);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8e6);
  });

  it('are contiguous after a fresh boot and scattered when aged', () => {
    const neighbours = (unusable: number) => {
      const { spaces } = createAddressSpaces([{ memoryBytes: 2 ** 32, unusable }], createRandom(3));
      const frames = Array.from({ length: 1000 }, (_, page) => spaces[0]!.ensure(page));
      return frames.filter((frame, page) => page > 0 && frame === frames[page - 1]! + 1).length;
    };
    expect(neighbours(0)).toBeGreaterThan(990);
    expect(neighbours(1)).toBeLessThan(10);
  });

  it('share one memory among processes', () => {
    const { spaces, addProcess } = createAddressSpaces([{}, {}], createRandom(1));
    const [second, machine] = addProcess();
    expect(machine).toBe(spaces[1]);
    expect(second!.ensure(7)).not.toBe(spaces[0]!.ensure(7));
    expect(spaces[1]!.table.translate(guestPage(second!.ensure(7)))).toBeGreaterThanOrEqual(0);
  });

  it('say whose memory is used up', () => {
    const { spaces } = createAddressSpaces([{ memoryBytes: 2 ** 20 }, { memoryBytes: 2 ** 30 }], createRandom(1));
    expect(() => Array.from({ length: 300 }, (_, page: Vpn): Frame => spaces[0]!.ensure(page))).toThrow(
      /memory of the VM is used up/,
    );
  });
});
