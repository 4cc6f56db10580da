import { afterEach, describe, expect, it } from 'vitest';
import { type Cluster, connectAgents } from '../cluster/index.ts';
import {
  bytes,
  FarAgentError,
  FarMemory,
  type FarMemoryError,
  FarMemoryFullError,
  FarObjectLostError,
  f64,
  PENDING,
  struct,
  u32,
} from '../index.ts';
import { type AgentProcess, startAgentProcess } from '../testing/agent-process.case.ts';
import { type AgentProxy, startProxy, whole } from '../testing/proxy.case.ts';
import { churnOf, randomOf } from '../testing/small-memory.case.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function agentProcess(): Promise<AgentProcess> {
  const agent = await startAgentProcess();
  ends.push(() => agent.kill());
  return agent;
}

/** Local memory of 64 KiB under some 300 KiB of data, freed and moved bytes poisoned. */
async function openOn(agents: readonly string[], replicas: 1 | 2): Promise<{ far: FarMemory; cluster: Cluster }> {
  const cluster = await connectAgents({
    agents,
    replicas,
    integrity: 'crc32',
    timeoutMilliseconds: 700,
    deadAfterMilliseconds: 300,
  });
  const far = await FarMemory.open({
    localBytes: 16 * 4096,
    segmentBytes: 4096,
    debug: true,
    store: cluster,
    fullTimeoutMs: 4000,
  });
  ends.push(() => far.close());
  await until(() => far.stats().agents.every(({ state }) => state === 'connected'));
  return { far, cluster };
}

async function until(holds: () => boolean): Promise<void> {
  for (let left = 400; left > 0; left--) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('it did not come to hold within 10 s');
}

const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
const rows = 6000;
const keys = 500;

/** What may be said of far memory whose agents die; anything else is a defect. */
function isTyped(error: unknown): error is FarMemoryError {
  return error instanceof FarObjectLostError || error instanceof FarAgentError || error instanceof FarMemoryFullError;
}

interface Load {
  /** What was read and is none of the values that were ever written there and may still be current. */
  readonly wrong: string[];
  readonly errors: FarMemoryError[];
  readonly reads: number;
}

/**
 * A vector and a map with a model of each. A write that fails may or may not have happened: until the next one that succeeds both values
 * may be read.
 */
async function createSubject(far: FarMemory, seed: number) {
  const random = randomOf(seed);
  const vector = far.vector(struct({ id: u32, weight: f64 }), { chunkBytes: 512 });
  await vector.push(Array.from({ length: rows }, (_, id) => ({ id, weight: id })));
  const map = far.map({ key: bytes(4), value: u32 });
  const keyOf = (at: number) => Buffer.from(Uint32Array.of(at).buffer);
  for (let at = 0; at < keys; at++) await map.set(keyOf(at), at);
  await far.flush();
  const mayBe = {
    row: Array.from({ length: rows }, (_, id) => new Set([id])),
    key: Array.from({ length: keys }, (_, at) => new Set([at])),
  };
  const load = { wrong: [] as string[], errors: [] as FarMemoryError[], reads: 0 };

  async function attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isTyped(error)) throw error;
      load.errors.push(error);
    }
  }

  async function write(allowed: Set<number>, value: number, work: () => Promise<void>): Promise<void> {
    allowed.add(value);
    await attempt(async () => {
      await work();
      allowed.clear();
      allowed.add(value);
    });
  }

  async function readRow(at: number): Promise<void> {
    await attempt(async () => {
      const view = vector.tryAt(at) ?? (await vector.at(at));
      load.reads++;
      if (view.id !== at || !mayBe.row[at]!.has(view.weight)) load.wrong.push(`row ${at}: ${view.id}, ${view.weight}`);
    });
  }

  async function readKey(at: number): Promise<void> {
    await attempt(async () => {
      const found = map.tryGet(keyOf(at));
      const value = found === PENDING ? await map.get(keyOf(at)) : found;
      load.reads++;
      if (value === undefined || !mayBe.key[at]!.has(value)) load.wrong.push(`key ${at}: ${value}`);
    });
  }

  async function step(): Promise<void> {
    const row = random(rows);
    const key = random(keys);
    const choice = random(4);
    if (choice === 0) await readRow(row);
    else if (choice === 1) await readKey(key);
    else if (choice === 2) {
      const weight = random(2 ** 31);
      await write(mayBe.row[row]!, weight, () => vector.set(row, { id: row, weight }));
    } else {
      const value = random(2 ** 31);
      await write(mayBe.key[key]!, value, () => map.set(keyOf(key), value));
    }
  }

  return {
    load: load as Load,
    vector,
    /** Reads and writes until `work` is done. */
    async during(work: () => Promise<void>): Promise<void> {
      let isDone = false;
      const stepping = (async () => {
        for (let steps = 0; !isDone; steps++) {
          await step();
          if (steps % 16 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
        }
      })();
      try {
        await work();
      } finally {
        isDone = true;
        await stepping;
      }
    },
    async readAll(): Promise<void> {
      await attempt(churnOf(far));
      for (let at = 0; at < rows; at += 7) await readRow(at);
      for (let at = 0; at < keys; at++) await readKey(at);
    },
  };
}

