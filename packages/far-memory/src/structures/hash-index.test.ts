import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Handle } from '../handles/words.ts';
import { murmur3 } from './hash.ts';
import { createHashIndex, NONE } from './hash-index.ts';

describe('MurmurHash3', () => {
  it.each([
    ['', 0, 0],
    ['', 1, 0x514e28b7],
    ['aaaa', 0x9747b28c, 0x5a97808a],
    ['abcd', 0x9747b28c, 0xf0478627],
  ])('of "%s" with seed %i is the published one', (text, seed, expected) => {
    const key = new Uint8Array(Math.ceil(text.length / 4) * 4);
    key.set(Buffer.from(text));
    expect(murmur3(new Uint32Array(key.buffer), 0, text.length, seed)).toBe(expected);
  });
});

describe('a hash index', () => {
  // Few hashes for many handles: long probes, and keys that only the caller can tell apart.
  const operation = fc.record({
    hash: fc.constantFrom(0, 1, 15, 16, 0xffffffff, 0x80000000),
    remove: fc.boolean(),
    which: fc.nat(),
  });

  it('finds every handle under its hash and no other, while it grows', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200, size: 'max' }), (operations) => {
        const index = createHashIndex(0);
        const model = new Map<number, Set<number>>();
        let nextHandle = 0;
        for (const { hash, remove, which } of operations) {
          const members = model.get(hash) ?? new Set();
          model.set(hash, members);
          if (!remove || members.size === 0) {
            members.add(nextHandle);
            index.insert(hash, nextHandle++ as Handle);
          } else {
            const victim = [...members][which % members.size]!;
            let position = index.first(hash);
            while (index.handleAt(position) !== victim) position = index.next(position, hash);
            index.remove(position);
            members.delete(victim);
          }
          const found: number[] = [];
          for (let at = index.first(hash); at !== NONE; at = index.next(at, hash)) found.push(index.handleAt(at));
          expect(found.sort()).toEqual([...members].sort());
        }
        const all = [...model.values()].flatMap((members) => [...members]);
        expect(index.size).toBe(all.length);
        expect([...index.handles()].sort()).toEqual(all.sort());
      }),
      { numRuns: 200 },
    );
  });

  it('moves at most 16 slots per change, so that growing is no pause', () => {
    const index = createHashIndex(0);
    for (let handle = 0; handle < 100_000; handle++)
      index.insert(Math.imul(handle, 0x9e3779b1) >>> 0, handle as Handle);
    expect(index.bytes()).toBeLessThan(100_000 * 40);
    let missing = 0;
    for (let handle = 0; handle < 100_000; handle++)
      if (index.first(Math.imul(handle, 0x9e3779b1) >>> 0) === NONE) missing++;
    expect(missing).toBe(0);
  });
});
