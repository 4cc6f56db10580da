import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason, strataCommand } from '../../../../testing/components.ts';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';

const folder = temporaryFolder('io-tables');

function strata(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [strataCommand, 'io', ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

interface Run {
  readonly translations: number;
  readonly refusedAccesses: number;
  readonly tableReads: number;
  readonly caches: Readonly<Record<string, { readonly hit: number; readonly miss: number }>>;
}

function run(...args: string[]): { readonly document: Run; readonly stderr: string } {
  const { status, stdout, stderr } = strata('run', '--json', ...args);
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  return { document: JSON.parse(stdout), stderr };
}

/** A host table as the published dumper prints it: guest memory from 0 on, a row per 4 KiB page. */
function hostDump(name: string, megabytes: number): string {
  const pages = megabytes * 256;
  const rows = Array.from({ length: pages }, (_, page) =>
    [
      (page * 4096).toString(16).padStart(16, '0'),
      ...['100000000', '100001000', (0x1_0001_0000 + 4096 * (page >> 18)).toString(16)],
      (0x1_0100_0000 + 4096 * (page >> 9)).toString(16),
      (0x40_0000_0000 + 4096 * ((page * 1103) % 1_048_576)).toString(16),
    ].join(),
  );
  writeFileSync(join(folder, name), `${String(pages).padStart(16, '0')}\n${rows.join('\n')}\n`);
  return name;
}

describe('strata io run --tables', () => {
  it('walks the tables that VFIO maps a VM by, for every tenant', () => {
    const tables = hostDump('vm.dump', 1024);
    const trace = 'gen:iperf3,tenants=4,packets=40';
    const { document, stderr } = run('--trace', trace, '--tables', tables, '--queue', '8');
    expect(document).toMatchObject({
      tables: { file: tables, format: 'dmt-dump', place: 'domains', domains: null, pages: 262_144 },
      refusedAccesses: 0,
    });
    // Data pages of 2 MiB in the trace are 512 rows of the dump: one more read each.
    const built = run('--trace', trace, '--queue', '8').document;
    expect(document.translations).toBe(built.translations);
    expect(document.tableReads).toBeGreaterThan(built.tableReads);
    expect(stderr).toBe('');
  });

  it('refuses what they do not map, and says how much', () => {
    const tables = hostDump('small.dump', 16);
    const { document, stderr } = run('--trace', 'gen:iperf3,tenants=1,packets=40', '--tables', tables);
    expect(document.refusedAccesses).toBeGreaterThan(0);
    expect(stderr).toMatch(new RegExp(`${document.refusedAccesses} DMAs were refused.*small\\.dump does not map`));
  });

  it("walks them below the guest's own with two dimensions, and tells each read", () => {
    const tables = hostDump('host.dump', 64);
    const set = ['--set', 'dimensions=2', '--scheme', 'strict', '--queue', '32'];
    const { document } = run('--trace', 'gen:nic,tenants=2,packets=100', '--tables', tables, ...set);
    expect(document).toMatchObject({ tables: { place: 'hosts' }, refusedAccesses: 0 });
    expect(document.caches.HOSTL2!.miss).toBeGreaterThan(0);
    const explained = strata('explain', '--trace', 'gen:nic,tenants=2,packets=100', '--tables', tables, ...set);
    expect(explained.stdout.match(/read of the host's level-\d entry/g)).toHaveLength(20);
  });

  const trace = 'gen:iperf3,tenants=1,packets=10';
  it.each([
    ['a dump that is not there', ['--trace', trace, '--tables', 'none.dump'], /none\.dump/],
    ['a file that is none', ['--trace', trace, '--tables', 'notes.txt'], /notes\.txt: this is no page table/],
    ['a torn dump', ['--trace', trace, '--tables', 'torn.dump'], /torn\.dump, line 3/],
    ['a torn table of a context', ['--trace', trace, '--tables', 'torn.txt'], /torn\.txt, line 2/],
    ['compat mode', ['--trace', trace, '--tables', 'torn.dump', '--mode', 'compat'], /Leave them out, or use --mode/],
    [
      'a scheme with tables of its own',
      ['--trace', trace, '--tables', 'ok.dump', '--scheme', 'strict'],
      /dimensions=2/,
    ],
    ['packets for queues', ['--trace', 'gen:nic', '--tables', 'ok.dump'], /packets for queues/],
    [
      'a host that backs too little',
      ['--trace', 'gen:nic', '--tables', 'ok.dump', '--set', 'dimensions=2'],
      /back no further/,
    ],
  ])('%s is one sentence and exit code 2', (_, args, message) => {
    writeFileSync(join(folder, 'notes.txt'), 'Two network cards, one disk, and a page of notes.\n');
    const row = '0000000000000000,4000000000,4000001000,4000002000,4000004000,5007200000';
    writeFileSync(join(folder, 'torn.dump'), `0000000000000002\n${row}\n${row.slice(0, 40)}\n`);
    writeFileSync(join(folder, 'torn.txt'), 'CE 100 did 12 hi c01 lo 5509001 levels 3 tt 0\n100 12 c00\n');
    writeFileSync(join(folder, 'ok.dump'), `0000000000000001\n${row}\n`);
    const { status, stdout, stderr } = strata('run', ...args);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(2);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });
});

describe.skipIf(!hasReference)(`strata io run --tables of a recorded VM${referenceReason}`, () => {
  it("walks an IOMMU's own tables for the log of its devices", { timeout: 60_000 }, () => {
    const tables = reference('capture/vtd-8tenants-context-slpt.txt.gz');
    const log = reference('capture/vtd-8tenants-strict.log.zst');
    const { document, stderr } = run(
      ...['--trace', log, '--tables', tables, '--scheme', 'persistent-pools', '--queue', '32', '--set', 'levels=3'],
    );
    expect(document).toMatchObject({
      translations: 250_244,
      tables: { format: 'context-tables', place: 'domains', domains: 18 },
    });
    // The tables were read out at the end: pages unmapped by then are refused (specs/capture.md 2.4: 143 of 2,632).
    expect(document.refusedAccesses).toBeGreaterThan(0);
    expect(document.refusedAccesses).toBeLessThan(250_244 / 50);
    expect(stderr).toMatch(/DMAs were refused/);
    // Three levels: no entry of a fourth is ever read.
    expect(document.caches.L4PAGE).toMatchObject({ hit: 0, miss: 0 });
  });
});
