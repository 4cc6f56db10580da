import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createStackDistances } from './mattson.ts';
import { createRandom } from './random.ts';
import { createTagStore } from './set-associative.ts';

const streams = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 300 });

it('stack distances give the LRU misses of every associativity in one pass', () => {
  fc.assert(
    fc.property(streams, fc.constantFrom(1, 2, 3, 8), (stream, sets) => {
      const distances = createStackDistances(sets, 12);
      for (const key of stream) distances.use(key);
      for (let ways = 1; ways <= 12; ways++) {
        const store = createTagStore({ sets, ways, policy: 'lru' }, createRandom(0));
        let misses = 0;
        for (const key of stream) {
          if (store.lookup(key) >= 0) continue;
          misses++;
          store.insert(key);
        }
        expect(distances.misses(ways)).toBe(misses);
      }
    }),
  );
});
