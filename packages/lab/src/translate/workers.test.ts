import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { strataCommand } from '../../../../testing/components.ts';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';

const folder = temporaryFolder('workers');

function strata(...args: string[]) {
  return spawnSync(process.execPath, [strataCommand, ...args], { cwd: folder, encoding: 'utf8' });
}

const trace = ['--trace', 'gen:zipf,size=64MiB,accesses=1e3'];
const plugin = join(folder, 'own.mjs');
writeFileSync(
  plugin,
  `export default { name: 'own', summary: 's', source: 's', setups: ['native', 'virtualized'], spec: {}, counters: {},
     create: (spec, { spaces }) => ({ walk: (vpn) => spaces.reduce((page, { table }) => table.translate(page), vpn) }) };`,
);

/** What each prints and writes must not depend on the threads: several set-ups, designs, seeds and variations, and designs of a plugin. */
const studies: readonly (readonly [string, readonly string[]])[] = [
  [
    'translate compare',
    ['translate', 'compare', ...trace, '--setup', 'all', '--designs', 'all', '--seeds', '2', '--plugin', plugin],
  ],
  [
    'translate sensitivity',
    [
      ...['translate', 'sensitivity', ...trace, '--designs', 'radix,fpt,ecpt,dmt,pvdmt', '--seeds', '2'],
      ...['--vary', 'no-walk-caches,huge-pages,fragmented', '--plugin', plugin],
      ...['--set', 'spaces.process.memoryGiB=1', '--set', 'spaces.vm.memoryGiB=2'],
    ],
  ],
  [
    'sweep over translation',
    [
      ...['sweep', ...trace, '--designs', 'radix,fpt,ecpt,dmt,own', '--plugin', plugin],
      ...['--axis', 'setup=native,virtualized', '--axis', 'seed=1,2'],
    ],
  ],
];

describe('with 1, 2 and 3 workers', () => {
  it.each(studies)('%s gives the same bytes', (name, args) => {
    const results = ['1', '2', '3'].map((workers) => {
      const out = `${name.replaceAll(' ', '-')}-${workers}`;
      const { status, stdout, stderr } = strata(...args, '--workers', workers, '--out', out, '--quiet', '--json');
      expect(stderr).toBe('');
      expect(status).toBe(0);
      const files = ['stats.json', 'log.txt'].map((file) => readFileSync(join(folder, out, file), 'utf8'));
      return [stdout, ...files];
    });
    const [one, two, three] = results;
    expect(one![0]).toContain('own');
    expect(two).toEqual(one);
    expect(three).toEqual(one);
  });
});
