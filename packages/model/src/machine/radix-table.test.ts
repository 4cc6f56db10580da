import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { indexAt, type PageLevel, pagesIn } from './address.ts';
import { entryKind, entryTarget, type MutablePageTable, type PageTable } from './page-table.ts';
import { createPageTable } from './radix-table.ts';

/** What a page table means: which 4 KiB page lies in which frame, by a leaf of which level. */
interface Leaf {
  readonly frame: number;
  readonly level: PageLevel;
}

/** The obviously right table: a map from the first page of each leaf. */
function naiveTable() {
  const leaves = new Map<number, Leaf>();
  const holder = (vpn: number): [number, Leaf] | undefined => {
    for (const level of [1, 2, 3] as const) {
      const start = vpn - (vpn % pagesIn[level]);
      const leaf = leaves.get(start);
      if (leaf?.level === level) return [start, leaf];
    }
    return undefined;
  };
  const inRange = (start: number, pages: number) =>
    [...leaves].filter(([vpn, leaf]) => vpn < start + pages && vpn + pagesIn[leaf.level] > start);
  return { leaves, holder, inRange };
}

/** The walk as a manual describes it, entry by entry through the public interface. */
function walk(table: PageTable, vpn: number): number {
  let node = 0;
  for (let level: number = table.levels; level >= 1; level--) {
    const entry = table.entry(node, indexAt(vpn, level));
    if (entryKind(entry) === 0) return -1;
    if (entryKind(entry) === 2) return entryTarget(entry) + (vpn % pagesIn[level as PageLevel]);
    node = entryTarget(entry);
  }
  throw new Error('a child below the last level');
}

const levelArbitrary = fc.constantFrom<PageLevel>(1, 1, 1, 2, 3);
// Few regions, so that operations meet each other; canonical both low and high.
const vpnArbitrary = fc
  .tuple(fc.constantFrom(0, 0x7f12_34400, 0x7_ffff_fe00, 0xf_ffff_8880_0000, 0xf_ffff_ffff_fc00), fc.nat(1100))
  .map(([base, offset]) => Math.min(base + offset, 2 ** 52 - 1))
  .filter((vpn) => vpn < 2 ** 35 || vpn >= 2 ** 52 - 2 ** 35);
const stepArbitrary = fc.record({
  act: fc.constantFrom('map', 'map', 'map', 'unmap', 'split', 'promote'),
  vpn: vpnArbitrary,
  level: levelArbitrary,
  frame: fc.nat(2 ** 31),
});

function nodesExpected(levels: number, leaves: ReadonlyMap<number, Leaf>): number {
  const nodes = new Set(['root']);
  for (const [vpn, leaf] of leaves)
    for (let level = leaf.level; level < levels; level++) nodes.add(`${level}:${Math.floor(vpn / 512 ** level)}`);
  return nodes.size;
}

function expectSame(table: PageTable, leaves: ReadonlyMap<number, Leaf>): void {
  const found: [number, Leaf][] = [];
  table.forEachLeaf((vpn, frame, level) => found.push([vpn, { frame, level }]));
  expect(found).toEqual([...leaves].sort(([a], [b]) => a - b));
  expect(table.mappedPages).toBe([...leaves.values()].reduce((sum, { level }) => sum + pagesIn[level], 0));
  expect(table.nodes).toBe(nodesExpected(table.levels, leaves));
}

