import { afterEach, describe, expect, it } from 'vitest';
import { type Agent, startAgent } from '../agent/index.ts';
import { FarAgentError, FarMemoryError, FarObjectLostError } from '../errors.ts';
import { op } from '../protocol/frames.ts';
import { type AgentProcess, startAgentProcess } from '../testing/agent-process.case.ts';
import { type AgentProxy, startProxy, whole } from '../testing/proxy.case.ts';
import { type Cluster, type ClusterOptions, connectAgents } from './index.ts';

const MiB = 2 ** 20;
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function agentHere(listen = '127.0.0.1:0'): Promise<Agent> {
  const agent = await startAgent({ listen, memoryBytes: 64 * MiB });
  ends.push(() => agent.close());
  return agent;
}

async function agentProcess(): Promise<AgentProcess> {
  const agent = await startAgentProcess();
  ends.push(() => agent.kill());
  return agent;
}

async function proxyTo({ address }: { readonly address: string }): Promise<AgentProxy> {
  const proxy = await startProxy(address);
  ends.push(() => proxy.close());
  return proxy;
}

async function storeOn(
  agents: readonly { readonly address: string }[],
  options: Partial<ClusterOptions> = {},
): Promise<Cluster> {
  const store = await connectAgents({
    agents: agents.map(({ address }) => address),
    timeoutMilliseconds: 500,
    integrity: 'crc32',
    ...options,
  });
  ends.push(() => store.close());
  return store;
}

/** The bytes of a version of an object: every byte says which, so that a wrong one shows. */
function contentOf(id: number, version: number, size = 512): Uint8Array {
  const bytes = new Uint8Array(size).fill((id * 7 + version * 13) & 255);
  new DataView(bytes.buffer).setUint32(0, id);
  new DataView(bytes.buffer).setUint32(4, version);
  return bytes;
}

async function readBack(store: Cluster, id: number, size = 512): Promise<Uint8Array | FarMemoryError> {
  const into = new Uint8Array(size);
  try {
    await store.read(1, id, into, 'demand');
    return into;
  } catch (error) {
    if (error instanceof FarMemoryError) return error;
    throw error;
  }
}

async function fill(store: Cluster, objects: number): Promise<void> {
  await Promise.all(Array.from({ length: objects }, (_, id) => store.write(1, id, contentOf(id, 0))));
}

async function until(holds: () => boolean): Promise<void> {
  for (let left = 400; left > 0; left--) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('it did not come to hold within 10 s');
}

const isEqual = (bytes: unknown, expected: Uint8Array) =>
  bytes instanceof Uint8Array && Buffer.compare(bytes, expected) === 0;

/** All of them: `connectAgents` waits for one, and a busy machine greets late. */
async function storeOnAll(
  agents: readonly { readonly address: string }[],
  options: Partial<ClusterOptions> = {},
): Promise<Cluster> {
  const store = await storeOn(agents, options);
  await until(() => store.stats().agents.every(({ state }) => state === 'connected'));
  return store;
}

describe('objects on several agents', () => {
  it('lie on all of them, about as many on each', async () => {
    const store = await storeOnAll(await Promise.all([agentHere(), agentHere(), agentHere(), agentHere()]));
    await fill(store, 2000);
    // Binomial: 500 expected, 19 the standard deviation.
    for (const agent of store.stats().agents) expect(Math.abs(agent.objects - 500)).toBeLessThan(120);
    for (let id = 0; id < 2000; id += 97) expect(isEqual(await readBack(store, id), contentOf(id, 0))).toBe(true);
  });

  it('with replicas lie on as many agents each', async () => {
    const agents = await Promise.all([agentHere(), agentHere(), agentHere()]);
    const store = await storeOnAll(agents, { replicas: 2 });
    await fill(store, 300);
    expect(agents.reduce((sum, agent) => sum + agent.report().objects, 0)).toBe(600);
    expect(store.health()).toMatchObject({ objects: 300, underReplicated: 0, lost: 0 });
  });

  it('whose ids agree modulo 2^32 lie together', async () => {
    const store = await storeOnAll(await Promise.all([agentHere(), agentHere()]));
    const on = async (id: number) => {
      const before = store.stats().agents.map(({ objects }) => objects);
      await store.write(1, id, contentOf(1, 0));
      return store.stats().agents.findIndex(({ objects }, index) => objects > before[index]!);
    };
    for (let chunk = 0; chunk < 50; chunk++) expect(await on(2 ** 32 + chunk)).toBe(await on(3 * 2 ** 32 + chunk));
  });
});

