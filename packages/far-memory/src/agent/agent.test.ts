import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openConnection } from '../client/socket.ts';
import { connectAgents } from '../cluster/index.ts';
import { FarAgentError, FarQuotaError } from '../errors.ts';
import { parseAddress } from '../protocol/address.ts';
import { readBody, writeBody } from '../protocol/bytes.ts';
import { createFrameSplitter, encodeFrame, errorCode, type Frame, maxFrameBytes, op } from '../protocol/frames.ts';
import { type Agent, type AgentOptions, startAgent } from './index.ts';

const MiB = 2 ** 20;
let folder: string;
let agents: Agent[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-agent-'));
});
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.close()));
  agents = [];
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function agentWith(options: Partial<AgentOptions> = {}): Promise<Agent> {
  const agent = await startAgent({ listen: '127.0.0.1:0', memoryBytes: 16 * MiB, ...options });
  agents.push(agent);
  return agent;
}

const bytesOf = (seed: number, size = 1000) => new Uint8Array(size).fill(seed);
const clientId = (seed: number) => new Uint8Array(16).fill(seed);

/** A connection after the greeting, to send anything on. */
async function rawConnection(agent: Agent): Promise<{ socket: Socket; frames: Frame[]; closed: Promise<void> }> {
  const credentials = { clientId: clientId(99), quotaBytes: 0, secret: undefined };
  // Long, since a machine that was held up for seconds is not what is tested here.
  const { socket, receive } = await openConnection(parseAddress(agent.address), credentials, 120_000);
  const frames: Frame[] = [];
  const splitter = createFrameSplitter(
    () => maxFrameBytes,
    (frame) => frames.push({ ...frame, body: Uint8Array.from(frame.body) }),
  );
  receive((chunk) => splitter.push(chunk));
  socket.on('error', () => undefined);
  return { socket, frames, closed: new Promise((resolve) => socket.on('close', () => resolve())) };
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let left = 200; left > 0; left--) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('it did not come to hold within 5 s');
}

