import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBuddy } from '../../machine/buddy.ts';
import { createDemandSpace, type DemandSpace } from '../../machine/operating-system/index.ts';
import type { Vma } from '../../machine/page-table.ts';
import { createRandom } from '../../machine/random.ts';
import { createGteaTable } from './gtea.ts';
import { type TeaCounts, type TeaMemory, type TeaOptions, TeaSet, teaCounters, teaOffset, teaTables } from './tea.ts';

const mebibyte = 256;
const options: TeaOptions = { levels: [1, 2], minVmaPages: 64 * mebibyte, limit: 16, mergePercent: 98, reserve: true };

/** Memory that knows what it handed out, and refuses anything else. */
function checkedMemory(frames: number, unusable = 0): TeaMemory & { readonly taken: Set<number> } {
  const buddy = createBuddy({ frames });
  if (unusable > 0) buddy.fragment(createRandom(1), unusable);
  const taken = new Set<number>();
  const note = (first: number, count: number) => {
    for (let frame = first; frame < first + count; frame++) {
      if (taken.has(frame)) throw new Error(`frame ${frame} is handed out twice`);
      taken.add(frame);
    }
  };
  return {
    taken,
    allocate(count) {
      const frame = buddy.allocateRange(count);
      if (frame < 0) return undefined;
      note(frame, count);
      return { frame, hostFrame: frame };
    },
    extend({ frame }, length, count) {
      if (!buddy.take(frame + length, count)) return false;
      note(frame + length, count);
      return true;
    },
    release({ frame }, length) {
      for (let at = frame; at < frame + length; at++)
        if (!taken.delete(at)) throw new Error(`frame ${at} is given back but was not taken`);
      buddy.freeRange(frame, length);
    },
  };
}

function observed(vmas: readonly Vma[], more: Partial<TeaOptions> = {}, memory: TeaMemory = checkedMemory(2 ** 20)) {
  const space = createDemandSpace({ frames: createBuddy({ frames: 2 ** 22 }), vmas, pages: 'thp' });
  const small = createDemandSpace({ frames: createBuddy({ frames: 2 ** 22 }), vmas });
  const counts = Object.fromEntries(Object.keys(teaCounters).map((name) => [name, 0])) as TeaCounts;
  const watch = (one: DemandSpace): TeaSet => {
    const set = new TeaSet(one, memory, { ...options, ...more }, counts);
    one.observe({
      mapped: (vpn, _frame, level) => set.mapped(vpn, level),
      nodeAllocated: (level, vpn) => set.nodeAllocated(level, vpn),
      nodeFreed: (level, vpn) => set.nodeFreed(level, vpn),
    });
    return set;
  };
  return { space, small, watch, counts };
}

describe('the worked example C17', () => {
  const start = 0x7f00_0000_0000 / 4096;

  it('sizes the area of a VMA of 128 GiB as 65,537 tables', () => {
    const vma = { start, end: start + 128 * 1024 * mebibyte };
    expect(teaTables(vma, 1)).toBe(65_537);
    const { small, watch } = observed([vma]);
    const set = watch(small);
    small.ensure(Math.floor(0x7f00_1234_5678 / 4096));
    expect(set.teas.map(({ level, length }) => [level, length])).toEqual([[1, 65_537]]);
  });

  it('finds the entry of 0x7f0012345678 at pool + 0x91a28', () => {
    expect(teaOffset(Math.floor(0x7f00_1234_5678 / 4096), start / 512, 1)).toBe(0x91a28);
  });

  it('gives a VMA of 63 MiB no area, and one of 64 MiB one', () => {
    const other = start - 2 ** 24;
    const vmas = [
      { start, end: start + 63 * mebibyte },
      { start: other, end: other + 64 * mebibyte },
    ];
    const { small, watch } = observed(vmas);
    const set = watch(small);
    small.ensure(start);
    expect(set.teas).toEqual([]);
    small.ensure(other);
    expect(set.teas).toHaveLength(1);
  });

  it('gives the 17th VMA that cannot merge none', () => {
    const vmas = Array.from({ length: 17 }, (_, index) => ({
      start: (index + 1) * 2 ** 24,
      end: (index + 1) * 2 ** 24 + 64 * mebibyte,
    }));
    const { small, watch, counts } = observed(vmas);
    const set = watch(small);
    for (const vma of vmas) small.ensure(vma.start);
    expect(set.teas).toHaveLength(16);
    expect(set.find(1, vmas[16]!.start / 512)).toBeUndefined();
    expect(counts.noSlot).toBe(1);
  });
});

