import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Vma } from '../page-table.ts';
import { clusterVmas, createVmaSet } from './vmas.ts';

/** Which pages a list of VMAs holds, one by one. */
const pagesOf = (vmas: readonly Vma[]) =>
  vmas.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, at) => start + at));

interface NaiveVma extends Vma {
  readonly inferred: boolean;
}

/** The rule of inference over one sorted array that is built anew at every change. */
function naiveVmas() {
  let all: readonly NaiveVma[] = [];
  const sorted = (vmas: readonly NaiveVma[]) => [...vmas].sort((one, other) => one.start - other.start);
  const unitOf = ({ start, end }: Vma) => Math.min(16_384, Math.max(512, 2 ** Math.floor(Math.log2(end - start))));
  const remove = (start: number, end: number) => {
    all = all.flatMap((vma) => {
      if (vma.end <= start || vma.start >= end) return [vma];
      return [
        { ...vma, end: Math.min(vma.end, start) },
        { ...vma, start: Math.max(vma.start, end) },
      ].filter((rest) => rest.end > rest.start);
    });
  };
  /** Limits of the VMA that a touch makes or extends, whatever is in the way. */
  function wanted(vpn: number, before?: NaiveVma, after?: NaiveVma): [number, number] {
    if (before?.inferred && vpn - before.end < unitOf(before))
      return [before.end, Math.floor(vpn / unitOf(before)) * unitOf(before) + unitOf(before)];
    if (after?.inferred && after.start - vpn <= unitOf(after))
      return [Math.floor(vpn / unitOf(after)) * unitOf(after), after.start];
    return [vpn - (vpn % 512), vpn - (vpn % 512) + 512];
  }
  return {
    list: () => all.map(({ start, end }) => ({ start, end })),
    remove,
    add(start: number, end: number) {
      remove(start, end);
      all = sorted([...all, { start, end, inferred: false }]);
    },
    touch(vpn: number) {
      if (all.some(({ start, end }) => start <= vpn && vpn < end)) return;
      const before = all.findLast(({ end }) => end <= vpn);
      const after = all.find(({ start }) => start > vpn);
      let [start, end] = wanted(vpn, before, after);
      start = Math.max(start, before?.end ?? 0);
      end = Math.min(end, after?.start ?? end);
      const met = [before, after].filter((one) => one?.inferred && one.start <= end && one.end >= start);
      for (const one of met) [start, end] = [Math.min(start, one!.start), Math.max(end, one!.end)];
      all = sorted([...all.filter((one) => !met.includes(one)), { start, end, inferred: true }]);
    },
  };
}

