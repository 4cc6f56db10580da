import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { strataCommand } from '../../../../testing/components.ts';

/** Without end, on generators, which never wait for input. */
const endless = [
  'trace validate gen:gups,accesses=1e12',
  'trace info gen:bfs,accesses=1e12',
  'trace head gen:gups,accesses=1e12 5 --skip 1e11',
  'trace generate gups g.parquet --set size=1TiB accesses=1e12',
  'trace generate gups g.strata --set accesses=1e12',
  'translate run --trace gen:zipf,accesses=1e12 --skip 1e11',
  'translate run --trace gen:zipf,accesses=1e12',
];

describe('Ctrl-C', () => {
  it.concurrent.each(endless)('ends `strata %s`, and leaves nothing behind', { timeout: 30_000 }, async (command) => {
    const folder = mkdtempSync(join(tmpdir(), 'strata-interrupt-'));
    try {
      const args = [strataCommand, ...command.split(' '), '--progress'];
      const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
      // The first progress line: it is at work.
      await new Promise((resolve) => child.stderr.once('data', resolve));
      const interruptedAt = performance.now();
      child.kill('SIGINT');
      expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(130);
      expect(performance.now() - interruptedAt).toBeLessThan(5000);
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('ends the command with the same code while it is still loading', async () => {
    const asSoonAsHandled = `setInterval(() => process.listenerCount('SIGINT') > 0 && process.kill(process.pid, 'SIGINT'), 0).unref()`;
    const child = spawn(
      process.execPath,
      ['--import', `data:text/javascript,${asSoonAsHandled}`, strataCommand, 'translate', 'designs'],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (output += text));
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(130);
    expect(output).toBe('');
  });
});
