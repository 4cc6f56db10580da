import { afterEach, describe, expect, it } from 'vitest';
import { connectAgents } from '../cluster/index.ts';
import { FarObjectLostError } from '../errors.ts';
import { type AgentProcess, startAgentProcess } from '../testing/agent-process.case.ts';

// The agent must be another process: this thread sleeps while it reads.
let agents: AgentProcess[] = [];
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.kill()));
  agents = [];
});

async function agentProcess(...options: string[]): Promise<AgentProcess> {
  const agent = await startAgentProcess(...options);
  agents.push(agent);
  return agent;
}

const contentOf = (id: number, size = 8192) => new Uint8Array(size).fill(id + 1);

describe.each(['ffi', 'worker', 'auto'] as const)('blocking reads by %s', (sync) => {
  it('see what was written, before and after it is acknowledged, and fail over', { timeout: 60_000 }, async () => {
    const both = [await agentProcess(), await agentProcess()];
    const store = await connectAgents({
      agents: both.map(({ address }) => address),
      replicas: 2,
      sync,
      integrity: 'crc32',
    });
    const into = new Uint8Array(8192);
    const write = store.write(1, 0, contentOf(0));
    store.readSync!(1, 0, into);
    expect(into[8191]).toBe(1);
    await write;
    await Promise.all(Array.from({ length: 50 }, (_, id) => store.write(1, id, contentOf(id))));
    const large = contentOf(7, 2_000_000);
    await store.write(1, 100, large);
    for (let id = 0; id < 50; id++) {
      store.readSync!(1, id, into);
      expect(Buffer.compare(into, contentOf(id))).toBe(0);
    }
    const shared = new Uint8Array(new SharedArrayBuffer(2_000_000));
    store.readSync!(1, 100, shared);
    expect(Buffer.compare(shared, large)).toBe(0);
    expect(() => store.readSync!(1, 777, into)).toThrow(FarObjectLostError);
    // In the same turn the store does not know yet that the agent died.
    await both[0]!.kill();
    for (let id = 0; id < 50; id++) {
      store.readSync!(1, id, into);
      expect(Buffer.compare(into, contentOf(id))).toBe(0);
    }
    await store.close();
  });

  it('give typed errors when the only agent is gone', { timeout: 60_000 }, async () => {
    const agent = await agentProcess();
    const store = await connectAgents({ agents: [agent.address], sync, timeoutMilliseconds: 500 });
    await store.write(1, 1, contentOf(1));
    const into = new Uint8Array(8192);
    store.readSync!(1, 1, into);
    agent.child.kill('SIGSTOP');
    expect(() => store.readSync!(1, 1, into)).toThrow(/no answer within 500 ms/);
    agent.child.kill('SIGCONT');
    await agent.kill();
    expect(() => store.readSync!(1, 1, into)).toThrow(/agent|lost/);
    await store.close();
  });
});

describe('a store without them', () => {
  it('has no readSync', async () => {
    const store = await connectAgents({ agents: [(await agentProcess()).address] });
    expect(store.readSync).toBeUndefined();
    await store.close();
  });
});
