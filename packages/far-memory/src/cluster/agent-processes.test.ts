import { afterEach, describe, expect, it } from 'vitest';
import { blob, FarMemory, FarMemoryFullError, FarQuotaError } from '../index.ts';
import { type AgentProcess, startAgentProcess } from '../testing/agent-process.case.ts';

const objects = 400;
const objectBytes = 4096;
let agents: AgentProcess[] = [];
const open: FarMemory[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((far) => far.close()));
  await Promise.all(agents.map((agent) => agent.kill()));
  agents = [];
});

async function start(...options: readonly string[][]): Promise<void> {
  agents = await Promise.all(options.map((words) => startAgentProcess(...words)));
}

/** Far memory whose local part holds a few objects only, so that every one is on the agents. */
async function openOn(replicas: 2 | 3, timeoutMilliseconds = 1000) {
  const far = await FarMemory.open({
    localBytes: 16 * 16_384,
    segmentBytes: 16_384,
    agents: agents.map(({ address }) => address),
    replicas,
    timeoutMilliseconds,
    fullTimeoutMs: 500,
    integrity: 'crc32',
  });
  open.push(far);
  const array = far.array(blob(objectBytes), objects);
  const expected = new Uint8Array(objects);
  const write = async (every: number, salt: number) => {
    for (let at = 0; at < objects; at += every) {
      expected[at] = at * 7 + salt;
      await array.set(at, new Uint8Array(objectBytes).fill(expected[at]!));
    }
    await far.flush();
  };
  const wrong = async () => {
    let count = 0;
    for (let at = 0; at < objects; at++) {
      const bytes = await array.at(at);
      if (bytes[0] !== expected[at] || bytes[objectBytes - 1] !== expected[at]) count++;
    }
    return count;
  };
  return { far, write, wrong };
}

async function until(holds: () => boolean): Promise<void> {
  for (let left = 400; left > 0; left--) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('it did not come to hold within 20 s');
}

describe('agents of their own processes', { timeout: 120_000 }, () => {
  it('with three replicas lose nothing when two of three are killed, nor when one returns and the third goes', async () => {
    await start([], [], []);
    const { far, write, wrong } = await openOn(3);
    await write(1, 1);
    expect(far.health()!.agents.map(({ objects: held }) => held)).toEqual([objects, objects, objects]);
    await Promise.all([agents[0]!.kill(), agents[1]!.kill()]);
    expect(await wrong()).toBe(0);
    await write(3, 50);
    expect(await wrong()).toBe(0);
    await until(() => far.health()!.agents.filter(({ state }) => state === 'dead').length === 2);
    expect(far.health()).toMatchObject({ lost: 0, underReplicated: objects });
    const listen = agents[1]!.address.replace('tcp://', '');
    agents[1] = await startAgentProcess('--listen', listen);
    await until(() => far.health()!.agents[1]!.state === 'connected');
    await far.repaired();
    expect(far.health()!.agents[1]!.objects).toBe(objects);
    await agents[2]!.kill();
    expect(await wrong()).toBe(0);
  });

  it('that hang are gone without for two replicas, and bring what they missed when they go on', async () => {
    await start([], []);
    const { far, write, wrong } = await openOn(2, 300);
    await write(1, 1);
    agents[0]!.child.kill('SIGSTOP');
    expect(await wrong()).toBe(0);
    await write(2, 90);
    expect(await wrong()).toBe(0);
    agents[0]!.child.kill('SIGCONT');
    await until(() => far.health()!.agents.every(({ state }) => state === 'connected'));
    await far.repaired();
    await until(() => far.health()!.underReplicated === 0);
    // Now only the one that hung can answer.
    await agents[1]!.kill();
    expect(await wrong()).toBe(0);
  });

  it('of which one is full hold the rest on the other, and say that replicas are missing', async () => {
    await start(['--quota', '1MiB'], []);
    const { far, write, wrong } = await openOn(2);
    await write(1, 1);
    expect(await wrong()).toBe(0);
    const { lost, underReplicated, agents: held } = far.health()!;
    expect(lost).toBe(0);
    expect(held[1]!.objects).toBe(objects);
    expect(held[0]!.objects).toBeGreaterThan(200);
    expect(underReplicated).toBe(objects - held[0]!.objects);
    // Ends, although it cannot be had.
    await far.repaired();
  });

  it('that are all full make the program wait and then say why, and take objects again once some are freed', async () => {
    await start(['--quota', '512KiB'], ['--quota', '512KiB']);
    const { far } = await openOn(2);
    const handles = [];
    let error: unknown;
    try {
      for (let count = 0; count < objects; count++) {
        const handle = far.alloc(objectBytes);
        handles.push(handle);
        far.views.u32[await far.mut(handle)] = count + 1;
      }
    } catch (cause) {
      error = cause;
    }
    expect(error).toBeInstanceOf(FarMemoryFullError);
    expect((error as FarMemoryFullError).cause).toBeInstanceOf(FarQuotaError);
    const kept = handles.length - 1;
    for (let at = 0; at <= kept; at++) if (at % 2 === 0) far.free(handles[at]!);
    let wrong = 0;
    for (let at = 1; at < kept; at += 2) if (far.views.u32[await far.get(handles[at]!)] !== at + 1) wrong++;
    expect(wrong).toBe(0);
    await far.flush();
  });
});