describe('killing agents with -9 under load', () => {
  it('with one replica gives typed errors, and never wrong bytes', { timeout: 120_000 }, async () => {
    for (const afterMilliseconds of [5, 60, 220]) {
      const agents = await Promise.all([agentProcess(), agentProcess()]);
      const store = await storeOn(agents);
      // The load writes the first 400 again and again, some of them after the death: the last 100 are only read.
      await fill(store, 500);
      const seen = await loadWhile(store, 400, async () => {
        await sleep(afterMilliseconds);
        await agents[0]!.kill();
        await until(() => store.stats().agents[0]!.state === 'dead');
      });
      expect(seen.wrong).toEqual([]);
      expect(seen.reads).toBeGreaterThan(0);
      const results = await Promise.all(Array.from({ length: 500 }, (_, id) => readBack(store, id)));
      const lost = results.filter((result) => result instanceof FarObjectLostError);
      expect(lost.length).toBeGreaterThan(0);
      expect(lost[0]!.agent).toBe(agents[0]!.address);
      expect(results.filter((result) => result instanceof Uint8Array).length + lost.length).toBe(500);
      expect(store.health().lost).toBe(lost.length);
      expect(store.stats().agents[0]!.lost).toBeGreaterThanOrEqual(lost.length);
      // What is written again lives on the agent that is left.
      await store.write(1, 1000, contentOf(1000, 0));
      expect(isEqual(await readBack(store, 1000), contentOf(1000, 0))).toBe(true);
    }
  });

  it('with two replicas loses nothing, brings every object back to two, and survives the next', {
    timeout: 120_000,
  }, async () => {
    const agents = await Promise.all([agentProcess(), agentProcess(), agentProcess()]);
    const store = await storeOn(agents, { replicas: 2 });
    await fill(store, 400);
    const first = await loadWhile(store, 400, async () => {
      await sleep(100);
      await agents[1]!.kill();
      await until(() => store.stats().agents[1]!.state === 'dead');
      await store.repaired();
    });
    expect(first.wrong).toEqual([]);
    expect(first.errors).toEqual([]);
    await store.repaired();
    expect(store.health()).toMatchObject({ underReplicated: 0, lost: 0, unreachable: 0 });
    await agents[0]!.kill();
    for (let id = 0; id < 400; id++)
      expect(isEqual(await readBack(store, id), contentOf(id, first.versions[id]!))).toBe(true);
    // One that joins takes the second copies.
    const joined = await agentProcess();
    await store.addAgent(joined.address);
    await until(() => store.health().underReplicated === 0 && store.stats().agents[0]!.state === 'dead');
    await store.repaired();
    await agents[2]!.kill();
    for (let id = 0; id < 400; id++)
      expect(isEqual(await readBack(store, id), contentOf(id, first.versions[id]!))).toBe(true);
  });
});

interface Seen {
  reads: number;
  readonly wrong: number[];
  readonly errors: FarMemoryError[];
  /** The last version of each object whose write was acknowledged. */
  readonly versions: number[];
}

