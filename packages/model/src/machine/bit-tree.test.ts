import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bitTreeAdd, bitTreeHas, bitTreeIsEmpty, bitTreeNext, bitTreeRemove, layOutBitTree } from './bit-tree.ts';

it('a bit tree is a set that finds its next member, beside another tree in the same array', () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat(2999)), { maxLength: 80 });
  fc.assert(
    fc.property(fc.constantFrom(1, 31, 32, 33, 1024, 1025, 3000), steps, fc.nat(2999), (capacity, changes, probe) => {
      const before = layOutBitTree(77, 0);
      const layout = layOutBitTree(capacity, before.end);
      const words = new Uint32Array(layout.end + 1);
      const members = new Set<number>();
      for (const [adds, number] of changes) {
        const member = number % capacity;
        (adds ? bitTreeAdd : bitTreeRemove)(words, layout, member);
        if (adds) members.add(member);
        else members.delete(member);
        expect(bitTreeHas(words, layout, member)).toBe(adds);
      }
      const from = probe % (capacity + 1);
      const next = Math.min(...[...members].filter((member) => member >= from));
      expect(bitTreeNext(words, layout, from)).toBe(Number.isFinite(next) ? next : -1);
      expect(bitTreeIsEmpty(words, layout)).toBe(members.size === 0);
      expect(bitTreeIsEmpty(words, before) && words[layout.end] === 0).toBe(true);
    }),
    { numRuns: 300 },
  );
});
