import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';
import { FarMemory, u32 } from './index.ts';
import { startAgentProcess } from './testing/agent-process.case.ts';
import { openSmall } from './testing/small-memory.case.ts';

const packageFolder = fileURLToPath(new URL('..', import.meta.url));
const document = (name: string) => readFileSync(join(packageFolder, name), 'utf8');
// Inside the package, so that its own name resolves as a user's would.
const folder = mkdtempSync(join(packageFolder, '.readme-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(file: string): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return stdout;
}

const quickStart = /```ts\n([\s\S]*?)```/.exec(document('README.md'))![1]!;

describe('the quick start', () => {
  it('has ten statements after the import and runs on the built package', () => {
    const lines = quickStart.trim().split('\n').slice(2);
    expect(lines.length).toBeLessThanOrEqual(10);
    const file = join(folder, 'quick-start.mjs');
    writeFileSync(file, quickStart);
    expect(run(file)).toBe('499995000 { vendor: 0, distance: 9999.9 } 7\n');
  });

  it('runs as it is on an agent of its own process', { timeout: 60_000 }, async () => {
    const agent = await startAgentProcess();
    try {
      const file = join(folder, 'quick-start-agent.mjs');
      // Less local memory than the rows take, so that they go there and come back.
      const program = quickStart
        .replace(
          'localBytes: 64 * 2 ** 20, store: createLocalStore()',
          `localBytes: 2 ** 19, segmentBytes: 2 ** 15, agents: ['${agent.address}']`,
        )
        .replace('await far.close();', 'const { misses } = far.stats(); await far.close(); console.log(misses > 0);');
      expect(program).toContain(agent.address);
      writeFileSync(file, program);
      expect(run(file)).toBe('499995000 { vendor: 0, distance: 9999.9 } 7\ntrue\n');
    } finally {
      await agent.kill();
    }
  });

  it('runs bundled into one file, with survivors copied by the worker', async () => {
    const entry = join(folder, 'program.mjs');
    const program = quickStart
      .replace(
        'localBytes: 64 * 2 ** 20,',
        "localBytes: 2 ** 20, segmentBytes: 2 ** 16, evacuation: { copier: 'worker' },",
      )
      .replace(
        'await far.close();',
        'const { evacuated } = far.stats(); await far.close(); console.log(evacuated > 0);',
      );
    writeFileSync(
      entry,
      program.replace(
        'let sum = 0;',
        'let sum = 0; for (let i = 0; i < 2000; i++) for (let t = 0; t < 3; t++) await trips.at(99_000 + (i % 900));',
      ),
    );
    const outfile = join(folder, 'bundle.mjs');
    await build({
      entryPoints: [entry],
      outfile,
      bundle: true,
      minify: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'error',
    });
    expect(run(outfile)).toBe('499995000 { vendor: 0, distance: 9999.9 } 7\ntrue\n');
  });
});

describe('the API reference', () => {
  const reference = document('API.md');

  it('names every call of a far memory and of every structure', async () => {
    const far = await openSmall();
    const structures = [
      far.array(u32, 1),
      far.vector(u32),
      far.map({ key: u32, value: u32 }),
      far.sortedMap({ key: u32, value: u32 }),
      far.list(u32),
      far.queue(u32),
      far.stack(u32),
    ];
    const names = [far, ...structures].flatMap((object) => Object.keys(object));
    // Explained by a rule for all of them, or only there for the far side.
    const implied = new Set(['length', 'group', 'tryPushBack', 'tryPushFront', 'tryPopBack', 'tryPopFront']);
    const missing = names.filter((name) => !implied.has(name) && !new RegExp(`\\b${name}\\b`).test(reference));
    expect(missing).toEqual([]);
    for (const structure of structures) await structure.drop();
  });

  it('names the defaults that hold', async () => {
    const far = await FarMemory.open({ localBytes: 8 * 2 ** 20 });
    expect(far.stats().localBytes / 2 ** 20).toBe(8);
    expect(() => far.alloc(2 ** 20 - 15)).toThrow(/at most 1048560 bytes/);
    await far.close();
  });
});
