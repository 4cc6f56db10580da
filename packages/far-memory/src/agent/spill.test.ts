import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { connectAgents } from '../cluster/index.ts';
import { FarQuotaError } from '../errors.ts';
import { startAgentThrough } from '../testing/agent-process.case.ts';

const folder = temporaryFolder('spill');
const objectBytes = 10_000;
const bytesOf = (id: number, version: number) => new Uint8Array(objectBytes).fill((id * 7 + version * 101) & 255);

/** A file system of 2 MiB that only the process and its children see; needs no root where users may have namespaces. */
const smallDisk = (at: string, ...program: string[]) => [
  ...['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c'],
  ...['mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"', at, ...program],
];
const [unshare, ...mounting] = smallDisk(folder, 'true');
const hasSmallDisks = spawnSync(unshare!, mounting).status === 0;

/** 4096 blocks of 512 bytes: beyond them the kernel refuses with EFBIG. */
const smallFiles = (_: string, ...program: string[]) => ['sh', '-c', 'ulimit -f 4096 && exec "$@"', 'sh', ...program];

describe.each([
  ['that is full', hasSmallDisks, smallDisk],
  ['that refuses to let the file grow', process.platform !== 'win32', smallFiles],
])('an agent that spills to a disk %s', (_, isPossible, launcherOf) => {
  it.skipIf(!isPossible)('refuses what it cannot take, keeps what it took, and takes again after a free', async () => {
    const disk = mkdtempSync(join(folder, 'disk-'));
    const spill = ['--memory', '2MiB', '--spill', join(disk, 'file'), '--spill-size', '1GiB'];
    const agent = await startAgentThrough(launcherOf(disk), ...spill);
    const store = await connectAgents({ agents: [agent.address], integrity: 'crc32' });
    try {
      const held = new Map<number, number>();
      const refusals: unknown[] = [];
      const write = (id: number, version: number) =>
        store.write(1, id, bytesOf(id, version)).then(
          () => void held.set(id, version),
          (error: unknown) => void refusals.push(error),
        );
      const wrong = async () => {
        const into = new Uint8Array(objectBytes);
        let count = 0;
        for (const [id, version] of held) {
          await store.read(1, id, into, 'demand');
          if (Buffer.compare(into, bytesOf(id, version)) !== 0) count++;
        }
        return count;
      };
      await Promise.all(Array.from({ length: 600 }, (_, id) => write(id, 1)));
      // 209 objects are all that the memory could hold, 418 what memory and disk could.
      expect(held.size).toBeGreaterThan(300);
      expect(held.size).toBeLessThan(418);
      expect(refusals).toHaveLength(600 - held.size);
      for (const refusal of refusals) expect(refusal).toBeInstanceOf(FarQuotaError);
      expect(await wrong()).toBe(0);
      // The older half, which lies on the disk.
      const freed = [...held.keys()].slice(0, 150);
      store.free(1, freed);
      for (const id of freed) held.delete(id);
      refusals.length = 0;
      const before = held.size;
      for (let id = 1000; id < 1100; id++) await write(id, 2);
      expect(refusals).toEqual([]);
      expect(held.size).toBe(before + 100);
      expect(await wrong()).toBe(0);
    } finally {
      await store.close();
      await agent.kill();
    }
  });
});
