import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { resolveMachine } from './machine-file.ts';
import { canCompile } from './print/compile.ts';
import { createPrintedHierarchy } from './print/hierarchy.ts';
import { createPrintedTagStore } from './print/store.ts';
import { createPrintedTlb } from './print/tlb.ts';
import { createRandom } from './random.ts';
import { beladyMisses } from './replacement/belady.ts';
import { policies } from './replacement/policies.ts';
import { createTagStore } from './set-associative.ts';
import type { Geometry, TagStore } from './tag-store.ts';

const livePolicies = policies.names.filter((name) => name !== 'oracle');

/** Sets of any number, ways that the policy suits. */
const geometries = (names: readonly string[]) =>
  fc.constantFrom(...names).chain((policy) =>
    fc.record({
      sets: fc.constantFrom(1, 2, 3, 4, 7, 8, 12, 64),
      ways: policy === 'tree-plru' ? fc.constantFrom(1, 2, 4, 8, 16, 32) : fc.integer({ min: 1, max: 20 }),
      policy: fc.constant(policy),
    }),
  );

/** Keys that collide, now and then beyond 32 bits and near the limit. */
const keys = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 90 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 20 }).map((i) => 2 ** 32 - 10 + i) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 20 }).map((i) => 2 ** 52 + i) },
);

const operations = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: fc.record({ kind: fc.constant('use' as const), key: keys }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const), key: keys }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('peek' as const), key: keys }) },
  ),
  { minLength: 1, maxLength: 400 },
);

/** Looks up, inserts on a miss; what became visible, as text to compare. */
function step(store: TagStore, { kind, key }: { kind: 'use' | 'remove' | 'peek'; key: number }): string {
  if (kind === 'remove') return `removed ${store.remove(key)}`;
  if (kind === 'peek') return `peek ${store.peek(key)}`;
  const slot = store.lookup(key);
  return slot >= 0 ? `hit ${slot}` : `placed in ${store.insert(key)}`;
}

function missesOf(stream: readonly number[], geometry: Geometry): number {
  const store = createTagStore(geometry, createRandom(1));
  let misses = 0;
  for (const key of stream) {
    if (store.lookup(key) >= 0) continue;
    misses++;
    store.insert(key);
  }
  return misses;
}

/** The obvious LRU and LFU: lists of what each set holds. */
function naiveMisses(stream: readonly number[], { sets, ways, policy }: Geometry): number {
  const held = Array.from({ length: sets }, (): { key: number; used: number; count: number; way: number }[] => []);
  let misses = 0;
  stream.forEach((key, now) => {
    const set = held[key % sets]!;
    const found = set.find((entry) => entry.key === key);
    if (found !== undefined) {
      found.used = now;
      found.count++;
      return;
    }
    misses++;
    let way = set.length;
    if (set.length === ways) {
      const rank = policy === 'lru' ? 'used' : 'count';
      const victim = [...set].sort((a, b) => a[rank] - b[rank] || a.way - b.way)[0]!;
      set.splice(set.indexOf(victim), 1);
      way = victim.way;
    }
    set.push({ key, used: now, count: 1, way });
  });
  return misses;
}

const streams = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 300 });

describe('a tag store', () => {
  it('printed for its geometry does what the interpreted one does, slot by slot', () => {
    fc.assert(
      fc.property(geometries(livePolicies), operations, fc.integer({ min: 0, max: 9 }), (geometry, steps, seed) => {
        const interpreted = createTagStore(geometry, createRandom(seed));
        const printed = createPrintedTagStore(geometry, createRandom(seed));
        const half = steps.length >> 1;
        for (const [index, one] of steps.entries()) {
          if (index === half && seed === 0) for (const store of [interpreted, printed]) store.clear();
          expect(step(printed, one)).toBe(step(interpreted, one));
        }
        for (let slot = 0; slot < interpreted.slots; slot++) expect(printed.keyAt(slot)).toBe(interpreted.keyAt(slot));
      }),
      { numRuns: 300 },
    );
  });

  it('misses as often as lists of what each set holds, under LRU and LFU', () => {
    fc.assert(
      fc.property(geometries(['lru', 'lfu']), streams, (geometry, stream) => {
        expect(missesOf(stream, geometry)).toBe(naiveMisses(stream, geometry));
      }),
    );
  });

  it('holds a key in its set, in one slot only, until it is replaced or removed', () => {
    fc.assert(
      fc.property(geometries(livePolicies), operations, (geometry, steps) => {
        const store = createTagStore(geometry, createRandom(3));
        for (const one of steps) {
          step(store, one);
          if (one.kind !== 'use') continue;
          const slot = store.peek(one.key);
          expect(Math.floor(slot / geometry.ways)).toBe(one.key % geometry.sets);
          expect(store.keyAt(slot)).toBe(one.key);
        }
        const held = Array.from({ length: store.slots }, (_, slot) => store.keyAt(slot)).filter((key) => key >= 0);
        expect(new Set(held).size).toBe(held.length);
      }),
    );
  });

  it('fills empty ways before it replaces anything, under every policy', () => {
    for (const policy of livePolicies) {
      const store = createTagStore({ sets: 1, ways: 8, policy }, createRandom(5));
      expect(Array.from({ length: 8 }, (_, key) => store.insert(key))).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      store.remove(5);
      expect(store.insert(100)).toBe(5);
    }
  });

  it('never misses more with more ways, under LRU', () => {
    fc.assert(
      fc.property(streams, fc.constantFrom(1, 3, 4), fc.integer({ min: 1, max: 8 }), (stream, sets, ways) => {
        const misses = missesOf(stream, { sets, ways, policy: 'lru' });
        expect(missesOf(stream, { sets, ways: ways + 1, policy: 'lru' })).toBeLessThanOrEqual(misses);
      }),
    );
  });

  it('never misses less than under the oracle, whatever the policy', () => {
    fc.assert(
      fc.property(geometries(livePolicies), streams, (geometry, stream) => {
        expect(beladyMisses(stream, geometry)).toBeLessThanOrEqual(missesOf(stream, geometry));
      }),
    );
  });
});

