import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cloneRoot } from '../../../testing/components.ts';

interface Soak {
  readonly operations: Readonly<Record<string, number>>;
  readonly misses: number;
  readonly dirtyWritten: number;
  readonly processes: readonly { readonly name: string; readonly isFlat: boolean }[];
  readonly isFlat: boolean;
}

function soak(...options: string[]): {
  readonly status: number | null;
  readonly report: Soak;
  readonly stderr: string;
} {
  const words = [
    join(cloneRoot, 'scripts/far-soak.mjs'),
    '--built',
    '--json',
    '--slack',
    String(32 * 2 ** 20),
    ...options,
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  return { status, report: stdout === '' ? undefined : JSON.parse(stdout), stderr };
}

// The whole one is `npm run soak`, ten minutes.
describe.skipIf(process.platform !== 'linux')('a short soak of mixed load on two agents', () => {
  it('answers everything rightly, and no process grows', { timeout: 120_000 }, () => {
    const { status, report, stderr } = soak('--seconds', '15');
    expect(stderr).not.toContain('wrong or failed');
    const kinds = ['vector', 'map', 'sorted map', 'queue', 'objects', 'analysis'];
    for (const kind of kinds) expect(report.operations[kind], kind).toBeGreaterThan(0);
    expect(report.misses).toBeGreaterThan(0);
    expect(report.dirtyWritten).toBeGreaterThan(0);
    expect(report.processes.map(({ name }) => name)).toEqual(['client', 'agent 1', 'agent 2']);
    expect([status, report.isFlat]).toEqual([0, true]);
  });

  it('says so when memory does grow', { timeout: 120_000 }, () => {
    const { status, report } = soak('--seconds', '6', '--leak', String(4 * 2 ** 20));
    expect([status, report.isFlat, report.processes[0]!.isFlat]).toEqual([1, false, false]);
  });
});