describe('areas', () => {
  it('merge with a neighbour when the gap is at most 2 % of both', () => {
    const after = (gap: number) => {
      const first = { start: 2 ** 24, end: 2 ** 24 + 512 * 100 - 1 };
      const second = { start: first.end + 1 + 512 * gap, end: first.end + 1 + 512 * (gap + 100) - 1 };
      const { small, watch } = observed([first, second]);
      const set = watch(small);
      small.ensure(first.start);
      small.ensure(second.start);
      return set.teas.length;
    };
    expect(after(4)).toBe(1);
    expect(after(5)).toBe(2);
  });

  it('grow in place where memory behind them is free, else by moving their tables', () => {
    const grow = (blocked: boolean) => {
      const memory = checkedMemory(2 ** 12);
      const { small, watch, counts } = observed([], { minVmaPages: 0 }, memory);
      const set = watch(small);
      small.ensure(2 ** 24);
      if (blocked) memory.allocate(1);
      small.ensure(2 ** 24 + 512);
      small.ensure(2 ** 24 + 1024);
      const [tea] = set.teas;
      expect(tea!.used).toBe(3);
      expect(set.table.frameOf(set.table.nodeAt(2 ** 24, 1))).toBe(tea!.frames.frame);
      return counts;
    };
    expect(grow(false)).toMatchObject({ areas: 1, grownInPlace: 1, migrated: 0, movedTables: 0 });
    expect(grow(true)).toMatchObject({ areas: 1, grownInPlace: 0, migrated: 1, movedTables: 2 });
  });

  it('are asked for again once much has been given back, and not before', () => {
    const memory = checkedMemory(512);
    const vma = (start: number, tables: number) => ({ start, end: start + 512 * tables - 1 });
    const [held, wanted] = [vma(2 ** 24, 200), vma(2 ** 25, 350)];
    const { small, watch, counts } = observed([held, wanted], { minVmaPages: 0, levels: [1] }, memory);
    const set = watch(small);
    small.ensure(held.start);
    small.ensure(wanted.start);
    expect(set.teas.map(({ length }) => length)).toEqual([200]);
    expect(counts.allocationFailures).toBe(1);
    small.munmap(held.start, held.end);
    expect(set.teas).toEqual([]);
    // The first table was there before its area: it is copied.
    small.ensure(wanted.start + 512);
    expect(set.teas.map(({ length }) => length)).toEqual([350]);
    expect(counts).toMatchObject({ allocationFailures: 1, movedTables: 1 });
  });

  it('are asked for again for a table that got none, once its VMA has grown', () => {
    const start = 2 ** 24;
    const { small, watch } = observed([{ start, end: start + 100 }], { minVmaPages: 200, levels: [1] });
    const set = watch(small);
    small.ensure(start);
    expect(set.teas).toEqual([]);
    small.mmap(start, start + 300);
    // The same table as before.
    small.ensure(start + 1);
    expect(set.teas.map(({ length, used }) => ({ length, used }))).toEqual([{ length: 1, used: 1 }]);
  });

  it('take over the tables that a VMA had before it was large enough', () => {
    const { small, watch, counts } = observed([], { minVmaPages: 4 * mebibyte });
    const set = watch(small);
    for (let page = 0; page < 4 * mebibyte; page += 512) small.ensure(2 ** 24 + page);
    expect(set.teas).toHaveLength(1);
    expect(counts.movedTables).toBe(1);
  });

  it.each([
    // The outer two fill enough of the range from end to end, and each too little of that up to the one between.
    ['does not reach over an area between', 60, [0, 100, 200, 201, 202, 300]],
    // What one table covers lies in two VMAs, and belongs to the area that was first.
    ['shares its last table', 1000, [0, 10.5, 10.75, 20, 30.5, 40]],
  ] as const)('are kept apart where one %s', (_, mergePercent, [a, b, c, d, e, f]) => {
    const memory = checkedMemory(2 ** 12);
    const vmas = [
      [a, b],
      [c, d],
      [e, f],
    ].map(([start, end]) => ({ start: 2 ** 24 + start! * 512, end: 2 ** 24 + end! * 512 }));
    const { small, watch } = observed(vmas, { minVmaPages: 0, mergePercent, levels: [1] }, memory);
    const set = watch(small);
    for (const { start, end } of vmas)
      for (const page of [start, end - 1]) {
        small.ensure(page);
        checkInvariants(set, small, memory.taken);
      }
  });

  it('never overlap, hold every table of their range, and give back all memory', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.constantFrom(0, 0.7, 1),
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom(3, 16),
        // Areas that need not be full join over whatever lies between them.
        fc.constantFrom(5, 98),
        (seed, unusable, reserve, huge, limit, mergePercent) => {
          const random = createRandom(seed);
          const memory = checkedMemory(2 ** 12, unusable);
          const { space, small, watch } = observed([], { minVmaPages: 0, reserve, limit, mergePercent }, memory);
          const process = huge ? space : small;
          const set = watch(process);
          for (let step = 0; step < 40; step++) {
            const vpn = 2 ** 24 * (1 + random.below(4)) + random.below(2 ** (9 + random.below(9)));
            const choice = random.below(4);
            if (choice === 0) process.munmap(vpn, vpn + 1 + random.below(4096));
            else if (choice === 1) process.collapseSome();
            else process.ensure(vpn);
            checkInvariants(set, process, memory.taken);
          }
          process.munmap(0, 2 ** 35);
          expect(set.teas).toEqual([]);
          expect(memory.taken.size).toBe(0);
        },
      ),
      { numRuns: 80 },
    );
  });
});

