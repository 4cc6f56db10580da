import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createObjectIndex } from './object-index.ts';

describe('the object index', () => {
  it('behaves as a Map under random insertions and removals', () => {
    // Few names, so that removals hit and chains are long.
    const step = fc.record({
      remove: fc.boolean(),
      group: fc.nat(2),
      id: fc.oneof(fc.nat(60), fc.constantFrom(2 ** 53 - 1, 2 ** 32, 2 ** 32 + 1)),
      value: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const index = createObjectIndex({ value: 'u32', wide: 'f64' });
        const model = new Map<string, number>();
        for (const { remove, group, id, value } of steps) {
          const key = `${group}/${id}`;
          if (remove) expect(index.remove(group, id)).toBe(model.delete(key));
          else {
            const row = index.insert(group, id);
            if (!model.has(key)) expect(index.get('value', row)).toBe(0);
            index.set('value', row, value);
            index.set('wide', row, value + 0.5);
            model.set(key, value);
          }
        }
        const found = new Map<string, number>();
        index.forEach((row) => {
          expect(index.get('wide', row)).toBe(index.get('value', row) + 0.5);
          found.set(`${index.groupOf(row)}/${index.idOf(row)}`, index.get('value', row));
        });
        expect(found).toEqual(model);
        expect(index.size).toBe(model.size);
        for (const key of model.keys()) {
          const [group, id] = key.split('/').map(Number);
          expect(index.find(group!, id!)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});