describe('VMAs', () => {
  it('are those that the rule gives when one sorted array is built anew at every change', () => {
    const step = fc.record({
      act: fc.constantFrom('touch', 'touch', 'touch', 'touch', 'add', 'remove'),
      at: fc.tuple(fc.constantFrom(0, 30_000, 2 ** 35), fc.nat(60_000)).map(([base, offset]) => base + offset),
      pages: fc.integer({ min: 1, max: 9000 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const vmas = createVmaSet();
        const naive = naiveVmas();
        for (const { act, at, pages } of steps) {
          if (act === 'touch') naive.touch(at);
          else naive[act](at, at + pages);
          if (act === 'touch') vmas.around(at);
          else vmas[act](at, at + pages);
          expect(vmas.list).toEqual(naive.list());
        }
      }),
    );
  });

  it('inferred from touches contain them, stay apart and in order, and never change a given one', () => {
    const touches = fc.array(fc.tuple(fc.constantFrom(0, 30_000, 10 ** 9), fc.nat(40_000)), { maxLength: 80 });
    const given = [
      { start: 1000, end: 1003 },
      { start: 20_000, end: 20_600 },
    ];
    fc.assert(
      fc.property(touches, (steps) => {
        const vmas = createVmaSet(given);
        for (const [base, offset] of steps) {
          const vma = vmas.around(base + offset);
          expect(vma.start <= base + offset && base + offset < vma.end).toBe(true);
          expect(vmas.find(base + offset)).toMatchObject(vma);
        }
        for (const [index, { start, end }] of vmas.list.entries()) {
          expect(start).toBeLessThan(end);
          if (index > 0) expect(vmas.list[index - 1]!.end).toBeLessThanOrEqual(start);
        }
        for (const vma of given) expect(vmas.list).toContainEqual(vma);
      }),
    );
  });

  it('grow by their own size, from 2 MiB to 64 MiB, and become one where they meet', () => {
    const vmas = createVmaSet();
    expect(vmas.around(700)).toMatchObject({ start: 512, end: 1024 });
    expect(vmas.around(1300)).toMatchObject({ start: 512, end: 1536 });
    expect(vmas.around(2400)).toMatchObject({ start: 512, end: 3072 });
    expect(vmas.around(10 ** 6)).toMatchObject({ start: 999_936, end: 1_000_448 });
    expect(vmas.list.length).toBe(2);
    for (let page = 0; page < 10 ** 6; page += 500) vmas.around(page);
    expect(vmas.list).toEqual([{ start: 0, end: 1_000_448 }]);
  });

  it('of a copy go on as those of the original would, and change nothing there', () => {
    const touches = fc.array(fc.tuple(fc.constantFrom(0, 30_000, 10 ** 9), fc.nat(40_000)), { maxLength: 40 });
    fc.assert(
      fc.property(touches, touches, (before, after) => {
        const given = [{ start: 1000, end: 1003 }];
        const [one, same] = [createVmaSet(given), createVmaSet(given)];
        for (const [base, offset] of before) for (const set of [one, same]) set.around(base + offset);
        const child = one.copy();
        const atFork = one.list;
        for (const [base, offset] of after) for (const set of [child, same]) set.around(base + offset);
        expect(child.list).toEqual(same.list);
        expect(one.list).toEqual(atFork);
      }),
    );
  });

  it('lose what is unmapped, in the middle too', () => {
    const vmas = createVmaSet([{ start: 0, end: 100 }]);
    vmas.remove(10, 20);
    expect(vmas.list.map(({ start, end }) => [start, end])).toEqual([
      [0, 10],
      [20, 100],
    ]);
    expect(vmas.find(15)).toBeUndefined();
  });

  it('hold page by page what a set of pages holds, whatever is mapped and unmapped in whatever order', () => {
    const range = fc.tuple(fc.nat(4000), fc.integer({ min: 1, max: 60 }));
    const steps = fc.array(fc.tuple(fc.boolean(), range), { minLength: 300, maxLength: 900 });
    fc.assert(
      fc.property(steps, (changes) => {
        const vmas = createVmaSet();
        const pages = new Set<number>();
        for (const [isMapped, [start, length]] of changes) {
          if (isMapped) vmas.add(start, start + length);
          else vmas.remove(start, start + length);
          for (let page = start; page < start + length; page++)
            if (isMapped) pages.add(page);
            else pages.delete(page);
        }
        expect(pagesOf(vmas.list)).toEqual([...pages].sort((one, other) => one - other));
        for (let page = 0; page < 4100; page += 7) expect(vmas.find(page) !== undefined).toBe(pages.has(page));
      }),
      { numRuns: 30 },
    );
  });

  it('are as many as a sparse space has, in order, however many', () => {
    const vmas = createVmaSet();
    const count = 20_000;
    // Coprime to the count: each place once, in no order.
    for (let at = 0; at < count; at++) vmas.around(((at * 7919) % count) * 4096);
    expect(vmas.list).toHaveLength(count);
    expect(vmas.list.map(({ start }) => start)).toEqual(Array.from({ length: count }, (_, at) => at * 4096));
  });

  it('of known pages are their clusters', () => {
    expect(clusterVmas([1, 2, 5, 600, 1200], 512)).toEqual([
      { start: 1, end: 6 },
      { start: 600, end: 601 },
      { start: 1200, end: 1201 },
    ]);
    expect(clusterVmas([])).toEqual([]);
  });
});