/** Reads and writes random objects from several lanes until `work` is done; every object is written by one lane only. */
async function loadWhile(store: Cluster, objects: number, work: () => Promise<void>): Promise<Seen> {
  const seen: Seen = { reads: 0, wrong: [], errors: [], versions: new Array<number>(objects).fill(0) };
  let isDone = false;
  const lanes = Array.from({ length: 8 }, async (_, lane) => {
    for (let step = 0; !isDone; step++) {
      const id = ((step * 37 + lane) * 8 + lane) % objects;
      const known = seen.versions[id]!;
      if (step % 3 === 0) {
        const written = await store.write(1, id, contentOf(id, known + 1)).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (written === undefined) seen.versions[id] = known + 1;
        else if (written instanceof FarMemoryError) {
          seen.errors.push(written);
          seen.versions[id] = known + 1;
          await store.write(1, id, contentOf(id, known + 1)).catch(() => undefined);
        } else throw written;
        continue;
      }
      const result = await readBack(store, id);
      seen.reads++;
      if (result instanceof FarMemoryError) {
        if (!(result instanceof FarAgentError || result instanceof FarObjectLostError)) throw result;
        seen.errors.push(result);
      } else {
        // Other lanes write other objects: only versions of this one, from what was known on, may come.
        const version = new DataView(result.buffer).getUint32(4);
        if (!isEqual(result, contentOf(id, version)) || version < known) seen.wrong.push(id);
      }
    }
  });
  try {
    await work();
  } finally {
    isDone = true;
    await Promise.all(lanes);
  }
  return seen;
}

const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

describe('an agent that lies', () => {
  // Positions in an answer to a read of one object: count, index, status, size, group, id, version, bytes.
  const lies: readonly [string, (body: Buffer) => Buffer][] = [
    ['about the bytes', (body) => flip(body, body.length - 3)],
    ['about the id', (body) => flip(body, 20)],
    ['about the group', (body) => flip(body, 16)],
    ['about the version', (body) => flip(body, 33)],
    ['about the length', (body) => Buffer.concat([shorten(body)])],
  ];
  it.each(lies)('%s is found out, and another holder asked', async (_, change) => {
    const agents = [await proxyTo(await agentHere()), await proxyTo(await agentHere())];
    const store = await storeOn(agents, { replicas: 2 });
    await fill(store, 40);
    agents[0]!.lie = (frame) =>
      frame.op === op.mget ? whole({ ...frame, body: change(Buffer.from(frame.body)) }) : whole(frame);
    for (let id = 0; id < 40; id++) expect(isEqual(await readBack(store, id), contentOf(id, 0))).toBe(true);
    expect(store.health().agents[0]!.wrongAnswers).toBeGreaterThan(0);
    expect(store.health().lost).toBe(0);
  });

  it.each(lies)('%s with one replica gives a typed error', async (_, change) => {
    const proxy = await proxyTo(await agentHere());
    const store = await storeOn([proxy]);
    await fill(store, 3);
    proxy.lie = (frame) =>
      frame.op === op.mget ? whole({ ...frame, body: change(Buffer.from(frame.body)) }) : whole(frame);
    expect(await readBack(store, 1)).toBeInstanceOf(FarMemoryError);
  });

  it('by breaking the protocol loses its connection, not the client', async () => {
    const agents = [await proxyTo(await agentHere()), await agentHere()];
    const store = await storeOn(agents, { replicas: 2 });
    await fill(store, 40);
    (agents[0] as AgentProxy).lie = (frame) =>
      frame.op === op.mget ? whole({ ...frame, body: Buffer.alloc(7, 255) }) : whole(frame);
    for (let id = 0; id < 40; id++) expect(isEqual(await readBack(store, id), contentOf(id, 0))).toBe(true);
  });
});

function flip(body: Buffer, at: number): Buffer {
  body[at]! ^= 1;
  return body;
}

function shorten(body: Buffer): Buffer {
  body.writeUInt32LE(body.readUInt32LE(12) - 1, 12);
  return body.subarray(0, body.length - 1);
}