function checkInvariants(set: TeaSet, process: DemandSpace, taken: ReadonlySet<number>): void {
  const units = new Set<string>();
  const wrong: string[] = [];
  let held = 0;
  for (const tea of set.teas) {
    let used = 0;
    for (let unit = tea.start; unit < tea.start + tea.length; unit++) {
      const name = `${tea.level}/${unit}`;
      if (units.has(name)) wrong.push(`${name} lies in two areas`);
      units.add(name);
      const node = process.table.nodeAt(unit * 512 ** tea.level, tea.level);
      if (tea.nodes[unit - tea.start] !== node + 1) wrong.push(`${name} is not known to its area`);
      if (node < 0) continue;
      used++;
      if (set.table.frameOf(node) !== tea.frames.frame + unit - tea.start) wrong.push(`${name} lies elsewhere`);
    }
    if (tea.used !== used) wrong.push(`area ${tea.id} counts ${tea.used} tables, has ${used}`);
    held += tea.length;
  }
  expect(wrong).toEqual([]);
  expect(taken.size).toBe(held);
}

describe("the hypervisor's table of areas", () => {
  it('gives an entry to its owner only, inside its bounds only, and not after it was revoked', () => {
    const table = createGteaTable();
    const mine = table.grant(0, 5000, 10);
    const other = table.grant(1, 9000, 10);
    expect(table.check(mine, 0, 9)).toBe(5009);
    expect(table.check(mine, 0, 10)).toBe(-1);
    expect(table.check(mine, 0, -1)).toBe(-1);
    expect(table.check(other, 0, 0)).toBe(-1);
    expect(table.check(7, 0, 0)).toBe(-1);
    table.revoke(mine);
    expect(table.check(mine, 0, 0)).toBe(-1);
  });
});