describe('where code from text is forbidden', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it('printed stores, hierarchies and TLBs are the interpreted ones, with the same results', () => {
    const machine = resolveMachine({ cores: 1, l1d: { policy: 'random' } });
    const play = () => {
      const hierarchy = createPrintedHierarchy(machine, createRandom(4));
      const store = createPrintedTagStore({ sets: 2, ways: 4, policy: 'random' }, createRandom(4));
      const draws = createRandom(9);
      return Array.from({ length: 3000 }, () => {
        const line = draws.below(1500);
        return `${hierarchy.access(0, line, false)} ${step(store, { kind: 'use', key: line % 20 })}`;
      });
    };
    const compiled = play();
    vi.stubGlobal('Function', () => {
      throw new EvalError('Refused to evaluate a string as JavaScript');
    });
    expect(canCompile()).toBe(false);
    expect(play()).toEqual(compiled);
    expect(
      createPrintedTlb({ cores: 1, tlb: machine.tlb, pageNumberBits: 36 }, createRandom(1)).lookup(0, 1, false, 0),
    ).toBe(-1);
  });
});

describe('the policies', () => {
  it('LFU: 13 pages of one 12-way set, cycled 100 times, miss 211 of 1300 times; LRU misses always', () => {
    const stream = Array.from({ length: 1300 }, (_, i) => (i % 13) * 128);
    expect(missesOf(stream, { sets: 128, ways: 12, policy: 'lfu' })).toBe(211);
    expect(missesOf(stream, { sets: 128, ways: 12, policy: 'lru' })).toBe(1300);
  });

  it('oracle: the textbook stream has 9 faults in 3 frames', () => {
    // Silberschatz, Operating System Concepts: 7 0 1 2 0 3 0 4 2 3 0 3 2 1 2 0 1 7 0 1 has 9 faults in 3 frames.
    const stream = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1];
    expect(beladyMisses(stream, { sets: 1, ways: 3 })).toBe(9);
    expect(missesOf(stream, { sets: 1, ways: 3, policy: 'lru' })).toBe(12);
  });

  it('SRRIP keeps what was re-used while a scan passes; LRU loses it', () => {
    const hot = [0, 1, 0, 1];
    const scan = Array.from({ length: 6 }, (_, i) => 100 + i);
    const stream = [...hot, ...scan, 0, 1];
    expect(missesOf(stream, { sets: 1, ways: 4, policy: 'srrip' })).toBe(8);
    expect(missesOf(stream, { sets: 1, ways: 4, policy: 'lru' })).toBe(10);
  });

  it('tree-PLRU leads away from the last use, and wants ways that are a power of two', () => {
    const store = createTagStore({ sets: 1, ways: 4, policy: 'tree-plru' }, createRandom(0));
    for (const key of [0, 1, 2, 3]) store.insert(key);
    expect(store.insert(4)).toBe(0);
    expect(store.insert(5)).toBe(2);
    expect(() => createTagStore({ sets: 1, ways: 12, policy: 'tree-plru' }, createRandom(0))).toThrow(
      /found 12\. Use 8 or 16 ways, or policy lru/,
    );
  });

  it('random draws every way, the same ones for the same seed', () => {
    const slots = (seed: number) => {
      const store = createTagStore({ sets: 1, ways: 4, policy: 'random' }, createRandom(seed));
      return Array.from({ length: 200 }, (_, key) => store.insert(key));
    };
    expect(slots(1)).toEqual(slots(1));
    expect(new Set(slots(1).slice(4))).toEqual(new Set([0, 1, 2, 3]));
    expect(slots(1)).not.toEqual(slots(2));
  });

  it('the oracle refuses to run where the future is unknown, and an unknown policy is named', () => {
    expect(() => createTagStore({ sets: 1, ways: 1, policy: 'oracle' }, createRandom(0))).toThrow(
      /needs to know the future/,
    );
    expect(() => createTagStore({ sets: 1, ways: 1, policy: 'lur' }, createRandom(0))).toThrow(/Did you mean lru/);
  });
});