describe('partitions and slow agents', () => {
  it('a partition gives a time-out, then fails at once, and heals with the data still there', async () => {
    const proxy = await proxyTo(await agentHere());
    const store = await storeOn([proxy]);
    await fill(store, 10);
    proxy.mode = 'hold';
    const begun = performance.now();
    expect(await readBack(store, 1)).toMatchObject({ code: 'FAR_AGENT_TIMEOUT' });
    expect(performance.now() - begun).toBeLessThan(2000);
    await expect(store.write(1, 1, contentOf(1, 1))).rejects.toBeInstanceOf(FarAgentError);
    await until(() => store.health().agents[0]!.lastError !== undefined);
    const atOnce = performance.now();
    expect(await readBack(store, 2)).toBeInstanceOf(FarAgentError);
    expect(performance.now() - atOnce).toBeLessThan(100);
    proxy.mode = 'pass';
    await until(() => store.stats().agents[0]!.state === 'connected');
    // The write that failed may have been taken or not; nothing else may come.
    const healed = await readBack(store, 1);
    expect(isEqual(healed, contentOf(1, 0)) || isEqual(healed, contentOf(1, 1))).toBe(true);
    expect(isEqual(await readBack(store, 2), contentOf(2, 0))).toBe(true);
  });

  it('a partition from one of two replicas is not noticed but in the time, and what it missed is never read', async () => {
    const proxies = [await proxyTo(await agentHere()), await proxyTo(await agentHere())];
    const store = await storeOn(proxies, { replicas: 2 });
    await fill(store, 50);
    proxies[0]!.mode = 'hold';
    for (let id = 0; id < 50; id++) await store.write(1, id, contentOf(id, 1));
    for (let id = 0; id < 50; id++) expect(isEqual(await readBack(store, id), contentOf(id, 1))).toBe(true);
    proxies[0]!.mode = 'pass';
    await until(
      () => store.stats().agents.every(({ state }) => state === 'connected') && store.health().underReplicated === 0,
    );
    await store.repaired();
    proxies[1]!.mode = 'hold';
    for (let id = 0; id < 50; id++) expect(isEqual(await readBack(store, id), contentOf(id, 1))).toBe(true);
  });

  it('connections that are cut are opened again, and requests in flight go through', async () => {
    const proxy = await proxyTo(await agentHere());
    const store = await storeOn([proxy]);
    await fill(store, 100);
    for (let round = 0; round < 5; round++) {
      const reads = Array.from({ length: 100 }, (_, id) => readBack(store, id));
      const write = store.write(1, 200 + round, contentOf(200, round));
      const cut = sleep(round).then(() => proxy.cut());
      for (const [id, result] of (await Promise.all(reads)).entries()) expect(result).toEqual(contentOf(id, 0));
      await write;
      await cut;
    }
  });

  it('an answer that comes too late does not touch the buffer', async () => {
    const proxy = await proxyTo(await agentHere());
    const store = await storeOn([proxy], { timeoutMilliseconds: 100 });
    await fill(store, 5);
    proxy.mode = 250;
    const into = new Uint8Array(512);
    await expect(store.read(1, 1, into, 'demand')).rejects.toMatchObject({ code: 'FAR_AGENT_TIMEOUT' });
    into.fill(170);
    await sleep(400);
    expect(into.every((byte) => byte === 170)).toBe(true);
    proxy.mode = 'pass';
    await until(() => store.stats().agents[0]!.state === 'connected');
    await sleep(300);
    expect(isEqual(await readBack(store, 1), contentOf(1, 0))).toBe(true);
  });

  it('an agent that starts again empty has lost its objects, and says so', async () => {
    const agent = await agentHere();
    const other = await agentHere();
    const store = await storeOn([agent, other]);
    await fill(store, 100);
    const held = store.stats().agents[0]!.objects;
    await agent.close();
    const again = await agentHere(agent.address);
    expect(again.address).toBe(agent.address);
    await until(() => store.stats().agents[0]!.lost === held);
    expect(store.health().lost).toBe(held);
    const results = await Promise.all(Array.from({ length: 100 }, (_, id) => readBack(store, id)));
    expect(results.filter((result) => result instanceof FarObjectLostError)).toHaveLength(held);
    await fill(store, 100);
    expect(store.health().lost).toBe(0);
  });
});
