import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cloneRoot } from '../../../testing/components.ts';
import { strataIn } from '../../../testing/in-process.ts';

/** The command in a folder of its own, in which the clone's packages are visible as in the clone. */
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-cli-'));
  symlinkSync(join(cloneRoot, 'packages'), join(folder, 'packages'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const strata = (...args: string[]) => strataIn(folder, args);

async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await strata(...args, '--json');
  expect(stderr).not.toMatch(/error/);
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

const gups = 'gen:gups,size=64MiB,accesses=2e4';
const guest = 'packages/lab/fixtures/guest.dump';
const host = 'packages/lab/fixtures/host.dump';
const onePage = ['--tables', guest, '--host-tables', host, '--setup', 'virtualized'];

describe('the contract of strata translate run', () => {
  it.each(['native', 'virtualized', 'nested'])('holds in correct mode, %s', async (setup) => {
    const designs = setup === 'native' ? 'radix' : 'radix,shadow';
    const document = await json('translate', 'run', '--trace', gups, '--setup', setup, '--designs', designs);
    expect(Object.keys(document)[0]).toBe('schemaVersion');
    expect(document).toMatchObject({
      setup,
      mode: 'correct',
      trace: { references: 20_000 },
      walks: expect.any(Number),
      referencesPerWalk: expect.any(Number),
      tlb: expect.any(Object),
      walkCaches: expect.any(Object),
      histogram: expect.any(Array),
    });
    for (const name of designs.split(','))
      expect(document.designs).toHaveProperty(
        name,
        expect.objectContaining({ cyclesPerWalk: expect.any(Number), speedup: expect.any(Number) }),
      );
  });

  it('holds in compat mode: the cold walk of 24 references, in the order of the original', async () => {
    writeFileSync(join(folder, 'one.csv'), 'addr,kind\n0x7f1234567120,load\n');
    const document = await json(
      'translate',
      'run',
      '--trace',
      'one.csv',
      ...onePage,
      '--mode',
      'compat',
      '--prefetcher',
      'none',
    );
    expect(document).toMatchObject({ mode: 'compat', setup: 'virtualized', walks: 1, referencesPerWalk: 24 });
    const [row] = document.histogram as { labels: string[]; count: number }[];
    expect(row!.labels.slice(0, 24)).toEqual(Array(24).fill('MEMORY'));
    expect(row!.count).toBe(1);
    const designs = document.designs as Record<string, { cyclesPerWalk: number }>;
    expect(
      Object.fromEntries(Object.entries(designs).map(([name, { cyclesPerWalk }]) => [name, cyclesPerWalk])),
    ).toEqual({ radix: 4800, fpt: 1600, ecpt: 612, asap: 1600, agile: 1600, dmt: 600, pvdmt: 400 });
  });

  it('reads the tables in correct mode too', async () => {
    writeFileSync(join(folder, 'one.csv'), 'addr,kind\n0x7f1234567120,load\n');
    const document = await json('translate', 'run', '--trace', 'one.csv', ...onePage, '--prefetcher', 'none');
    expect(document).toMatchObject({ mode: 'correct', walks: 1, referencesPerWalk: 24 });
  });

  it('obeys --cores, --prefetcher, --warmup, --page, --machine, --set, --skip, --limit and --seed', async () => {
    const configuration = await json(
      ...['config', 'show', '--resolved', '--trace', gups, '--cores', '2', '--prefetcher', 'none', '--warmup', '1e3'],
      ...[
        '--page',
        'thp',
        '--machine',
        'artifact',
        '--set',
        'machine.l2.ways=8',
        '--skip',
        '5',
        '--limit',
        '1k',
        '--seed',
        '7',
      ],
    );
    expect(configuration).toMatchObject({
      warmup: 1000,
      skip: 5,
      limit: 1000,
      seed: 7,
      spaces: { process: { page: 'thp' }, vm: { page: 'thp' } },
      machine: { cores: 2, prefetcher: 'none', l2: { ways: 8 } },
    });
  });

  it('explains the walk of an address: 24 references, all from memory', async () => {
    const { references } = (await json(
      'translate',
      'explain',
      '--va',
      '0x7f1234567120',
      ...onePage,
      '--design',
      'radix',
    )) as {
      references: { where: string; cycles: number; address: string; label: string }[];
    };
    expect(references).toHaveLength(24);
    expect(references.every(({ where, cycles }) => where === 'memory' && cycles === 200)).toBe(true);
    expect(references[0]!.address).toMatch(/^0x10003[0-9a-f]{3}$/);
  });
});

describe('what a user does wrong gets a sentence and exit code 2', () => {
  it.each<[string, string[], RegExp]>([
    ['an unknown design', ['--trace', gups, '--designs', 'radyx'], /unknown design radyx.*Did you mean radix/],
    ['no trace', [], /no trace/],
    ['an unreadable path', ['--trace', 'nowhere.trace'], /nowhere\.trace/],
    ['an empty file', ['--trace', 'empty'], /empty/],
    ['a machine that cannot be', ['--trace', gups, '--set', 'machine.l2.ways=7'], /machine\.l2/],
    [
      'an unknown key',
      ['--trace', gups, '--set', 'machine.l3.ways=7'],
      /there is no setting machine\.l3\.ways.*machine\.l2\.ways/,
    ],
    ['a count that is none', ['--trace', gups, '--limit', 'many'], /--limit: not a count/],
    ['tables that are none', ['--trace', gups, '--tables', 'nowhere.dump'], /nowhere\.dump/],
    ['compat without tables', ['--trace', gups, '--mode', 'compat'], /needs the page tables/],
    ['an unknown set-up', ['--trace', gups, '--setup', 'twice'], /Allowed choices/],
    ['a design without the set-up', ['--trace', gups, '--designs', 'shadow'], /no native set-up/],
    ['an unknown option', ['--trase', gups], /Did you mean --trace/],
    ['quirks without compat mode', ['--trace', gups, '--quirks', 'all'], /--quirks: .*--mode compat/],
    ['quirks set without compat mode', ['--trace', gups, '--set', 'quirks=none'], /--quirks: .*--mode compat/],
    ['host tables without a VM', ['--trace', gups, ...onePage, '--setup', 'native'], /--host-tables: .*--setup virt/],
    ['a design given twice', ['--trace', gups, '--designs', 'radix,radix'], /design radix is given twice/],
    ['a design listed twice', ['--trace', gups, '--set', 'designs=[radix, radix]'], /design radix is given twice/],
    ['an empty machine', ['--trace', gups, '--machine', './empty'], /empty: the file describes nothing/],
    ['empty tables', ['--trace', gups, '--tables', 'empty'], /empty: the file is empty.*expected page tables/],
    [
      'empty tables in compat mode',
      ['--trace', gups, '--mode', 'compat', '--setup', 'native', '--tables', 'empty'],
      /expected page tables/,
    ],
  ])('%s', async (_, options, message) => {
    writeFileSync(join(folder, 'empty'), '');
    const { status, stdout, stderr } = await strata('translate', 'run', ...options, '--out', 'runs/bad');
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(existsSync(join(folder, 'runs/bad'))).toBe(false);
    if (existsSync(join(folder, 'runs')))
      expect(readdirSync(join(folder, 'runs')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('a warm-up that leaves nothing to measure is told loudly', async () => {
    const run = (warmup: string) => strata('translate', 'run', '--trace', gups, '--warmup', warmup);
    for (const [warmup, shown] of [
      ['2e4', '20,000'],
      ['1e9', '1,000,000,000'],
    ] as const)
      expect(await run(warmup)).toMatchObject({
        status: 0,
        stderr: expect.stringMatching(
          `NOTHING WAS MEASURED: the warm-up of ${shown} accesses took the whole trace of 20,000`,
        ),
      });
    expect((await run('19999')).stderr).not.toMatch(/NOTHING/);
  });

  it('tables of another process are told loudly, however many of its accesses they lack', async () => {
    const run = await strata('translate', 'run', '--trace', gups, '--setup', 'native', '--tables', guest);
    expect(run.status).toBe(0);
    expect(run.stderr).toMatch(/NOTHING WAS MEASURED: ([\d,]+) of \1 accesses are to pages that the tables do not map/);
  });

  it('a setting that does not exist is told the nearest one', async () => {
    const run = (setting: string) => strata('translate', 'run', '--trace', gups, '--set', setting);
    expect(await run('machine.caches.l2.way=8')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^strata: --set: there is no setting .* Did you mean machine\.l2\.ways\?/),
    });
  });

  it('a setting may leave out the machine and the main array of a TLB', async () => {
    const ways = async (setting: string) => {
      const { stdout } = await strata('translate', 'run', '--trace', gups, '--set', setting, '--json');
      return JSON.parse(stdout).tlb;
    };
    const eight = await ways('machine.tlb.l2.page4k.ways=8');
    expect(await ways('tlb.l2.ways=8')).toEqual(eight);
    expect(await ways('tlb.l2.ways=1')).not.toEqual(eight);
  });

  it('a guest page that the host tables lack names the guest-physical address', async () => {
    const lines = readFileSync(join(folder, host), 'utf8').trimEnd().split('\n');
    writeFileSync(join(folder, 'short-host.dump'), ['4', ...lines.slice(1, -1)].join('\n').concat('\n'));
    const { status, stderr } = await strata(
      'translate',
      'explain',
      '--va',
      '0x7f1234567120',
      '--tables',
      guest,
      '--host-tables',
      'short-host.dump',
      '--setup',
      'virtualized',
    );
    expect(stderr).toMatch(/0x280000000000/);
    expect(status).toBe(2);
  });

  it('commands and verbs that do not exist', async () => {
    for (const words of [['transalte'], ['translate', 'rum'], ['translate']])
      expect((await strata(...words)).status).toBe(2);
  });
});

describe('run folders', () => {
  const out = 'runs/kept';
  beforeAll(async () => {
    const { status, stderr } = await strata(
      'translate',
      'run',
      '--trace',
      gups,
      '--setup',
      'virtualized',
      '--designs',
      'shadow',
      '--out',
      out,
      '--quiet',
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('hold the manifest, statistics, tables, figures, report and log', async () => {
    expect(readdirSync(join(folder, out)).sort()).toEqual([
      'figures',
      'log.txt',
      'manifest.json',
      'report.html',
      'stats.json',
      'tables',
    ]);
    const manifest = JSON.parse(readFileSync(join(folder, out, 'manifest.json'), 'utf8'));
    expect(manifest).toMatchObject({
      study: 'translate',
      seed: 42,
      exitStatus: 0,
      interrupted: false,
      configuration: { trace: gups },
    });
    for (const figure of ['cycles-per-walk', 'references-per-step', 'walk-latency']) {
      expect(readFileSync(join(folder, out, 'figures', `${figure}.svg`), 'utf8')).toMatch(/^<svg /);
      for (const beside of ['vl.json', 'csv'])
        expect(existsSync(join(folder, out, 'figures', `${figure}.${beside}`))).toBe(true);
    }
  });

  it('hold a report that fetches nothing', async () => {
    const report = readFileSync(join(folder, out, 'report.html'), 'utf8');
    expect(report).not.toMatch(/(src|href)="(?!#)|url\((?!#|"?#)|@import|<script/);
    expect(report.match(/<svg /g)).toHaveLength(3);
    expect(report).toContain('What is not modelled');
  });

  it('are never overwritten', async () => {
    const { status, stderr } = await strata('translate', 'run', '--trace', gups, '--out', out);
    expect(stderr).toMatch(/there already/);
    expect(status).toBe(2);
  });

  it('are verified by hash and by running again', async () => {
    expect(await json('verify', out)).toMatchObject({ holds: true });
  });

  it('fail verification when a byte was changed', async () => {
    cpSync(join(folder, out), join(folder, 'runs/forged'), { recursive: true });
    const stats = join(folder, 'runs/forged/stats.json');
    writeFileSync(stats, readFileSync(stats, 'utf8').replace(/"walks": \d/, '"walks": 9'));
    const { status, stdout } = await strata('verify', 'runs/forged', '--hashes-only', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ holds: false });
    expect(status).toBe(1);
    rmSync(join(folder, 'runs/forged'), { recursive: true });
  });

  it('are repeated from the manifest with the same statistics', async () => {
    const { status } = await strata('run', '--from', `${out}/manifest.json`, '--out', 'runs/again', '--quiet');
    expect(status).toBe(0);
    expect(readFileSync(join(folder, 'runs/again/stats.json'))).toEqual(readFileSync(join(folder, out, 'stats.json')));
  });

  it('answer SQL', async () => {
    const { rows } = (await json(
      'query',
      "select run, design, walks from designs where run = 'kept' order by design",
    )) as {
      rows: unknown[];
    };
    expect(rows).toEqual([
      { run: 'kept', design: 'radix', walks: expect.any(Number) },
      { run: 'kept', design: 'shadow', walks: expect.any(Number) },
    ]);
    const wrong = await strata('query', 'select nonsense from designs');
    expect(wrong.stderr).toMatch(/DuckDB says.*Tables: designs/);
    expect(wrong.status).toBe(2);
  });

  it('give PNGs of their figures', async () => {
    expect((await json('figure', out, '--png', '--out', 'pictures')).figures).toHaveLength(3);
    expect(readFileSync(join(folder, 'pictures/walk-latency.png')).subarray(1, 4).toString()).toBe('PNG');
  });
});

describe('sweeps', () => {
  const axes = ['--trace', gups, '--axis', 'setup=native,virtualized', '--axis', 'machine.l2.ways=8,16'];

  it('give the same bytes for any number of workers', async () => {
    const kept: Buffer[][] = [];
    for (const workers of ['1', '2']) {
      const out = `runs/sweep-${workers}`;
      expect((await strata('sweep', ...axes, '--workers', workers, '--out', out, '--quiet')).status).toBe(0);
      kept.push(['stats.json', 'tables/designs.parquet'].map((file) => readFileSync(join(folder, out, file))));
    }
    const [one, two] = kept;
    expect(one).toEqual(two);
    const { points } = JSON.parse(String(one![0]));
    expect(points.map((point: { axes: unknown }) => point.axes)).toEqual([
      { setup: 'native', 'machine.l2.ways': 8 },
      { setup: 'native', 'machine.l2.ways': 16 },
      { setup: 'virtualized', 'machine.l2.ways': 8 },
      { setup: 'virtualized', 'machine.l2.ways': 16 },
    ]);
  });

  it('tell a mistake in any point before simulating one', async () => {
    const { status, stderr } = await strata('sweep', '--trace', gups, '--axis', 'machine.l2.ways=8,7');
    expect(stderr).toMatch(/machine\.l2/);
    expect(status).toBe(2);
  });
});
