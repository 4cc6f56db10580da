import { blob, bytes, FarMemory, PENDING, u32 } from '@strata/far-memory';
import { type Cluster, connectAgents } from '@strata/far-memory/cluster';
import { StrataError } from '@strata/model/machine';
import { startAgentProcess, startRedis, temporaryFolder } from './child-processes.ts';

/** Values of 4 bytes by keys of 12. */
export interface KeyStore {
  /** All keys, `count` of them; `keyAt` reuses its buffer. */
  load(count: number, keyAt: (index: number) => Buffer, valueAt: (index: number) => number): Promise<void>;
  /** The sum of the values of some keys. They come as bytes; who needs strings makes them. */
  sum(keys: readonly Buffer[]): number | Promise<number>;
}

/** Objects of one size by number. */
export interface ObjectStore {
  load(count: number, objectAt: (index: number) => Uint8Array): Promise<void>;
  /** The bytes are valid until the next await. */
  get(index: number): Uint8Array | Promise<Uint8Array>;
  /** Share of the reads that left the process or local memory; null where that has no meaning. */
  missRatio(): number | null;
  close(): Promise<void>;
}

export function mapKeys(): KeyStore {
  const map = new Map<string, number>();
  return {
    async load(count, keyAt, valueAt) {
      for (let at = 0; at < count; at++) map.set(keyAt(at).toString('latin1'), valueAt(at));
    },
    sum(keys) {
      let sum = 0;
      for (const key of keys) sum += map.get(key.toString('latin1'))!;
      return sum;
    },
  };
}

export function mapObjects(): ObjectStore {
  const objects = new Map<number, Buffer>();
  return {
    async load(count, objectAt) {
      for (let at = 0; at < count; at++) objects.set(at, Buffer.from(objectAt(at)));
    },
    get: (index) => objects.get(index)!,
    missRatio: () => null,
    async close() {
      objects.clear();
    },
  };
}

/** A far map whose entries all stay local: the off-heap hash that Redis-objects-only and LMDB-objects-only use too. */
export async function localFarKeys(count: number): Promise<KeyStore & { close(): Promise<void> }> {
  const far = await FarMemory.open({ localBytes: Math.max(16, Math.ceil((count * 48) / 2 ** 20)) * 2 ** 20 * 1.5 });
  const map = far.map({ key: bytes(12), value: u32, initial: count });
  return {
    async load(total, keyAt, valueAt) {
      for (let at = 0; at < total; at++) if (!map.trySet(keyAt(at), valueAt(at))) await map.set(keyAt(at), valueAt(at));
    },
    sum(wanted) {
      const values = map.tryGetMany(wanted);
      if (values === PENDING) throw new Error('a key that was loaded is not local');
      let sum = 0;
      for (const value of values) sum += value!;
      return sum;
    },
    close: () => far.close(),
  };
}

/** Objects on an agent of its own process, with so much local memory. */
export async function farObjects(objectBytes: number, count: number, localBytes: number): Promise<ObjectStore> {
  const agent = await startAgentProcess(2 * count * (objectBytes + 64) + 64 * 2 ** 20);
  let store: Cluster | undefined;
  try {
    store = await connectAgents({ agents: [agent.address] });
    // Enough segments that the reserve is a small share, and each holds several objects.
    const segmentBytes = localBytes >= 2 ** 24 || objectBytes > 2 ** 14 ? 2 ** 20 : 2 ** 16;
    const whole = Math.max(16, Math.ceil(localBytes / segmentBytes)) * segmentBytes;
    const far = await FarMemory.open({ localBytes: whole, segmentBytes, store, countHits: true });
    const array = far.array(blob(objectBytes), count);
    let before = far.stats();
    return {
      async load(total, objectAt) {
        for (let at = 0; at < total; at++)
          if (!array.trySet(at, Buffer.from(objectAt(at)))) await array.set(at, Buffer.from(objectAt(at)));
        await far.flush();
        before = far.stats();
      },
      get: (index) => array.tryAt(index) ?? array.at(index),
      missRatio() {
        const { hits, misses } = far.stats();
        const accesses = hits - before.hits + misses - before.misses;
        return accesses === 0 ? null : (misses - before.misses) / accesses;
      },
      async close() {
        await far.close().finally(() => agent.close());
      },
    };
  } catch (error) {
    await store?.close();
    await agent.close();
    throw error;
  }
}

export async function openRedis(): Promise<{ readonly keys: KeyStore; readonly objects: ObjectStore }> {
  const { Redis } = await import('ioredis').catch(notInstalled('ioredis'));
  const server = await startRedis();
  const redis = new Redis({
    port: server.address,
    host: '127.0.0.1',
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on('error', () => {});
  const batch = 512;
  return {
    keys: {
      async load(count, keyAt, valueAt) {
        for (let at = 0; at < count; at += batch) {
          const pairs: (string | number)[] = [];
          for (let one = at; one < Math.min(count, at + batch); one++)
            pairs.push(keyAt(one).toString('latin1'), valueAt(one));
          await redis.mset(...(pairs as [string, number]));
        }
      },
      async sum(wanted) {
        let sum = 0;
        for (const value of await redis.mget(wanted.map((key) => key.toString('latin1')))) sum += Number(value);
        return sum;
      },
    },
    objects: {
      async load(count, objectAt) {
        for (let at = 0; at < count; at += batch) {
          const pipeline = redis.pipeline();
          for (let one = at; one < Math.min(count, at + batch); one++)
            pipeline.set(`o${one}`, Buffer.from(objectAt(one)));
          await pipeline.exec();
        }
      },
      get: async (index) => {
        const value = await redis.getBuffer(`o${index}`);
        if (value === null) throw new Error(`Redis has lost object ${index}`);
        return value;
      },
      missRatio: () => null,
      async close() {
        redis.disconnect();
        await server.close();
      },
    },
  };
}

export async function openLmdb(): Promise<{ readonly keys: KeyStore; readonly objects: ObjectStore }> {
  const { open } = await import('lmdb').catch(notInstalled('lmdb'));
  const folder = temporaryFolder();
  const root = open({ path: folder.address, compression: false, noSync: true, mapSize: 4 * 2 ** 30 });
  const keys = root.openDB<Buffer, Buffer>({ name: 'keys', encoding: 'binary', keyEncoding: 'binary' });
  const objects = root.openDB<Buffer, number>({ name: 'objects', encoding: 'binary' });
  return {
    keys: {
      async load(count, keyAt, valueAt) {
        await keys.transaction(() => {
          for (let at = 0; at < count; at++) {
            const value = Buffer.alloc(4);
            value.writeUInt32LE(valueAt(at));
            keys.put(Buffer.from(keyAt(at)), value);
          }
        });
      },
      sum(wanted) {
        let sum = 0;
        for (const key of wanted) sum += keys.getBinary(key)!.readUInt32LE();
        return sum;
      },
    },
    objects: {
      async load(count, objectAt) {
        await objects.transaction(() => {
          for (let at = 0; at < count; at++) objects.put(at, Buffer.from(objectAt(at)));
        });
      },
      get: (index) => objects.getBinary(index)!,
      missRatio: () => null,
      async close() {
        await root.close();
        await folder.close();
      },
    },
  };
}

function notInstalled(name: string): (cause: unknown) => never {
  return (cause) => {
    throw new StrataError({
      code: 'far.competitor',
      what: `${name} cannot be loaded: ${cause instanceof Error ? cause.message : cause}`,
      mend: `npm install --no-save ${name}; or leave it out of --against.`,
      exitCode: 3,
    });
  };
}