describe('killing agents with -9 under a far memory', () => {
  it('with one replica gives typed errors for what is lost, and never wrong bytes', { timeout: 240_000 }, async () => {
    const random = randomOf(23);
    for (const seed of [1, 2, 3]) {
      const agents = await Promise.all([agentProcess(), agentProcess()]);
      const { far } = await openOn(
        agents.map(({ address }) => address),
        1,
      );
      const { load, during, readAll } = await createSubject(far, seed);
      await during(async () => {
        await sleep(random(250));
        await agents[random(2)]!.kill();
        await sleep(600);
      });
      await readAll();
      expect(load.wrong).toEqual([]);
      expect(load.reads).toBeGreaterThan(0);
      expect(load.errors.some((error) => error instanceof FarObjectLostError)).toBe(true);
      // What is new is kept by the agent that is left.
      const fresh = far.vector(u32, { chunkBytes: 512 });
      await fresh.push(Uint32Array.from({ length: 20_000 }, (_, at) => at));
      for (let at = 0; at < 20_000; at += 500) expect(await fresh.at(at)).toBe(at);
    }
  });

  it('with two replicas loses nothing, death after death', { timeout: 240_000 }, async () => {
    const random = randomOf(29);
    const agents = await Promise.all([agentProcess(), agentProcess(), agentProcess(), agentProcess()]);
    const { far, cluster } = await openOn(
      agents.map(({ address }) => address),
      2,
    );
    const { load, during, readAll, vector } = await createSubject(far, 4);
    const alive = new Set(agents);
    while (alive.size > 2) {
      await during(async () => {
        await sleep(random(200));
        const victim = [...alive][random(alive.size)]!;
        alive.delete(victim);
        await victim.kill();
        await until(() => far.stats().agents.filter(({ state }) => state === 'dead').length === 4 - alive.size);
      });
      await far.flush();
      // Before every object has its two copies again, another death may take the last one.
      await cluster.repaired();
      expect(cluster.health()).toMatchObject({ underReplicated: 0, lost: 0 });
    }
    await readAll();
    expect(load.wrong).toEqual([]);
    expect(load.errors).toEqual([]);
    expect([...(await vector.run('count', { column: 'id' })).columns.count!].map(Number)).toEqual([rows]);
  });
});

const troubles: readonly (readonly [string, (proxy: AgentProxy) => void])[] = [
  ['slow', (proxy) => Object.assign(proxy, { mode: 30 })],
  ['cut off', (proxy) => Object.assign(proxy, { mode: 'hold' })],
  [
    'lying about bytes',
    (proxy) => {
      proxy.lie = (frame) => {
        const answer = whole(frame);
        if (answer.length > 200) answer[answer.length - 1]! ^= 0x55;
        return answer;
      };
    },
  ],
];

describe.each(troubles)('an agent that is %s, under a far memory', (name, trouble) => {
  it.each([1, 2] as const)('with %i replica(s) never gives wrong bytes', { timeout: 120_000 }, async (replicas) => {
    const agents = await Promise.all([agentProcess(), agentProcess()]);
    const proxy = await startProxy(agents[0]!.address);
    ends.push(() => proxy.close());
    const { far } = await openOn([proxy.address, agents[1]!.address], replicas);
    const { load, during, readAll } = await createSubject(far, 5);
    await during(async () => {
      await sleep(100);
      trouble(proxy);
      await sleep(1500);
    });
    await readAll();
    expect(load.wrong).toEqual([]);
    expect(load.reads).toBeGreaterThan(0);
    // Two copies, one of them good: nobody is told.
    if (replicas === 2) expect(load.errors).toEqual([]);
    // A slow one loses nothing either.
    else if (name === 'slow') expect(load.errors).toEqual([]);
    else expect(load.errors.length).toBeGreaterThan(0);
  });
});
