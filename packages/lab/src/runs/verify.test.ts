import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { perform } from '../studies/perform.ts';
import { studies } from '../studies/registry.ts';
import { recordFile } from './manifest.ts';
import { holdsUp, verifyRun } from './verify.ts';

const folder = temporaryFolder('verify');

const trace = 'gen:gups,size=1MiB,accesses=100';
const quick: readonly (readonly [string, unknown])[] = [
  ['translate', { trace }],
  ['translate-compare', { trace }],
  ['translate-sensitivity', { trace }],
  ['sweep', { base: { trace }, axes: [{ path: 'machine.l2.ways', values: [8, 16] }] }],
  ['reproduce', { only: 'nesting' }],
];

describe('a run that is verified', () => {
  it('has every study take back the configuration that it resolved', () => {
    expect(quick.map(([name]) => name)).toEqual(expect.arrayContaining([...studies.names]));
    for (const [name, given] of quick) {
      const study = studies.get(name);
      const resolved = study.resolve(given);
      expect(study.resolve(resolved)).toEqual(resolved);
    }
  });

  it('refuses another seed for the main job than the one its claims are held against', () => {
    expect(() => studies.get('reproduce').resolve({ seed: 7 })).toThrow(/seed/);
  });

  it('holds for the main job, and is found out when another simulation made it', async () => {
    const run = join(folder, 'nesting');
    const options = { out: run, title: 'nesting', command: [], quiet: true };
    await perform(studies.get('reproduce'), { only: 'nesting' }, options);
    expect((await verifyRun(run, { quiet: true })).at(-1)).toMatchObject({ verdict: 'same' });

    // A forger who also mends the manifest is found by running again alone.
    const stats = join(run, 'stats.json');
    const forged = readFileSync(stats, 'utf8').replace(/"cycles": \d+/, '"cycles": 1');
    writeFileSync(stats, forged);
    const manifest = JSON.parse(readFileSync(join(run, 'manifest.json'), 'utf8'));
    const entry = manifest.outputs.find(({ path }: { path: string }) => path === 'stats.json');
    Object.assign(entry, { ...recordFile(stats), path: 'stats.json' });
    writeFileSync(join(run, 'manifest.json'), JSON.stringify(manifest));
    const checks = await verifyRun(run, { quiet: true });
    expect(checks.filter(({ verdict }) => verdict !== 'same')).toEqual([
      {
        check: 'stats.json, run again',
        verdict: 'differs',
        detail: expect.stringMatching(/^first at line \d+; same v/),
      },
    ]);
    expect(holdsUp(checks)).toBe(false);
  });
});
