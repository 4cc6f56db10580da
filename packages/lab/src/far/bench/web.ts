import { createCipheriv } from 'node:crypto';
import { createXorshift, zipfSource } from '@strata/model/paging';
import { type Bench, turn, type Workload } from './bench.ts';
import {
  farObjects,
  type KeyStore,
  localFarKeys,
  mapKeys,
  mapObjects,
  type ObjectStore,
  openLmdb,
  openRedis,
} from './stores.ts';

/** The web front end of AIFM's figure 6 (specification A4.1), divided by 128 (A4.5) and by `shrink` again. */
const full = { kinds: 2 ** 15, objects: 2 ** 14 } as const;
const objectBytes = 8192;
const lookups = 32;
const prefixBytes = 10;
const keyBytes = prefixBytes + 2;
const skew = 0.85;
const inFlight = 64;

export interface WebWorkload {
  readonly kinds: number;
  readonly objects: number;
  readonly requests: Uint32Array;
  /** In a buffer that the next call uses again. */
  keyAt(index: number): Buffer;
  writeKey(index: number, into: Uint8Array): void;
  valueAt(index: number): number;
}

export function webWorkload(shrink: number, requests: number, seed: number): WebWorkload {
  const kinds = full.kinds / shrink;
  const objects = full.objects / shrink;
  const random = createXorshift(seed);
  const letters = Buffer.alloc(kinds * prefixBytes, 'a');
  for (let at = 0; at < letters.length; at++) letters[at] = 97 + (random() % 26);
  const key = Buffer.alloc(keyBytes);
  const writeKey = (index: number, into: Uint8Array) => {
    const letter = Math.floor(index / lookups) * prefixBytes;
    const suffix = index % lookups;
    for (let at = 0; at < prefixBytes; at++) into[at] = letters[letter + at]!;
    into[prefixBytes] = 48 + Math.floor(suffix / 10);
    into[prefixBytes + 1] = 48 + (suffix % 10);
  };
  return {
    kinds,
    objects,
    requests: Uint32Array.from({ length: requests }, zipfSource(kinds, skew, random)),
    writeKey,
    keyAt(index) {
      writeKey(index, key);
      return key;
    },
    valueAt: (index) => (index % lookups === 0 ? index / lookups : 0),
  };
}

interface System {
  readonly system: string;
  readonly localShare: number | null;
  readonly keys: KeyStore;
  readonly objects: ObjectStore;
  readonly inFlight: number;
}

const zeroKey = Buffer.alloc(16);

/** Encrypts as the original does; Snappy, which Node.js has not, is left out on all sides. */
function consume(object: Uint8Array): number {
  const cipher = createCipheriv('aes-128-cbc', zeroKey, zeroKey);
  return cipher.update(object).length + cipher.final().length;
}

async function serve(
  { keys, objects, inFlight: lanes }: System,
  web: WebWorkload,
  isEncrypted: boolean,
  signal: AbortSignal,
): Promise<number> {
  const { requests } = web;
  let next = 0;
  let wrong = 0;
  const lane = async () => {
    const buffers: Buffer[] = Array.from({ length: lookups }, () => Buffer.alloc(keyBytes));
    while (next < requests.length) {
      if ((next & 1023) === 0) {
        await turn(signal);
      }
      const kind = requests[next++]!;
      if (kind === undefined) return;
      for (let at = 0; at < lookups; at++) web.writeKey(kind * lookups + at, buffers[at]!);
      const sum = keys.sum(buffers);
      const index = (typeof sum === 'number' ? sum : await sum) % web.objects;
      const found = objects.get(index);
      const object = found instanceof Uint8Array ? found : await found;
      if (object[0] !== (index & 255) || object[objectBytes - 1] !== index >>> 8) wrong++;
      if (isEncrypted) consume(object);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: lanes }, lane));
  if (wrong > 0) throw new Error(`${wrong} objects came back wrong`);
  return ((performance.now() - start) * 1000) / requests.length;
}

const localShares = [1, 0.5, 0.25, 0.125] as const;

export const webFrontEnd: Workload = {
  name: 'web',
  // Redis and LMDB serve once keys and objects, once objects only.
  steps: (against) =>
    1 +
    localShares.length +
    (against.has('map') ? 1 : 0) +
    (against.has('redis') ? 2 : 0) +
    (against.has('lmdb') ? 2 : 0),
  run,
};

async function run({ shrink, requests, against, signal, step, record }: Bench): Promise<void> {
  const web = webWorkload(shrink, requests, 12_345);
  const object = new Uint8Array(objectBytes);
  const objectAt = (index: number) => {
    object[0] = index & 255;
    object[objectBytes - 1] = index >>> 8;
    return object;
  };
  const load = async (keys: KeyStore | undefined, objects: ObjectStore) => {
    signal.throwIfAborted();
    await keys?.load(web.kinds * lookups, web.keyAt, web.valueAt);
    await objects.load(web.objects, objectAt);
  };
  const measure = async (system: System) => {
    step(`web front end: ${system.system}`);
    // Once through for caches and the compiler.
    await serve(system, web, false, signal);
    const plain = await serve(system, web, false, signal);
    const encrypted = await serve(system, web, true, signal);
    const facts = {
      workload: 'web',
      system: system.system,
      localShare: system.localShare,
      inFlight: system.inFlight,
      missRatio: system.objects.missRatio(),
    };
    record({ ...facts, measure: 'request', unit: 'us', value: plain });
    record({ ...facts, measure: 'request with AES', unit: 'us', value: encrypted });
  };
  const measured = async (objects: ObjectStore, systems: readonly System[]) => {
    try {
      for (const system of systems) await measure(system);
    } finally {
      await objects.close();
    }
  };
  // Before the first system, which would pay for the compiler otherwise.
  for (let at = 0; at < web.requests.length; at++) {
    if ((at & 1023) === 0) await turn(signal);
    consume(object);
  }
  const farKeys = await localFarKeys(web.kinds * lookups);
  try {
    step('web front end: loading');
    await farKeys.load(web.kinds * lookups, web.keyAt, web.valueAt);
    if (against.has('map')) {
      const [keys, objects] = [mapKeys(), mapObjects()];
      await load(keys, objects);
      await measured(objects, [{ system: 'map', localShare: 1, keys, objects, inFlight: 1 }]);
    }
    for (const localShare of localShares) {
      // All local needs room for object headers and the segments that evacuation keeps free.
      const room = localShare === 1 ? 1.4 : localShare;
      const objects = await farObjects(objectBytes, web.objects, room * web.objects * objectBytes);
      await guarded(objects, () => load(undefined, objects));
      const far: System = { system: `far ${localShare * 100} %`, localShare, keys: farKeys, objects, inFlight };
      await measured(objects, [far]);
    }
    if (against.has('redis')) {
      const { keys, objects } = await openRedis();
      await guarded(objects, () => load(keys, objects));
      await measured(objects, [
        { system: 'redis', localShare: 0, keys, objects, inFlight },
        { system: 'redis objects', localShare: 0, keys: farKeys, objects, inFlight },
      ]);
    }
    if (against.has('lmdb')) {
      const { keys, objects } = await openLmdb();
      await guarded(objects, () => load(keys, objects));
      await measured(objects, [
        { system: 'lmdb', localShare: null, keys, objects, inFlight: 1 },
        { system: 'lmdb objects', localShare: null, keys: farKeys, objects, inFlight: 1 },
      ]);
    }
  } finally {
    await farKeys.close();
  }
}

async function guarded(store: ObjectStore, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    await store.close();
    throw error;
  }
}