describe('an agent', () => {
  it('gives back what was written, small, large and empty', async () => {
    const agent = await agentWith();
    const store = await connectAgents({ agents: [agent.address], integrity: 'crc32' });
    const sizes = [0, 1, 8192, 300_000, 5 * MiB];
    for (const [id, size] of sizes.entries()) await store.write(7, id, bytesOf(id + 1, size));
    const into = sizes.map((size) => new Uint8Array(size));
    await Promise.all(into.map((buffer, id) => store.read(7, id, buffer, id % 2 === 0 ? 'demand' : 'prefetch')));
    for (const [id, size] of sizes.entries()) expect(Buffer.compare(into[id]!, bytesOf(id + 1, size))).toBe(0);
    await store.close();
  });

  it('reads into shared memory', async () => {
    const agent = await agentWith();
    const store = await connectAgents({ agents: [agent.address] });
    await store.write(1, 1, bytesOf(5, 4096));
    const into = new Uint8Array(new SharedArrayBuffer(8192), 4096, 4096);
    await store.read(1, 1, into, 'demand');
    expect(Buffer.compare(into, bytesOf(5, 4096))).toBe(0);
    await store.close();
  });

  it('applies the writes of one object in their order, and reads see the last', async () => {
    const agent = await agentWith();
    const store = await connectAgents({ agents: [agent.address] });
    const writes = Array.from({ length: 200 }, (_, i) => store.write(1, 1, bytesOf(i)));
    const into = new Uint8Array(1000);
    await store.read(1, 1, into, 'demand');
    expect(into[0]).toBe(199);
    await Promise.all(writes);
    await store.read(1, 1, into, 'demand');
    expect(into[999]).toBe(199);
    await store.close();
  });

  it('travels all reads of a turn in one frame', async () => {
    const agent = await agentWith();
    const { socket, frames } = await rawConnection(agent);
    const keys = writeBody().u32(3);
    for (const id of [1, 2, 3]) keys.u32(1).f64(id);
    socket.write(encodeFrame(9, op.mget, 0, keys.done()));
    await until(() => frames.length === 1);
    expect(frames[0]).toMatchObject({ requestId: 9, op: op.mget });
    const store = await connectAgents({ agents: [agent.address] });
    for (let id = 0; id < 100; id++) void store.write(1, id, bytesOf(id, 64));
    await store.flush();
    const before = store.stats().reads;
    await Promise.all(Array.from({ length: 100 }, (_, id) => store.read(1, id, new Uint8Array(64), 'demand')));
    expect(store.stats().reads - before).toBe(100);
    socket.destroy();
    await store.close();
  });

  it('forgets freed objects and dropped groups, and gives their memory back', async () => {
    const agent = await agentWith({ memoryBytes: 4 * MiB });
    const store = await connectAgents({ agents: [agent.address] });
    for (let round = 0; round < 20; round++) {
      const ids = Array.from({ length: 100 }, (_, i) => round * 100 + i);
      await Promise.all(ids.map((id) => store.write(round % 3, id, bytesOf(id, 16_000))));
      if (round % 2 === 0) store.free(round % 3, ids);
      else await store.dropGroup(round % 3);
    }
    await until(() => agent.report().objects === 0);
    expect(agent.report().memoryBytes).toBeLessThanOrEqual(MiB);
    await store.close();
  });

  it('refuses beyond the quota with a typed error, and goes on', async () => {
    const agent = await agentWith({ quotaBytes: 100_000 });
    const store = await connectAgents({ agents: [agent.address] });
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, id) => store.write(1, id, bytesOf(id, 10_000))),
    );
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused).toHaveLength(11);
    for (const { reason } of refused) expect(reason).toBeInstanceOf(FarQuotaError);
    const into = new Uint8Array(10_000);
    await store.read(1, 3, into, 'demand');
    expect(into[9999]).toBe(3);
    store.free(1, [3]);
    await until(() =>
      store.write(1, 50, bytesOf(50, 10_000)).then(
        () => true,
        () => false,
      ),
    );
    await store.close();
  });

  it('says that its memory is used up, or spills when it may', async () => {
    const small = await connectAgents({ agents: [(await agentWith({ memoryBytes: 2 * MiB })).address] });
    const writes = Array.from({ length: 400 }, (_, id) => small.write(1, id, bytesOf(id, 10_000)));
    const results = await Promise.allSettled(writes);
    expect(results.filter((result) => result.status === 'rejected').length).toBeGreaterThan(150);
    await small.close();
    const spilling = await agentWith({
      memoryBytes: 2 * MiB,
      spill: { path: join(folder, 'spill'), limitBytes: 32 * MiB },
    });
    expect(readdirSync(folder)).toEqual([]);
    const store = await connectAgents({ agents: [spilling.address], integrity: 'crc32' });
    await Promise.all(Array.from({ length: 1000 }, (_, id) => store.write(1, id, bytesOf(id, 10_000))));
    expect(spilling.report().spillBytes).toBeGreaterThan(6 * MiB);
    expect(spilling.report().memoryBytes).toBeLessThanOrEqual(2 * MiB);
    for (let id = 0; id < 1000; id++) {
      const into = new Uint8Array(10_000);
      await store.read(1, id, into, 'demand');
      expect(into[5000]).toBe(id & 255);
    }
    await store.close();
  });

  it('keeps what a client stored until its lease runs out', async () => {
    const agent = await agentWith({ leaseSeconds: 0.4 });
    const address = parseAddress(agent.address);
    const credentials = { clientId: clientId(1), quotaBytes: 0, secret: undefined };
    const store = await connectAgents({ agents: [agent.address], clientId: clientId(1), keepOnClose: true });
    await store.write(1, 1, bytesOf(9));
    await store.close();
    const within = await openConnection(address, credentials, 2000);
    expect(within.welcome).toMatchObject({ found: true, objects: 1, leaseSeconds: 0.4 });
    within.socket.destroy();
    await until(() => agent.report().expiredLeases === 1);
    const after = await openConnection(address, credentials, 2000);
    expect(after.welcome).toMatchObject({ found: false, objects: 0 });
    after.socket.destroy();
  });

  it('serves over a UNIX socket', async () => {
    const path = join(folder, 'far.sock');
    const agent = await agentWith({ listen: `unix://${path}` });
    const store = await connectAgents({ agents: [agent.address] });
    await store.write(1, 1, bytesOf(3));
    const into = new Uint8Array(1000);
    await store.read(1, 1, into, 'demand');
    expect(into[1]).toBe(3);
    await store.close();
    await agents.pop()!.close();
    expect(readdirSync(folder)).not.toContain('far.sock');
  });
});

