import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { startAgentProcess } from './testing/agent-process.case.ts';

/**
 * Closes with fetches, prefetches, write-backs, copies, a flush and accesses that wait for room under way, in a process that nothing else
 * keeps alive: Node ends with exit code 13 when a promise is left that nothing will settle, and the test waits in vain when something
 * keeps the process. An agent that never greets is being added, too.
 */
const program = `
import { FarMemory, MISS, FarMemoryError, varbytes, u32 } from '${fileURLToPath(new URL('index.ts', import.meta.url))}';
import { connectAgents } from '${fileURLToPath(new URL('cluster/index.ts', import.meta.url))}';
import { createServer } from 'node:net';
const [address, pid] = process.argv.slice(-2);
const store = await connectAgents({ agents: [address], timeoutMilliseconds: 60_000 });
const far = await FarMemory.open({ localBytes: 64 * 16384, segmentBytes: 16384, store, evacuation: { copier: 'worker' } });
const handles = Array.from({ length: 4000 }, () => far.alloc(1000));
for (const handle of handles) { far.tryMut(handle) === MISS && (await far.mut(handle)); }
const map = far.map({ key: u32, value: varbytes(100) });
for (let key = 0; key < 2000; key++) await map.set(key, new Uint8Array(50));
await far.flush();
if (pid !== 'answers') process.kill(Number(pid), 'SIGSTOP');
const mute = createServer(() => {}).listen(0, '127.0.0.1');
await new Promise((resolve) => mute.once('listening', resolve));
mute.unref();
const settled = [];
const follow = (promise) => settled.push(promise.then(() => 'done', (error) => (error instanceof FarMemoryError ? 'typed' : String(error.stack))));
follow(store.addAgent('tcp://127.0.0.1:' + mute.address().port));
for (const handle of handles) if (far.tryMut(handle) !== MISS) for (let touch = 0; touch < 3; touch++) far.tryMut(handle);
for (let at = 0; at < 3000; at++) follow(far.mut(handles[(at * 7) % handles.length]));
far.willNeed(handles);
follow(far.flush());
follow((async () => { for await (const entry of map.entries()); })());
follow(map.getMany(Array.from({ length: 2000 }, (_, key) => key)));
follow(far.pinned(handles.slice(0, 20), async () => {}));
follow(store.repaired());
for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
const both = [far.close(), far.close()];
follow(far.get(handles[1]));
follow(far.flush());
await Promise.all(both);
const counts = {};
for (const outcome of await Promise.all(settled)) counts[outcome] = (counts[outcome] ?? 0) + 1;
console.log(JSON.stringify(counts));
`;

async function outcomeOf(
  address: string,
  pid: string,
): Promise<{ readonly status: number | null; readonly said: string }> {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    external: ['koffi'],
  });
  const child = spawn(process.execPath, ['--input-type=module', '-', address, pid], { stdio: 'pipe' });
  child.stdin.end(outputFiles[0]!.text);
  let said = '';
  for (const output of [child.stdout, child.stderr]) output.on('data', (text) => (said += text));
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, said };
}

describe('closing a far memory with everything under way', () => {
  it.each(['answers', 'hangs'])('settles every promise, with typed errors, when the agent %s', async (agentState) => {
    const agent = await startAgentProcess();
    try {
      const { status, said } = await outcomeOf(
        agent.address,
        agentState === 'hangs' ? String(agent.child.pid) : 'answers',
      );
      expect({ status, said }).toEqual({ status: 0, said: expect.stringMatching(/^\{.*\}\n$/) });
      const counts: Record<string, number> = JSON.parse(said);
      expect(Object.keys(counts).filter((outcome) => outcome !== 'done' && outcome !== 'typed')).toEqual([]);
      expect(counts.typed).toBeGreaterThan(3);
    } finally {
      agent.child.kill('SIGCONT');
      await agent.kill();
    }
  });
});
