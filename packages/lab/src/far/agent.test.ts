import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { connectAgents } from '@strata/far-memory/cluster';
import { describe, expect, it } from 'vitest';
import { strataCommand } from '../../../../testing/components.ts';
import { strataIn } from '../../../../testing/in-process.ts';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { startAgentProcess } from '../../../far-memory/src/testing/agent-process.case.ts';

const folder = temporaryFolder('far');

describe('strata far agent', () => {
  it('serves clients, and ends cleanly at Ctrl-C: exit code 130, no socket and no spill file left', async () => {
    const spill = join(folder, 'spill');
    const socket = join(folder, 'far.sock');
    const agent = await startAgentProcess('--spill', spill, '--listen', `unix://${socket}`);
    expect(agent.address).toBe(`unix://${socket}`);
    const store = await connectAgents({ agents: [agent.address] });
    await store.write(1, 1, Uint8Array.of(42));
    const into = new Uint8Array(1);
    await store.read(1, 1, into, 'demand');
    expect(into[0]).toBe(42);
    let said = '';
    agent.child.stderr?.on('data', (text) => {
      said += String(text);
    });
    agent.child.kill('SIGINT');
    expect(await agent.ended).toBe(130);
    expect(said).toContain('closing the connections; all that it holds is forgotten');
    await store.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('says where it listens as JSON', async () => {
    const words = [
      'far',
      'agent',
      '--listen',
      '127.0.0.1:0',
      '--memory',
      '8MiB',
      '--metrics',
      '127.0.0.1:0',
      '--for',
      '0',
      '--json',
    ];
    const { status, stdout } = await strataIn(folder, words);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      schemaVersion: 1,
      memoryBytes: 8 * 2 ** 20,
      address: expect.stringMatching(/^tcp:\/\/127/),
    });
  });

  it.each([
    ['an address for others, without TLS and secret', ['--listen', '0.0.0.0:0'], /needs TLS .* and a shared secret/],
    ['a secret that is too short', ['--listen', '127.0.0.1:0', '--secret-file', 'short'], /expected at least 16/],
    ['a secret that is not there', ['--listen', '127.0.0.1:0', '--secret-file', 'nowhere'], /cannot be read/],
    ['a certificate without its key', ['--listen', '127.0.0.1:0', '--tls-cert', 'x'], /together/],
    ['a spill file that is there', ['--listen', '127.0.0.1:0', '--spill', 'short'], /does not exist yet/],
    ['too little memory', ['--listen', '127.0.0.1:0', '--memory', '1k'], /at least 1 MiB/],
  ])('refuses %s with a sentence and 2', async (_, words, sentence) => {
    writeFileSync(join(folder, 'short'), 'short');
    const { status, stdout, stderr } = await strataIn(folder, [
      'far',
      'agent',
      '--memory',
      '8MiB',
      ...words,
      '--for',
      '0',
    ]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(sentence);
  });

  it('refuses an address that is taken', async () => {
    const agent = await startAgentProcess();
    const taken = spawnSync(
      process.execPath,
      [strataCommand, 'far', 'agent', '--memory', '8MiB', '--listen', agent.address],
      { encoding: 'utf8' },
    );
    expect(taken.status).toBe(2);
    expect(taken.stderr).toMatch(/cannot listen on .*choose another address/);
    await agent.kill();
  });
});

describe('the built agent', () => {
  it('runs in a worker thread', async () => {
    const module = new URL('../../../far-memory/dist/agent/index.js', import.meta.url).href;
    const program = `import { parentPort } from 'node:worker_threads';
      const { startAgent } = await import(${JSON.stringify(module)});
      const agent = await startAgent({ listen: '127.0.0.1:0', memoryBytes: 2 ** 23 });
      parentPort.postMessage(agent.address);`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
    const address = await new Promise<string>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    const store = await connectAgents({ agents: [address] });
    await store.write(1, 1, new Uint8Array(9000).fill(3));
    const into = new Uint8Array(9000);
    await store.read(1, 1, into, 'demand');
    expect(into[8999]).toBe(3);
    await store.close();
    await worker.terminate();
  });
});
