import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSortedRanges, type MarkedRange, type SortedRanges } from './sorted-ranges.ts';

/** The same by one array that is searched from its start. */
function naiveRanges(): SortedRanges {
  let all: MarkedRange[] = [];
  const sort = () => {
    all.sort((one, other) => one.start - other.start);
  };
  return {
    get size() {
      return all.length;
    },
    next: (vpn) => all.find(({ end }) => end > vpn),
    previous: (vpn) => all.findLast(({ end }) => end <= vpn),
    insert(start, end, marked) {
      all.push({ start, end, marked });
      sort();
    },
    resize(oldStart, start, end) {
      all = all.map((range) => (range.start === oldStart ? { ...range, start, end } : range));
      sort();
    },
    delete(start) {
      all = all.filter((range) => range.start !== start);
    },
  };
}

const listOf = (ranges: SortedRanges): MarkedRange[] => {
  const list: MarkedRange[] = [];
  for (let range = ranges.next(-1); range !== undefined; range = ranges.next(range.end)) list.push(range);
  return list;
};

const stepArbitrary = fc.record({
  act: fc.constantFrom('insert', 'insert', 'resize', 'delete'),
  /** Places of three very different sizes, the largest beyond 32 bits. */
  at: fc.tuple(fc.constantFrom(0, 10 ** 6, 2 ** 45), fc.nat(300)).map(([base, offset]) => base + offset),
  before: fc.nat(4),
  length: fc.integer({ min: 1, max: 5 }),
  marked: fc.boolean(),
});

describe('sorted ranges', () => {
  it('answer as one sorted array does, whatever is inserted, resized and deleted, in blocks of any size', () => {
    fc.assert(
      fc.property(fc.constantFrom(2, 4, 8, 512), fc.array(stepArbitrary, { maxLength: 250 }), (blockRanges, steps) => {
        const ranges = createSortedRanges(blockRanges);
        const naive = naiveRanges();
        for (const { act, at, before, length, marked } of steps) {
          const next = naive.next(at);
          if (act === 'insert') {
            if (next !== undefined && next.start < at + length) continue;
            for (const one of [ranges, naive]) one.insert(at, at + length, marked);
          } else if (next === undefined) continue;
          else if (act === 'delete') for (const one of [ranges, naive]) one.delete(next.start);
          else {
            const start = Math.max(next.start - before, naive.previous(next.start)?.end ?? 0);
            const end = Math.min(start + length, naive.next(next.end)?.start ?? Number.POSITIVE_INFINITY);
            if (end <= start) continue;
            for (const one of [ranges, naive]) one.resize(next.start, start, end);
          }
          expect(ranges.size).toBe(naive.size);
          for (let near = at - 6; near <= at + 6; near++) {
            expect(ranges.next(near)).toEqual(naive.next(near));
            expect(ranges.previous(near)).toEqual(naive.previous(near));
          }
        }
        expect(listOf(ranges)).toEqual(listOf(naive));
      }),
      { numRuns: 150 },
    );
  });

  it('refuse to change a range that is not there', () => {
    const ranges = createSortedRanges();
    ranges.insert(10, 20, false);
    expect(() => ranges.delete(11)).toThrow('no range starts at page 11');
    expect(() => ranges.resize(30, 30, 31)).toThrow('no range starts at page 30');
  });
});
