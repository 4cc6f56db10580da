import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../machine/random.ts';
import { ElasticCuckooTable } from './elastic-cuckoo.ts';

interface Shape {
  readonly ways: number;
  readonly initialSlots: number;
  readonly maxKicks: number;
}

/** A table whose memory is booked. */
function create({ ways, initialSlots, maxKicks }: Shape, seed = 1) {
  const held = new Map<number, number>();
  let next = 0;
  const table = new ElasticCuckooTable<number>({
    ways,
    initialSlots,
    maxKicks,
    upsizeAbove: 0.6,
    downsizeBelow: 0.2,
    random: createRandom(seed),
    allocate(slots) {
      held.set(++next, slots);
      return next;
    },
    free: (region) => expect(held.delete(region)).toBe(true),
  });
  return { table, heldSlots: () => [...held.values()].reduce((sum, slots) => sum + slots, 0), held };
}

const shapes = fc.record({
  ways: fc.integer({ min: 2, max: 5 }),
  initialSlots: fc.constantFrom(1, 4, 32),
  // None, so that insertions run out of kicks and everything is placed anew.
  maxKicks: fc.constantFrom(0, 2, 32),
});
/** Few keys, so that they are met again; small and large ones. */
const keys = fc.integer({ min: 0, max: 300 }).map((key) => (key % 3 === 0 ? key * 2 ** 41 + key : key));
const operations = fc.array(fc.record({ insert: fc.boolean(), key: keys }), { maxLength: 800 });

describe('an elastic cuckoo table', () => {
  it('holds what a map holds, after every insertion, removal and step of resizing', () => {
    fc.assert(
      fc.property(shapes, operations, fc.nat(), (shape, list, seed) => {
        const { table } = create(shape, seed);
        const expected = new Map<number, number>();
        for (const [value, { insert, key }] of list.entries()) {
          if (insert) table.set(key, value);
          else expect(table.delete(key)).toBe(expected.has(key));
          if (insert) expected.set(key, value);
          else expected.delete(key);
          expect(table.size).toBe(expected.size);
          expect(table.get(key)).toBe(expected.get(key) ?? -1);
        }
        for (const [key, value] of expected) expect(table.get(key)).toBe(value);
        const found = new Map<number, number>();
        table.forEach((key, value) => {
          expect(found.has(key), 'held once only').toBe(false);
          found.set(key, value);
        });
        expect(found).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it('loses nothing while it grows a hundredfold and shrinks again', () => {
    const { table } = create({ ways: 3, initialSlots: 16, maxKicks: 32 });
    const sizes = new Set<number>();
    for (let key = 0; key < 5000; key++) {
      table.set(key * 977, key);
      sizes.add(table.slots);
    }
    expect(table.slots).toBeGreaterThan(100 * 48);
    for (let key = 0; key < 5000; key++) expect(table.get(key * 977)).toBe(key);
    for (let key = 0; key < 4990; key++) expect(table.delete(key * 977)).toBe(true);
    for (let key = 4990; key < 5000; key++) expect(table.get(key * 977)).toBe(key);
    expect(table.slots).toBeLessThan(5000);
    expect(table.counts.resizes).toBeGreaterThan(8);
    expect(table.counts.moves).toBeGreaterThan(5000);
  });

  it('keeps an element in the place that its way and hash say, in memory that is held', () => {
    const { table, held } = create({ ways: 3, initialSlots: 8, maxKicks: 32 });
    for (let key = 0; key < 1000; key++) {
      table.set(key, key);
      const way = table.find(key);
      expect(way).toBeGreaterThanOrEqual(0);
      expect(held.get(table.regionAt(way))).toBeGreaterThan(table.slotAt(way));
    }
  });

  it('no two elements share a place', () => {
    const { table } = create({ ways: 2, initialSlots: 4, maxKicks: 8 });
    for (let key = 0; key < 500; key++) table.set(key, key);
    const places = new Set<string>();
    table.forEach((key) => {
      const way = table.find(key);
      places.add(`${table.regionAt(way)}/${table.slotAt(way)}`);
    });
    expect(places.size).toBe(500);
  });

  it('holds the memory of one size, or of two while it is resized', () => {
    fc.assert(
      fc.property(shapes, operations, (shape, list) => {
        const { table, heldSlots, held } = create(shape);
        for (const { insert, key } of list) {
          if (insert) table.set(key, 1);
          else table.delete(key);
          expect(heldSlots()).toBe(table.slots);
          expect(held.size).toBe(table.isResizing ? 2 * table.ways : table.ways);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('displaces as many elements for an insertion as it may before it is built anew, and no more', () => {
    const maxKicks = 6;
    const { table } = create({ ways: 2, initialSlots: 64, maxKicks });
    let rebuilds = 0;
    for (let key = 0; key < 3000; key++) {
      // A step of resizing displaces on its own account.
      const isAlone = !table.isResizing;
      const before = { ...table.counts };
      table.set(key * 7919, key);
      const kicks = table.counts.kicks - before.kicks;
      if (table.counts.rebuilds === before.rebuilds)
        expect(kicks).toBeLessThanOrEqual(isAlone ? maxKicks : 2 * maxKicks);
      else {
        rebuilds++;
        expect(kicks).toBeGreaterThanOrEqual(maxKicks);
      }
    }
    expect(rebuilds).toBeGreaterThan(0);
  });

  it('needs less than two kicks per insertion with three ways below a load of 0.6', () => {
    const { table } = create({ ways: 3, initialSlots: 16384, maxKicks: 32 });
    const inserted = Math.floor(0.59 * 3 * 16384);
    for (let key = 0; key < inserted; key++) table.set(key * 7919, key);
    expect(table.counts.resizes).toBe(0);
    expect(table.counts.rebuilds).toBe(0);
    expect(table.counts.kicks / inserted).toBeLessThan(2);
  });
});
