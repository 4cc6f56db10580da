import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FarObjectLostError, FarOperatorError, FarQuotaError } from '../index.ts';
import { createLocalStore } from './local-store.ts';
import { classBytes } from './slabs.ts';

describe('the store in this process', () => {
  it('holds what a Map of copies holds', async () => {
    const operation = fc.record({
      group: fc.nat(2),
      id: fc.nat(20),
      data: fc.option(fc.uint8Array({ maxLength: 3000 }), { freq: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 100 }), async (operations) => {
        const store = createLocalStore();
        const model = new Map<string, Uint8Array>();
        for (const { group, id, data } of operations) {
          if (data === null) {
            store.free(group, [id]);
            model.delete(`${group}/${id}`);
          } else {
            await store.write(group, id, data);
            model.set(`${group}/${id}`, data.slice());
          }
        }
        for (const [name, data] of model) {
          const [group, id] = name.split('/').map(Number) as [number, number];
          const into = new Uint8Array(data.length);
          await store.read(group, id, into, 'demand');
          expect(into).toEqual(data);
        }
        const [agent] = store.stats().agents;
        expect(agent!.objects).toBe(model.size);
        expect(agent!.bytes).toBe([...model.values()].reduce((sum, data) => sum + data.length, 0));
        for (const group of [0, 1, 2]) await store.dropGroup(group);
        expect(store.stats().agents[0]).toMatchObject({ objects: 0, bytes: 0 });
      }),
    );
  });

  it('says in types what it cannot do', async () => {
    const store = createLocalStore({ quotaBytes: 100 });
    await store.write(1, 1, new Uint8Array(90));
    await expect(store.write(1, 2, new Uint8Array(11))).rejects.toThrow(FarQuotaError);
    await store.write(1, 1, new Uint8Array(100));
    await expect(store.read(1, 2, new Uint8Array(11), 'demand')).rejects.toThrow(FarObjectLostError);
    await expect(store.call('sum', 1, 1, Float64Array.of(1), new Uint8Array(0))).rejects.toThrow(FarOperatorError);
    await store.close();
    await expect(store.read(1, 1, new Uint8Array(100), 'demand')).rejects.toMatchObject({ code: 'FAR_CLOSED' });
  });

  it('wastes at most a half on any size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 26 }), (size) => {
        expect(classBytes(size)).toBeGreaterThanOrEqual(size);
        if (size > 16) expect(classBytes(size)).toBeLessThanOrEqual(size * 1.5);
      }),
    );
  });
});
