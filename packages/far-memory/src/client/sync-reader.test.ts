import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
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

describe('a blocking read', () => {
  const built = fileURLToPath(new URL('../../dist/cluster/index.js', import.meta.url));
  const program = `
    process.on('SIGUSR2', () => {});
    const { connectAgents } = await import('${built}');
    const store = await connectAgents({ agents: [process.argv.at(-1)], sync: 'ffi', timeoutMilliseconds: 20_000 });
    await store.write(1, 1, new Uint8Array(8192).fill(7));
    const into = new Uint8Array(8192);
    store.readSync(1, 1, into);
    console.log('ready');
    while (true) store.readSync(1, 1, into.fill(0));`;

  it('goes on after signals that come while it waits', { timeout: 60_000 }, async () => {
    const agent = await agentProcess();
    const reader = spawn(process.execPath, ['--input-type=module', '-e', program, agent.address], { stdio: 'pipe' });
    let said = '';
    reader.stderr.on('data', (text) => (said += text));
    await new Promise((resolve) => reader.stdout.once('data', resolve));
    agent.child.kill('SIGSTOP');
    for (let signal = 0; signal < 20; signal++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      reader.kill('SIGUSR2');
    }
    agent.child.kill('SIGCONT');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect({ said, ended: reader.exitCode }).toEqual({ said: '', ended: null });
    reader.kill('SIGKILL');
  });
});

describe('a store without them', () => {
  it('has no readSync', async () => {
    const store = await connectAgents({ agents: [(await agentProcess()).address] });
    expect(store.readSync).toBeUndefined();
    await store.close();
  });
});
