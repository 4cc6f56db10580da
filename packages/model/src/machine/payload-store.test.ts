import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPayloadStore, type PayloadStore, RecencyStore } from './payload-store.ts';
import { createRandom } from './random.ts';
import { createTagStore } from './set-associative.ts';

const geometries = fc.record({
  sets: fc.constantFrom(1, 2, 3, 8, 12),
  ways: fc.integer({ min: 1, max: 20 }),
  policy: fc.constant('lru'),
});

/** Keys that collide, now and then beyond 32 bits and near the limit. */
const keys = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 60 }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 20 }).map((i) => 2 ** 32 - 10 + i) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 20 }).map((i) => 2 ** 52 + i) },
);

const kinds = ['get', 'get', 'get', 'set', 'set', 'set', 'set', 'peek', 'remove', 'removeRange', 'clear'] as const;
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    instance: fc.integer({ min: 0, max: 1 }),
    key: keys,
    value: fc.integer({ min: 0, max: 9 }),
  }),
  { minLength: 1, maxLength: 300 },
);

type Step = { kind: (typeof kinds)[number]; instance: number; key: number; value: number };

function play(store: PayloadStore, { kind, instance, key, value }: Step): number | boolean | undefined {
  switch (kind) {
    case 'set':
      store.set(instance, key, value);
      return undefined;
    case 'removeRange':
      store.removeRange(instance, key, key + value);
      return undefined;
    case 'clear':
      if (value === 0) store.clear();
      return undefined;
    default:
      return store[kind](instance, key);
  }
}

describe('a payload store', () => {
  it('by recency answers as one over tag stores under LRU, whatever is removed', () => {
    fc.assert(
      fc.property(geometries, steps, (geometry, list) => {
        const general = createPayloadStore(2, () => createTagStore(geometry, createRandom(1)));
        const fast = new RecencyStore(geometry, 2);
        for (const step of list) expect(play(fast, step)).toBe(play(general, step));
        for (const { instance, key } of list) expect(fast.peek(instance, key)).toBe(general.peek(instance, key));
      }),
      { numRuns: 400 },
    );
  });

  it('keeps the structures of the cores apart', () => {
    const store = new RecencyStore({ sets: 2, ways: 2, policy: 'lru' }, 2);
    store.set(0, 5, 50);
    expect([store.get(0, 5), store.get(1, 5)]).toEqual([50, -1]);
    store.removeRange(1, 0, 10);
    expect(store.get(0, 5)).toBe(50);
  });
});
