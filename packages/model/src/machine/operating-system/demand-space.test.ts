import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Frame, type PageLevel, pagesIn, type Vpn } from '../address.ts';
import { createBuddy } from '../buddy.ts';
import type { AddressSpaceObserver } from '../page-table.ts';
import { createRandom } from '../random.ts';
import { createDemandSpace, type DemandSpaceOptions, type PagePolicy } from './demand-space.ts';

/** What an observer that believes every event thinks the space is. */
function believer() {
  const leaves = new Map<Vpn, { frame: Frame; level: PageLevel }>();
  const nodes = new Map<string, Frame>();
  const observer: AddressSpaceObserver = {
    mapped(vpn, frame, level) {
      expect(leaves.has(vpn)).toBe(false);
      leaves.set(vpn, { frame, level });
    },
    unmapped(vpn, frame, level) {
      expect(leaves.get(vpn)).toEqual({ frame, level });
      leaves.delete(vpn);
    },
    nodeAllocated: (level, vpn, frame) => nodes.set(`${level}:${vpn}`, frame),
    nodeFreed(level, vpn, frame) {
      expect(nodes.get(`${level}:${vpn}`)).toBe(frame);
      nodes.delete(`${level}:${vpn}`);
    },
  };
  return { leaves, nodes, observer };
}

function space(options: Partial<DemandSpaceOptions> = {}, frames = 2 ** 15, unusable = 0) {
  const memory = createBuddy({ frames });
  if (unusable > 0) memory.fragment(createRandom(1), unusable);
  const before = memory.freeFrames;
  return { memory, before, space: createDemandSpace({ frames: memory, ...options }) };
}

const stepArbitrary = fc.record({
  act: fc.constantFrom('touch', 'touch', 'touch', 'munmap', 'migrate', 'collapse'),
  vpn: fc.nat(3000).map((offset) => 0x7f1234000 + offset),
  pages: fc.integer({ min: 1, max: 1500 }),
});

describe('an address space filled on demand', () => {
  it.each([
    ['2m', 2 ** 15, 2],
    ['1g', 2 ** 19, 3],
  ] as const)(
    'keeps to smaller pages where a part of a %s page was unmapped, and takes a whole one again after all of it',
    (pages, frames, level) => {
      const { memory, space: tested } = space({ pages }, frames);
      const first = 2 ** 18;
      tested.ensure(first);
      expect(tested.table.leafLevel(first)).toBe(level);
      tested.munmap(first + 5, first + 6);
      expect(tested.table.translate(first + 5)).toBe(-1);
      const free = memory.freeFrames;
      tested.ensure(first + 5);
      expect([tested.table.leafLevel(first + 5), free - memory.freeFrames]).toEqual([1, 1]);
      tested.munmap(first, first + pagesIn[level]);
      tested.ensure(first + 5);
      expect(tested.table.leafLevel(first + 5)).toBe(level);
    },
  );

  it('tells its observers everything, and gives all memory back when unmapped', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<PagePolicy>('4k', '2m', 'thp', 'khugepaged'),
        fc.array(stepArbitrary, { maxLength: 40 }),
        fc.constantFrom(0, 0.5, 1),
        (pages, steps, unusable) => {
          fc.pre(pages !== '2m' || unusable === 0);
          const { memory, before, space: tested } = space({ pages }, 2 ** 15, unusable);
          const { leaves, nodes, observer } = believer();
          tested.observe(observer);
          const mapped = () => {
            const all = new Map<Vpn, { frame: Frame; level: PageLevel }>();
            tested.table.forEachLeaf((at, frame, level) => all.set(at, { frame, level }));
            return all;
          };
          let last = mapped();
          let announced = false;
          tested.beforeChange?.(() => {
            announced = true;
            expect(mapped()).toEqual(last);
          });
          for (const { act, vpn, pages: count } of steps) {
            if (act === 'touch') expect(tested.ensure(vpn)).toBe(tested.table.translate(vpn));
            else if (act === 'munmap') {
              tested.munmap(vpn, vpn + count);
              for (let page = vpn; page < vpn + count; page += 7) expect(tested.table.translate(page)).toBe(-1);
            } else if (act === 'migrate') {
              const from = tested.table.translate(vpn);
              const to = tested.migrate(vpn);
              if (to >= 0) expect(to).not.toBe(from);
              expect(tested.table.translate(vpn)).toBe(to >= 0 ? to : from);
            } else tested.collapseSome();
            const found = mapped();
            if (!announced) expect(found).toEqual(last);
            last = found;
            announced = false;
            expect(new Map([...leaves].sort(([a], [b]) => a - b))).toEqual(found);
            expect(nodes.size).toBe(tested.table.nodes - 1);
            const pagesMapped = [...found.values()].reduce((sum, { level }) => sum + pagesIn[level], 0);
            expect(before - memory.freeFrames).toBe(pagesMapped + tested.table.nodes);
          }
          tested.munmap(0x7f1230000, 0x7f1240000);
          expect(before - memory.freeFrames).toBe(1);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('takes a 2 MiB page where the range lies in one VMA and memory has a block, else 4 KiB', () => {
    const vmas = [{ start: 0x1000, end: 0x1300 }];
    const { space: fresh } = space({ pages: 'thp', vmas });
    fresh.ensure(0x1005);
    fresh.ensure(0x1205);
    expect([fresh.table.leafLevel(0x1005), fresh.table.leafLevel(0x1205)]).toEqual([2, 1]);
    expect(fresh.statistics).toMatchObject({ faults: 2, hugeFaults: 1, hugeFallbacks: 0 });
    const { space: aged } = space({ pages: 'thp', vmas }, 2 ** 15, 1);
    aged.ensure(0x1005);
    expect(aged.table.leafLevel(0x1005)).toBe(1);
    expect(aged.statistics).toMatchObject({ hugeFaults: 0, hugeFallbacks: 1 });
  });

  it('is collapsed by khugepaged as it scans, where enough pages are present', () => {
    const { space: tested } = space({ pages: 'khugepaged', khugepaged: { faultsPerScan: 300, minPresentPages: 200 } });
    for (let page = 0; page < 200; page++) tested.ensure(0x2000 + page);
    for (let page = 0; page < 99; page++) tested.ensure(0x2400 + page);
    expect(tested.table.leafLevel(0x2000)).toBe(1);
    tested.ensure(0x2400 + 99);
    expect([0x2000, 0x21ff, 0x2400].map((vpn) => tested.table.leafLevel(vpn))).toEqual([2, 2, 1]);
    expect(tested.statistics).toMatchObject({ collapses: 1, copiedPages: 200, failedCollapses: 0 });
  });

  it('goes on scanning where the last scan stopped', () => {
    const { space: tested } = space({ khugepaged: { pagesPerScan: 512 } });
    for (const start of [0x2000, 0x2200, 0x2400]) tested.ensure(start);
    expect([1, 2, 3, 4].map(() => tested.collapseSome())).toEqual([1, 1, 1, 0]);
  });

  it('refuses forced huge pages that memory cannot give, naming the page', () => {
    const { space: tested } = space({ pages: '2m' }, 2 ** 15, 1);
    expect(() => tested.ensure(0x7f1234567)).toThrow(/no free 2 MiB block.*0x7f1234567000.*thp/);
  });
});
