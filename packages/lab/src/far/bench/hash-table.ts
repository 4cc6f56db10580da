import { type Bench, turn, type Workload } from './bench.ts';
import { type KeyStore, localFarKeys, mapKeys, openLmdb, openRedis } from './stores.ts';
import { webWorkload } from './web.ts';

const keysPerBatch = 64;

/** Lookups of 4 bytes by 12, 64 at a time as AIFM's figure 9 does, evenly over all keys (specification A4.3). */
export const hashTable: Workload = { name: 'hash', steps: (against) => 1 + against.size, run };

async function run({ shrink, requests, against, signal, step, record }: Bench): Promise<void> {
  const web = webWorkload(shrink, 1, 12_345);
  const count = web.kinds * 32;
  const measure = async (system: string, store: KeyStore) => {
    step(`hash table: ${system}`);
    await store.load(count, web.keyAt, web.valueAt);
    const batches = Math.max(50, Math.floor(requests / 8));
    const buffers = Array.from({ length: keysPerBatch }, () => Buffer.alloc(12));
    const once = async () => {
      let place = 1;
      const start = performance.now();
      for (let batch = 0; batch < batches; batch++) {
        if (batch % 64 === 0) await turn(signal);
        for (let at = 0; at < keysPerBatch; at++) {
          place = (place * 48_271) % 2_147_483_647;
          web.keyAt(place % count).copy(buffers[at]!);
        }
        await store.sum(buffers);
      }
      return ((performance.now() - start) * 1e6) / (batches * keysPerBatch);
    };
    await once();
    const value = await once();
    record({
      workload: 'hash table',
      system,
      measure: 'lookup',
      unit: 'ns',
      value,
      localShare: null,
      missRatio: null,
      inFlight: 1,
    });
  };
  const far = await localFarKeys(count);
  await measure('far', far).finally(() => far.close());
  if (against.has('map')) await measure('map', mapKeys());
  if (against.has('redis')) {
    const { keys, objects } = await openRedis();
    await measure('redis', keys).finally(() => objects.close());
  }
  if (against.has('lmdb')) {
    const { keys, objects } = await openLmdb();
    await measure('lmdb', keys).finally(() => objects.close());
  }
}
