import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cloneRoot } from '../../../../testing/components.ts';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';

/** A user's folder, outside the workspace. */
const folder = temporaryFolder('packed-io');
const modules = join(folder, 'node_modules');
const bin = join(modules, '@strata/lab/bin/strata.mjs');
const sweep = ['io', 'sweep', '--tenants', '1,4', '--designs', 'base,hypertrio', '--packets', '10', '--json'];
const packages = ['lab', 'traces', 'model', 'far-memory'];

function run(program: string, words: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(program, words, { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${words.join(' ')} ends with ${status}: ${stdout}${stderr}`);
  return stdout;
}

beforeAll(() => {
  const archives = packages.map((name) => join(cloneRoot, 'packages', name));
  run('npm', ['pack', '--silent', '--pack-destination', folder, ...archives]);
  for (const name of packages) {
    const installed = join(modules, '@strata', name);
    mkdirSync(installed, { recursive: true });
    const archive = readdirSync(folder).find((file) => file.startsWith(`strata-${name}-`))!;
    run('tar', ['-xzf', archive, '--strip-components=1', '-C', installed]);
  }
  // What they depend on, as an installation would fetch it.
  for (const name of readdirSync(join(cloneRoot, 'node_modules')))
    if (name !== '@strata' && !name.startsWith('.'))
      symlinkSync(join(cloneRoot, 'node_modules', name), join(modules, name));
}, 120_000);

describe('strata io of the packages as they are published', () => {
  it.each(['compat', 'correct'])('sweeps on its own workers to the same bytes as without, in %s', (mode) => {
    const [one, two] = ['1', '2'].map((workers) => run(bin, [...sweep, '--mode', mode, '--workers', workers]));
    expect(JSON.parse(one!).points).toHaveLength(4);
    expect(two).toBe(one);
  });

  it('cannot do without the file of its worker, which is the packed one', () => {
    const installed = join(modules, '@strata/lab');
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
    expect(files.filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))).toEqual([]);
    rmSync(join(installed, 'dist/io/sweep-worker.js'));
    expect(() => run(bin, [...sweep, '--workers', '2'])).toThrow(/sweep-worker\.js/);
  });
});