describe.each([4, 5] as const)('a table of %i levels', (levels) => {
  it('does what a map of leaves does, under random map, unmap, split and promote', () => {
    fc.assert(
      fc.property(
        fc.array(stepArbitrary, { maxLength: 60 }),
        fc.array(vpnArbitrary, { maxLength: 20 }),
        (steps, probes) => {
          const table = createPageTable({ levels, rootFrame: 7 });
          const naive = naiveTable();
          const liveNodes = new Set([7]);
          let nextNodeFrame = 1000;
          const frameForNode = () => {
            liveNodes.add(nextNodeFrame);
            return nextNodeFrame++;
          };
          const nodeFreed = (_level: number, frame: number) => expect(liveNodes.delete(frame)).toBe(true);
          for (const step of steps) apply(table, naive, step, frameForNode, nodeFreed);
          expectSame(table, naive.leaves);
          expect(liveNodes.size).toBe(table.nodes);
          for (const vpn of [...probes, ...steps.map((step) => step.vpn)]) {
            const held = naive.holder(vpn);
            const frame = held === undefined ? -1 : held[1].frame + (vpn - held[0]);
            expect(table.translate(vpn)).toBe(frame);
            expect(walk(table, vpn)).toBe(frame);
            expect(table.leafLevel(vpn)).toBe(held?.[1].level ?? 0);
            for (let level = 1; level < levels; level++) {
              const node = table.nodeAt(vpn, level);
              if (node >= 0) expect(liveNodes.has(table.frameOf(node))).toBe(true);
              const size = 512 ** level;
              const below = naive.inRange(vpn - (vpn % size), size).some(([, leaf]) => leaf.level <= level);
              expect(node >= 0).toBe(below);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('maps a run as one page after the other, up to the first in the way', () => {
    fc.assert(
      fc.property(
        fc.array(vpnArbitrary, { maxLength: 3 }),
        vpnArbitrary,
        fc.array(
          fc.oneof(
            { weight: 40, arbitrary: fc.nat(2 ** 31 - 3) },
            { weight: 2, arbitrary: fc.integer({ min: 2 ** 31 - 3, max: 2 ** 31 + 2 }) },
            fc.constantFrom(-1, 2 ** 40 - 1, 2 ** 40),
          ),
          { maxLength: 700 },
        ),
        fc.nat(5),
        (taken, vpn, frames, from) => {
          const build = (map: (table: MutablePageTable, nodeFrame: () => number) => void) => {
            const table = createPageTable({ levels, rootFrame: 7 });
            let nodeFrame = 1000;
            const next = () => nodeFrame++;
            for (const page of new Set(taken)) table.map(page, 5, 1, next);
            let refusal = '';
            try {
              map(table, next);
            } catch (error) {
              refusal = String(error);
            }
            const leaves: unknown[] = [];
            table.forEachLeaf((page, frame, level) =>
              leaves.push([page, frame, level, table.frameOf(table.nodeAt(page, 1))]),
            );
            return { refusal, leaves, mapped: table.mappedPages, nodes: table.nodes };
          };
          const values = Float64Array.from(frames);
          const run = build((table, next) => table.mapRun(vpn, values, from, values.length, next));
          const single = build((table, next) => {
            for (let at = from; at < values.length; at++) table.map(vpn + at - from, values[at]!, 1, next);
          });
          expect(run).toEqual(single);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('creates the nodes on the way and tells which range each covers', () => {
    const table = createPageTable({ levels, rootFrame: 1 });
    const asked: [number, number][] = [];
    const created = table.map(0x7f12_34567, 9, 1, (level, vpn) => {
      asked.push([level, vpn]);
      return 100 + level;
    });
    expect(created).toBe(levels - 1);
    const ranges: [number, number][] = [
      [3, 0x7f0_000000],
      [2, 0x7f12_00000],
      [1, 0x7f12_34400],
    ];
    expect(asked).toEqual(levels === 4 ? ranges : [[4, 0], ...ranges]);
    expect([1, 2, 3].map((level) => table.frameOf(table.nodeAt(0x7f12_34567, level)))).toEqual([101, 102, 103]);
    expect(table.nodeAt(0x7f12_34567, levels)).toBe(0);
  });

  it('stays as it was when no frame is left for a node', () => {
    const table = createPageTable({ levels, rootFrame: 1 });
    expect(() =>
      table.map(5, 9, 1, (level) => {
        if (level === 1) throw new Error('no memory');
        return level;
      }),
    ).toThrow('no memory');
    expect([table.nodes, table.mappedPages, table.translate(5)]).toEqual([1, 0, -1]);
  });
});

type Naive = ReturnType<typeof naiveTable>;
function apply(
  table: MutablePageTable,
  naive: Naive,
  step: { act: string; vpn: number; level: PageLevel; frame: number },
  frameForNode: () => number,
  nodeFreed: (level: number, frame: number) => void,
): void {
  const level = step.act === 'promote' && step.level === 1 ? 2 : step.level;
  const pages = pagesIn[level];
  const start = step.vpn - (step.vpn % pages);
  const frame = step.frame - (step.frame % pages);
  if (step.act === 'map') {
    if (naive.inRange(start, pages).length > 0) {
      expect(() => table.map(start, frame, level, frameForNode)).toThrow(/cannot be mapped/);
      return;
    }
    table.map(start, frame, level, frameForNode);
    naive.leaves.set(start, { frame, level });
    return;
  }
  if (step.act === 'promote') {
    const inside = naive.inRange(start, pages);
    const promote = () => table.promote(start, frame, level as 2 | 3, nodeFreed);
    if (inside.length === 0 || inside.some(([, leaf]) => leaf.level >= level)) {
      expect(promote).toThrow(/cannot be mapped/);
      return;
    }
    expect(promote()).toBe(inside.reduce((sum, [, leaf]) => sum + pagesIn[leaf.level], 0));
    for (const [vpn] of inside) naive.leaves.delete(vpn);
    naive.leaves.set(start, { frame, level: level as 2 | 3 });
    return;
  }
  const held = naive.holder(step.vpn);
  if (step.act === 'unmap') {
    expect(table.unmap(step.vpn, nodeFreed)).toBe(held?.[1].level ?? 0);
    if (held !== undefined) naive.leaves.delete(held[0]);
    return;
  }
  if (held === undefined || held[1].level === 1) {
    expect(table.split(step.vpn, frameForNode)).toBe(0);
    return;
  }
  const [heldStart, leaf] = held;
  const smaller = (leaf.level - 1) as PageLevel;
  expect(table.split(step.vpn, frameForNode)).toBe(smaller);
  naive.leaves.delete(heldStart);
  for (let index = 0; index < 512; index++)
    naive.leaves.set(heldStart + index * pagesIn[smaller], {
      frame: leaf.frame + index * pagesIn[smaller],
      level: smaller,
    });
}

describe('addresses', () => {
  it('of a process are canonical: the gap between the halves is not mapped and cannot be', () => {
    const table = createPageTable({ levels: 4, rootFrame: 0 });
    table.map(2 ** 52 - 1, 3, 1, () => 1);
    expect(table.translate(2 ** 36 - 1)).toBe(-1);
    expect(() => table.map(2 ** 36 - 1, 3, 1, () => 1)).toThrow(/no address of a 4-level table.*5 levels/);
  });

  it('of a VM use every index bit', () => {
    const table = createPageTable({ levels: 4, rootFrame: 0, addresses: 'physical' });
    table.map(2 ** 36 - 1, 3, 1, () => 1);
    expect(table.translate(2 ** 36 - 1)).toBe(3);
    const leaves: number[] = [];
    table.forEachLeaf((vpn) => leaves.push(vpn));
    expect(leaves).toEqual([2 ** 36 - 1]);
    expect(table.translate(2 ** 52 - 1)).toBe(-1);
    expect(() => table.map(2 ** 36, 3, 1, () => 1)).toThrow(/no address/);
  });

  it('must be aligned to the page, and frames must exist', () => {
    const table = createPageTable({ levels: 4, rootFrame: 0 });
    expect(() => table.map(1, 512, 2, () => 1)).toThrow(/2 MiB/);
    expect(() => table.map(512, 1, 2, () => 1)).toThrow(/2 MiB/);
    expect(() => table.map(1, 2 ** 40, 1, () => 1)).toThrow(/2\^52/);
  });

  it('holds frames on both sides of 31 bits in one node, a split huge page across the border included', () => {
    const table = createPageTable({ levels: 4, rootFrame: 1 });
    let node = 2;
    const border = 2 ** 31;
    table.map(0, 7, 1, () => node++);
    table.map(512, border - 512, 2, () => node++);
    table.split(512, () => node++);
    for (const [vpn, frame] of [
      [1, border - 2],
      [2, border - 1],
      [3, border],
      [4, 2 ** 40 - 1],
    ] as const)
      table.map(vpn, frame, 1, () => node++);
    expect([0, 1, 2, 3, 4].map((vpn) => table.translate(vpn))).toEqual([
      7,
      border - 2,
      border - 1,
      border,
      2 ** 40 - 1,
    ]);
    expect([512, 1022, 1023].map((vpn) => table.translate(vpn))).toEqual([border - 512, border - 2, border - 1]);
    table.unmap(4);
    expect([table.translate(4), table.translate(3), table.translate(0)]).toEqual([-1, border, 7]);
  });
});
