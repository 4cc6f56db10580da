import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dimensionsOf } from '@strata/model/translation';
import { describe, expect, it } from 'vitest';
import { cloneRoot, strataCommand } from '../../../../testing/components.ts';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { applicationSpeedup } from './application.ts';

const folder = temporaryFolder('compare');

function strata(...args: string[]) {
  const options = { cwd: folder, encoding: 'utf8' } as const;
  return spawnSync(process.execPath, [strataCommand, 'translate', ...args], options);
}

interface ComparisonRow {
  readonly setup: string;
  readonly design: string;
  readonly speedup: number;
  readonly applicationSpeedup: number | null;
  readonly baselineReferencesPerWalk: number;
}

function compared(...args: string[]): { comparison: ComparisonRow[]; setups: Record<string, unknown> } {
  const { status, stdout, stderr } = strata('compare', '--trace', gups, ...args, '--workers', '1', '--json');
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

const gups = 'gen:gups,size=64MiB,accesses=5e3';

function written(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('strata translate compare', () => {
  it('runs every design in every set-up that it has, with the baseline beside each speedup', () => {
    const { comparison, setups } = compared('--setup', 'all', '--designs', 'all', '--quiet');
    expect(Object.keys(setups)).toEqual(Object.keys(dimensionsOf));
    const pairs = comparison.map(({ setup, design }) => `${setup} ${design}`);
    expect(pairs).toEqual(expect.arrayContaining(['native dmt', 'virtualized pvdmt', 'nested dmt', 'nested shadow']));
    expect(pairs).not.toContain('native shadow');
    for (const { baselineReferencesPerWalk } of comparison) expect(baselineReferencesPerWalk).toBeGreaterThan(0);
  });

  it('estimates the application from a walk overhead, given or measured', () => {
    const perf = written(
      'perf.txt',
      ' 2,000,000,000      cycles\n 1,000,000,000      dtlb_load_misses.walk_pending:u  (80.00%)\n',
    );
    const [given, measured] = [
      ['--walk-overhead', '0.25'],
      ['--perf-stat', perf],
    ].map((more) => compared('--setup', 'virtualized', '--designs', 'pvdmt', '--quiet', ...more!).comparison);
    expect(measured).toEqual(given);
    const active = written(
      'active.json',
      [
        '{"counter-value" : "2000000000.000000", "unit" : "", "event" : "cycles", "event-runtime" : 790333, "pcnt-running" : 100.00}',
        '{"counter-value" : "500000000.000000", "unit" : "", "event" : "dtlb_load_misses.walk_active", "event-runtime" : 790333}',
      ].join('\n'),
    );
    const more = ['--setup', 'virtualized', '--designs', 'pvdmt', '--quiet', '--perf-stat', active];
    expect(compared(...more).comparison).toEqual(given);
    const { speedup, applicationSpeedup: application } = given!.find(({ design }) => design === 'pvdmt')!;
    expect(application).toBeCloseTo(1 / (0.75 + 0.25 / speedup), 12);
  });

  it('repeats itself from the manifest of its run folder', () => {
    const one = strata('compare', '--trace', gups, '--setup', 'native', '--designs', 'dmt', '--out', 'one', '--quiet');
    expect(one.stderr).toBe('');
    const again = spawnSync(process.execPath, [strataCommand, 'run', '--from', 'one/manifest.json', '--out', 'two'], {
      cwd: folder,
    });
    expect(again.status).toBe(0);
    const [first, second] = ['one', 'two'].map((name) => readFileSync(join(folder, name, 'stats.json'), 'utf8'));
    expect(second).toBe(first);
  });

  it.each([
    [['--designs', 'dmt,fpta'], /unknown design fpta/],
    [['--setup', 'native', '--designs', 'shadow'], /design shadow has no native set-up/],
    [['--walk-overhead', '1.5'], /walkOverhead: value out of range/],
    [['--perf-stat', 'nowhere.txt'], /nowhere.txt: cannot read the file/],
    [['--plugin', 'nowhere.ts'], /nowhere.ts: no such file/],
  ])('refuses %j and says why', (args, message) => {
    const { status, stderr, stdout } = strata('compare', '--trace', gups, ...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
  });
});

describe('strata translate sensitivity', () => {
  it('tells which order changes where', () => {
    const { status, stdout } = strata(
      ...['sensitivity', '--trace', gups, '--designs', 'radix,dmt,pvdmt', '--json', '--workers', '1'],
      ...['--vary', 'no-walk-caches,large-nested-tlb'],
    );
    expect(status).toBe(0);
    const document = JSON.parse(stdout) as {
      rankings: { variation: string; ranking: string[] }[];
      changes: { variation: string; ahead: string; behind: string }[];
    };
    expect(document.rankings.map(({ variation }) => variation)).toEqual([
      'as given',
      'no-walk-caches',
      'large-nested-tlb',
    ]);
    // Without walk caches radix makes 24 references, and nothing is behind it.
    expect(document.rankings[1]!.ranking.at(-1)).toBe('radix');
    const before = document.rankings[0]!.ranking;
    for (const { variation, ahead, behind } of document.changes) {
      const { ranking } = document.rankings.find((one) => one.variation === variation)!;
      expect(ranking.indexOf(ahead)).toBeLessThan(ranking.indexOf(behind));
      expect(before.indexOf(behind)).toBeLessThan(before.indexOf(ahead));
    }
  });

  it('repeats itself over seeds, in fragmented memory, with failures beside both indices', () => {
    const { status, stdout } = strata(
      ...[
        'sensitivity',
        '--trace',
        'gen:gups,size=64MiB,accesses=2e3',
        '--designs',
        'dmt',
        '--seeds',
        '2',
        '--workers',
        '1',
      ],
      ...[
        '--vary',
        'fragmented-most,fragmented',
        '--set',
        'spaces.process.memoryGiB=1',
        '--set',
        'spaces.vm.memoryGiB=2',
      ],
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/failed allocations +unusable index +fragmentation index/);
  });

  it("compares in compat mode what the original computes: one cold read, the specification's cycles", () => {
    const trace = written('one.csv', 'address,size,kind\n0x7f1234567120,8,load\n');
    const dumps = ['guest', 'host'].map((name) => join(cloneRoot, `packages/lab/fixtures/${name}.dump`));
    const { status, stdout } = strata(
      ...['compare', '--mode', 'compat', '--setup', 'virtualized', '--trace', trace, '--quiet', '--json'],
      ...['--tables', dumps[0]!, '--host-tables', dumps[1]!],
    );
    expect(status).toBe(0);
    const { comparison }: { comparison: { design: string; cyclesPerWalk: number }[] } = JSON.parse(stdout);
    expect(Object.fromEntries(comparison.map(({ design, cyclesPerWalk }) => [design, cyclesPerWalk]))).toEqual({
      radix: 4800,
      fpt: 1600,
      ecpt: 612,
      asap: 1600,
      agile: 1600,
      dmt: 600,
      pvdmt: 400,
    });
  });

  it('refuses to compare in compat mode without tables, as that builds none', () => {
    const { status, stderr } = strata('compare', '--mode', 'compat', '--trace', gups);
    expect(status).toBe(2);
    expect(stderr).toMatch(/compat mode needs the page tables of the process. Give a dump with --tables/);
  });

  it('refuses a variation that it does not know', () => {
    const { status, stderr } = strata('sensitivity', '--trace', gups, '--vary', 'no-nested-tlbs');
    expect(status).toBe(2);
    expect(stderr).toMatch(/unknown variation no-nested-tlbs/);
  });
});

/** The example of the room's README, as a reader would copy it. */
const room = readFileSync(join(cloneRoot, 'packages/model/src/translation/README.md'), 'utf8');
const example = /```ts\n(import[\s\S]*?)```/.exec(room)![1]!;

describe('a plugin', () => {
  it('is complete in the README in fewer than 80 lines, and runs beside the other designs', () => {
    expect(example.split('\n').length).toBeLessThan(80);
    const plugin = written('hashed.ts', example);
    const { comparison } = compared('--setup', 'native', '--designs', 'all', '--plugin', plugin);
    expect(comparison.map(({ design }) => design)).toContain('hashed');
    const { status, stdout } = strata(
      ...['run', '--trace', gups, '--designs', 'hashed', '--plugin', plugin],
      ...['--set', 'designs.hashed.slots=65536', '--json'],
    );
    expect(status).toBe(0);
    const { designs } = JSON.parse(stdout) as { designs: Record<string, { counters: Record<string, number> }> };
    expect(designs.hashed!.counters.rehashes).toBe(0);
  });

  it('has types in a folder outside of the clone, by the tsconfig.json of the README', () => {
    const [, settings] = /```json\n(\{\n {2}"compilerOptions"[\s\S]*?)```/.exec(room)!;
    const outside = mkdtempSync(join(tmpdir(), 'strata-plugin-'));
    const check = (text: string) => {
      writeFileSync(join(outside, 'hashed.ts'), text);
      const compiler = join(cloneRoot, 'node_modules/typescript/bin/tsc');
      return spawnSync(process.execPath, [compiler, '-p', outside], { encoding: 'utf8' });
    };
    try {
      writeFileSync(join(outside, 'tsconfig.json'), settings!.replaceAll('STRATA', cloneRoot.replace(/\/$/, '')));
      expect(check(example)).toMatchObject({ stdout: '', status: 0 });
      // The types are Strata's, not any.
      expect(check(example.replace('walk(vpn) {', 'walk(vpn) {\n        const text: string = vpn;')).stdout).toMatch(
        /Type 'Vpn' is not assignable to type 'string'/,
      );
    } finally {
      rmSync(outside, { recursive: true });
    }
  });

  it('may be a script, with an import of its own beside it', () => {
    written('name.mjs', "export const name = 'own';\n");
    const plugin = written(
      'own.mjs',
      `import { name } from './name.mjs';
       export default { name, summary: 's', source: 's', setups: ['native'], spec: {}, counters: {},
         create: (spec, { spaces }) => ({ walk: (vpn) => spaces[0].table.translate(vpn) }) };`,
    );
    const { comparison } = compared('--setup', 'native', '--designs', 'own', '--plugin', plugin);
    expect(comparison.map(({ design }) => design)).toEqual(['radix', 'own']);
  });

  it.each([
    ['wrong.mjs', 'export const design = { name: "x" };', 2, /exports no design/],
    ['broken.mjs', 'export const = ;', 2, /cannot be loaded/],
    ['taken.mjs', taken(), 2, /name of a built-in one/],
    ['lies.mjs', taken('lies', 1), 1, /design lies translates page .* wrongly/],
    ['plugin.txt', '', 2, /not a module/],
  ])('%s is refused with its reason', (name, text, code, message) => {
    const { status, stderr } = strata('run', '--trace', gups, '--designs', 'lies', '--plugin', written(name, text));
    expect(stderr).toMatch(message);
    expect(status).toBe(code);
  });
});

function taken(name = 'dmt', offset = 0): string {
  return `export const design = { name: '${name}', summary: 's', source: 's', setups: ['native'], spec: {}, counters: {},
    create: (spec, { spaces }) => ({ walk: (vpn) => spaces[0].table.translate(vpn) + ${offset} }) };`;
}

describe('the speedup of an application', () => {
  it('is none where walks cost nothing, and that of walks where they are everything', () => {
    expect(applicationSpeedup(0, 3)).toBe(1);
    expect(applicationSpeedup(1, 3)).toBeCloseTo(3, 12);
  });
});
