import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cloneRoot } from '../../../../testing/components.ts';
import { startAgentThrough } from '../testing/agent-process.case.ts';
import { createSegmentPool } from './segments.ts';

const MiB = 2 ** 20;
const library = pathToFileURL(join(cloneRoot, 'packages/far-memory/dist/index.js')).href;

/** A program of a user's that fills far memory and then does nothing. */
const program = (agent: string, objects: number) => `
const { FarMemory, blob } = await import('${library}');
const far = await FarMemory.open({ localBytes: 8 * 2 ** 20, agents: ['${agent}'] });
const array = far.array(blob(8192), ${objects});
for (let at = 0; at < ${objects}; at++) await array.set(at, Buffer.alloc(8192, at));
await far.flush();
console.log('full');
setInterval(() => {}, 1000);`;

/**
 * Otherwise the C library comes to take blocks of this size from its heap, depending on what was freed before, and what lies above them there
 * keeps them from the machine for some seconds or longer.
 */
const unmapsAtOnce = ['env', 'MALLOC_MMAP_THRESHOLD_=131072'];

async function metricOf(metrics: string, name: string): Promise<number> {
  const text = await (await fetch(metrics)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let left = 400; left > 0; left--) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('it did not come to hold within 20 s');
}

describe('an agent whose client was killed by SIGKILL', () => {
  it('keeps its objects for the lease, then gives their memory back to the machine', { timeout: 120_000 }, async () => {
    const agent = await startAgentThrough(unmapsAtOnce, '--lease', '3', '--metrics', '127.0.0.1:0');
    try {
      const metrics = agent.metrics!;
      const resident = () =>
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.child.pid}/status`, 'utf8'))![1]) * 1024;
      const before = resident();
      const client = spawn(process.execPath, ['--input-type=module', '-e', program(agent.address, 20_000)]);
      await new Promise((resolve) => client.stdout.once('data', resolve));
      expect(await metricOf(metrics, 'strata_far_agent_objects')).toBe(20_000);
      expect(resident() - before).toBeGreaterThan(140 * MiB);
      client.kill('SIGKILL');
      await until(async () => (await metricOf(metrics, 'strata_far_agent_connections_open')) === 0);
      expect(await metricOf(metrics, 'strata_far_agent_objects')).toBe(20_000);
      await until(async () => (await metricOf(metrics, 'strata_far_agent_leases_expired_total')) === 1);
      expect(await metricOf(metrics, 'strata_far_agent_memory_bytes')).toBe(0);
      expect(await metricOf(metrics, 'strata_far_agent_clients')).toBe(0);
      // Nothing else happens on the agent, so no collection is due.
      await until(() => resident() - before < 80 * MiB);
    } finally {
      await agent.kill();
    }
  });
});

describe('the memory of an agent', () => {
  it('goes back without a collection, all of it with the last object', async () => {
    const pool = createSegmentPool(512 * MiB, undefined);
    const held = () => process.memoryUsage().arrayBuffers;
    const before = held();
    const segments = Array.from({ length: 200 }, () => pool.acquire(MiB, 'write')!);
    for (const { buffer } of segments) buffer!.fill(1);
    expect(held() - before).toBeGreaterThan(195 * MiB);
    for (const segment of segments.slice(0, 199)) pool.release(segment);
    await until(() => held() - before < 80 * MiB);
    // Some are kept for those who go on writing.
    expect(held() - before).toBeGreaterThan(60 * MiB);
    expect(segments[199]!.buffer!.every((byte) => byte === 1)).toBe(true);
    pool.release(segments[199]!);
    await until(() => held() - before < 2 * MiB);
  });
});