describe('an agent lets in', () => {
  const secret = Buffer.from('a shared secret of some length');

  it('only who knows the secret', async () => {
    const { address } = await agentWith({ secret });
    await expect(connectAgents({ agents: [address] })).rejects.toThrow(/wants a shared secret/);
    await expect(
      connectAgents({ agents: [address], secret: Buffer.from('another secret, too') }),
    ).rejects.toMatchObject({
      code: 'FAR_AGENT_REFUSED',
    });
    const store = await connectAgents({ agents: [address], secret });
    await store.write(1, 1, bytesOf(1));
    await store.close();
  });

  it('no one when a client with a secret meets an agent without', async () => {
    const { address } = await agentWith();
    await expect(connectAgents({ agents: [address], secret })).rejects.toThrow(/does not know the shared secret/);
  });

  it('checks the proof itself, not the politeness of the client', async () => {
    const agent = await agentWith({ secret });
    const socket = connect(Number(agent.address.split(':').at(-1)), '127.0.0.1');
    const frames: Frame[] = [];
    const splitter = createFrameSplitter(
      () => maxFrameBytes,
      (frame) => frames.push({ ...frame, body: Uint8Array.from(frame.body) }),
    );
    socket.on('data', (chunk) => splitter.push(chunk));
    const hello = writeBody().u32(0x46525453).u16(1).u32(0).bytes(clientId(4)).f64(0).bytes(new Uint8Array(32)).done();
    socket.write(encodeFrame(0, op.hello, 0, Uint8Array.from(hello)));
    socket.write(encodeFrame(1, op.hello, 4, new Uint8Array(32)));
    await new Promise((resolve) => socket.on('close', resolve));
    expect(readBody(frames.at(-1)!.body).u16()).toBe(errorCode.refused);
    expect(agent.report().clients).toBe(0);
  });

  it.each([
    ['0.0.0.0:0', {}, /needs TLS .* and a shared secret/],
    ['[::]:0', { secret }, /needs TLS/],
    ['192.0.2.7:7900', { tls: { cert: '', key: '' } }, /needs a shared secret/],
    ['somewhere.example:1', {}, /or listen on 127\.0\.0\.1/],
    ['nonsense', {}, /is no address of an agent/],
  ])('nobody on %s without TLS and a secret: it does not start', async (listen, options, sentence) => {
    await expect(startAgent({ listen, memoryBytes: MiB, ...options })).rejects.toThrow(sentence);
  });
});

/** Random numbers with a seed, so that a failure can be repeated. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Every field of every body wrong in turn, sizes wrong, bits turned over, and plain noise. */
function malformed(next: (below: number) => number): Buffer {
  const operations = [...Object.values(op), 0, 14, 200];
  const body = Buffer.alloc(next(3) === 0 ? next(60) : next(16), 0);
  for (let i = 0; i < body.length; i++) body[i] = next(4) === 0 ? 255 : next(256);
  const frame = encodeFrame(next(2 ** 31), operations[next(operations.length)]!, next(8), body);
  const kind = next(6);
  if (kind === 0) frame.writeUInt32LE(next(2 ** 31), 0);
  if (kind === 1) frame.writeUInt32LE(next(6), 0);
  if (kind === 2) frame[next(frame.length)]! ^= 1 << next(8);
  return kind === 3 ? frame.subarray(0, next(frame.length)) : frame;
}

// A connection each takes about a millisecond: the whole number where everything must be tested.
const malformedFrames = process.env.STRATA_REQUIRE_ALL ? 100_000 : 20_000;

describe('an agent under malformed frames', () => {
  it('closes only their connections, serves on, and its memory stays flat', { timeout: 600_000 }, async () => {
    // A connection for each, since the agent closes it: over a UNIX socket, which has as many as one likes.
    const agent = await agentWith({ listen: `unix://${join(folder, 'fuzz.sock')}` });
    const store = await connectAgents({ agents: [agent.address], integrity: 'crc32' });
    await store.write(1, 1, bytesOf(77));
    const next = randomNumbers(12345);
    let sent = 0;
    let refusals = 0;
    let resident = 0;
    const sendSome = async () => {
      while (sent < malformedFrames) {
        sent++;
        const { socket, frames, closed } = await rawConnection(agent);
        socket.end(malformed(next));
        await closed;
        if (frames.some((frame) => frame.op === op.error && readBody(frame.body).u16() === errorCode.protocol))
          refusals++;
        if (sent % 2000 === 0) {
          const into = new Uint8Array(1000);
          await store.read(1, 1, into, 'demand');
          expect(into[500]).toBe(77);
        }
        if (sent >= 5000 && resident === 0) resident = process.memoryUsage.rss();
      }
    };
    await Promise.all(Array.from({ length: 8 }, sendSome));
    // The others were cut short, or happened to be a sound request.
    expect(refusals).toBeGreaterThan(0.6 * malformedFrames);
    expect(agent.report().protocolErrors).toBe(refusals);
    await until(() => agent.report().connectionsOpen === 1 && agent.report().clients <= 2);
    expect(process.memoryUsage.rss() - resident).toBeLessThan(64 * MiB);
    await store.close();
  });

  it('closes a connection that does not greet within its time, or greets at length', async () => {
    const agent = await agentWith();
    const port = Number(agent.address.split(':').at(-1));
    const closed = (first: Uint8Array) =>
      new Promise<void>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => socket.write(first));
        socket.on('data', () => undefined);
        socket.on('close', () => resolve());
      });
    const long = Buffer.alloc(10);
    long.writeUInt32LE(5000, 0);
    await closed(long);
    await closed(new Uint8Array(0));
    expect(agent.report().protocolErrors).toBe(2);
    await until(() => agent.report().connectionsOpen === 0);
  });
});

describe('a client', () => {
  it('gets typed errors from an address where nothing listens', async () => {
    await expect(connectAgents({ agents: ['127.0.0.1:1'] })).rejects.toBeInstanceOf(FarAgentError);
  });
});
