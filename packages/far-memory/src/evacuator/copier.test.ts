import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';

const beside = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/**
 * Closes while the worker's answer to a plan already waits in the event loop, which nothing else keeps alive: only a process of its own shows
 * whether the promise of `close` is settled before the loop is empty (Node ends with exit code 13 otherwise).
 */
const program = `
import { createViews } from '${beside('../arena/views.ts')}';
import { addMove, createCopier, createMovePlan } from '${beside('copier.ts')}';
const copier = createCopier(createViews(new SharedArrayBuffer(1 << 20)), 'worker');
const plan = createMovePlan();
addMove(plan, 1, 4, 1024, 4096);
await new Promise((resolve) => copier.run(plan, resolve));
const isRunning = new Int32Array(new SharedArrayBuffer(4));
copier.run(plan, () => {});
Atomics.wait(isRunning, 0, 0, 200);
await copier.close();
console.log('closed');
`;

describe('the copying worker', () => {
  it('is closed while a copy is under way, without ending the process that waits for it', async () => {
    const { outputFiles } = await build({
      stdin: { contents: program, resolveDir: beside('.') },
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
    });
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', outputFiles[0]!.text], {
      encoding: 'utf8',
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'closed\n' });
  });
});
