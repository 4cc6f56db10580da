import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../testing/components.ts';

const bin = fileURLToPath(new URL('../../bin/strata.mjs', import.meta.url));
const fixture = fileURLToPath(new URL('../../fixtures/vtd-two-tenants.log', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'strata-io-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function strata(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, 'io', ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

function document(...args: string[]): Readonly<Record<string, unknown>> {
  const { status, stdout, stderr } = strata(...args, '--json');
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

describe.skipIf(!hasReference)(`strata io on the reference log${referenceReason}`, () => {
  const log = reference('io/iperf3_vm_16_log_0.txt.zst');
  const line = (file: string, has: RegExp) =>
    JSON.parse(
      readFileSync(reference(`io/${file}`), 'utf8')
        .split('\n')
        .find((text) => has.test(text))!,
    );

  it("builds the original's files, and runs them to its counters under its names", () => {
    const build = line('build_main.jsonl', /"tenants": 16, "order": "rand"/);
    const out = join(folder, 'r');
    strata(...['build', '--log', log, '--tenants', '16', '--order', 'rand', '--out', out, '--mode', 'compat']);
    const hash = (name: string) =>
      createHash('sha256')
        .update(readFileSync(`${out}_${name}.bin`))
        .digest('hex');
    expect([hash('iotlb_trace'), hash('cc_data'), hash('slpt_data')]).toEqual([
      build.sha256_iotlb,
      build.sha256_cc,
      build.sha256_slpt,
    ]);
    const run = line('run_main.jsonl', /"tenants": 16, "order": "rand".*"config": "hypertrio"/);
    const config = reference('io/hypertrio.cfg');
    const found = document(
      ...['run', '--trace', `${out}_iotlb_trace.bin`, '--config', config, '--queue', '32', '--gbps', '200'],
      ...['--replacement', 'lru', '--mode', 'compat'],
    );
    expect(found).toMatchObject({
      timeNs: run.time_ns,
      translations: run.translations,
      packetsDropped: run.pkts_dropped,
      mbps: run.mbps,
      utilization: run.mbps / 200_000,
      caches: { CC: run.CC, IOTLB: run.IOTLB, L2PAGE: run.L2PAGE, L3PAGE: run.L3PAGE },
      prefetch: run.prefetch,
    });
  });
});

describe('strata io', () => {
  it('builds a trace of many tenants from a stock log, and runs it on the machine', () => {
    const built = document('build', '--log', fixture, '--tenants', '6', '--repeat', '--out', 'six');
    expect(built).toMatchObject({ tenants: 6, logs: [{ kind: 'stock', times: 3 }] });
    const run = document('run', '--trace', 'six_iotlb_trace.bin', '--queue', '32');
    expect(run).toMatchObject({ mode: 'correct', scheme: 'persistent-pools' });
    for (const cache of ['CC', 'IOTLB', 'L2PAGE', 'L3PAGE'])
      expect((run.caches as Record<string, unknown>)[cache]).toMatchObject({ hit: expect.any(Number) });
  });

  it('names the knee of a sweep', () => {
    const swept = document(
      ...['sweep', '--tenants', '1,4,64', '--designs', 'base,ptb48', '--packets', '20', '--mode', 'compat'],
    );
    expect(swept.knees).toMatchObject([
      { design: 'base', lastGood: 4, firstBad: 64 },
      { design: 'ptb48', firstBad: null },
    ]);
  });

  it.each(['compat', 'correct'])('sweeps to the same bytes on one thread and on three, in %s', (mode) => {
    const options = ['sweep', '--tenants', '1,4,16', '--designs', 'base,hypertrio', '--packets', '10', '--mode', mode];
    const [one, three] = ['1', '3'].map((workers) => strata(...options, '--json', '--workers', workers));
    expect(one!.status).toBe(0);
    expect(three).toEqual(one);
  });

  it("keeps its memory, however long the trace of the original's model", () => {
    // Tells the peak of its resident memory, in KiB, when all is done.
    const measured = `process.argv.splice(1, 0, ${JSON.stringify(bin)});
      process.on('exit', () => console.error(process.resourceUsage().maxRSS));
      await import(${JSON.stringify(pathToFileURL(bin).href)});`;
    const residentKiB = (packets: number) => {
      const { status, stderr } = spawnSync(
        process.execPath,
        [
          ...['--input-type=module', '--eval', measured, '--'],
          ...['io', 'run', '--trace', `gen:iperf3,tenants=64,packets=${packets}`, '--mode', 'compat', '--quiet'],
        ],
        { encoding: 'utf8' },
      );
      expect(status).toBe(0);
      return Number(stderr);
    };
    const [short, long] = [1000, 16_000].map(residentKiB);
    // The trace that is 2.9 million translations longer would be 137 MiB as a file.
    expect(long! - short!).toBeLessThan(24 * 1024);
  });

  it('sweeps over parameters of a scheme and of the machine, and says from where to where each is good', () => {
    const options = [
      ...['sweep', '--tenants', '8', '--designs', 'deferred', '--packets', '120', '--set', 'cores=1'],
      ...['--axis', 'scheme.batch=4,64', '--axis', 'walkers=1,4', '--axis', 'index=domain,address'],
    ];
    const [one, three] = ['1', '3'].map((workers) => strata(...options, '--json', '--workers', workers));
    expect(three).toEqual(one);
    const { points, plateaus } = JSON.parse(one!.stdout);
    expect(points.map(({ axes }: { axes: object }) => Object.values(axes).join())).toEqual(
      ['4', '64'].flatMap((batch) =>
        ['1', '4'].flatMap((walkers) => ['domain', 'address'].map((index) => `${batch},${walkers},${index}`)),
      ),
    );
    // Axes of words have no from and to.
    expect([...new Set(plateaus.map(({ along }: { along: string }) => along))]).toEqual(['scheme.batch', 'walkers']);
    expect(plateaus).toContainEqual(
      expect.objectContaining({ along: 'walkers', axes: { 'scheme.batch': 4, index: 'domain' }, from: 4, to: 4 }),
    );
  });

  it('runs a configuration from a file, over which the command line wins', () => {
    const yaml = 'architecture: hypertrio\nscheme: { deferred: { batch: 32 } }\nmachine: { iotlb: { entries: 64 } }\n';
    writeFileSync(join(folder, 'run.yaml'), yaml);
    const args = ['run', '--trace', 'gen:iperf3,tenants=2,packets=20', '--config', 'run.yaml'];
    expect(document(...args)).toMatchObject({
      scheme: 'deferred',
      schemeValues: { batch: 32 },
      machine: { queueEntries: 32, gbps: 200, iotlb: { entries: 64, ways: 8 }, deviceTlb: { partitions: 8 } },
    });
    const given = document(...args, '--queue', '4', '--gbps', '100', '--scheme', 'strict', '--set', 'iotlb.entries=32');
    expect(given).toMatchObject({
      scheme: 'strict',
      machine: { queueEntries: 4, gbps: 100, iotlb: { entries: 32, ways: 8 } },
    });
  });

  it('explains one DMA with steps that add up', () => {
    const explained = document('explain', '--trace', 'gen:iperf3,tenants=4,packets=20', '--translation', '100');
    const steps = explained.steps as { what: string; nanoseconds: number }[];
    expect(explained.descriptor).toMatchObject({ packet: 33, part: 'data buffer', iova: '0x2c000000' });
    expect(steps.map(({ what }) => what)).toContain('device TLB');
    expect(steps.reduce((sum, { nanoseconds }) => sum + nanoseconds, 0)).toBe(explained.totalNs);
  });

  it("explains one DMA of the original's model too, to the time that it reports", () => {
    const explained = document(
      ...['explain', '--trace', 'gen:iperf3,tenants=4,packets=20', '--translation', '0', '--mode', 'compat'],
    );
    // A context miss, then both page caches miss for a 4 KiB page (specs/io.md 2.3).
    expect(explained).toMatchObject({ totalNs: 1949, reportedNs: 1950, descriptor: { packet: 0, did: 0 } });
    expect((explained.steps as { what: string }[]).map(({ what }) => what)).toContain('L3 page cache (1 GiB)');
  });

  const trace = 'gen:iperf3,tenants=4,packets=20';
  it.each([
    ['a trace that is not there', ['run', '--trace', 'nothing.bin'], /nothing\.bin/],
    [
      'a log in compat mode',
      ['run', '--trace', fixture, '--mode', 'compat'],
      /not a translation record.*strata io build/,
    ],
    [
      'a file that is neither log nor trace',
      ['run', '--trace', 'notes.txt'],
      /notes\.txt record 0: not a translation record/,
    ],
    ['the same in compat', ['run', '--trace', 'notes.txt', '--mode', 'compat'], /notes\.txt record 0: not a transl/],
    [
      'nor one to build of',
      ['build', '--log', 'notes.txt', '--tenants', '1', '--out', 'x'],
      /notes\.txt: no translation/,
    ],
    [
      'a torn line',
      ['run', '--trace', 'torn.log'],
      /torn\.log line 2: a line of vtd_dmar_translate without its fields/,
    ],
    ['the same to build of', ['build', '--log', 'torn.log', '--tenants', '1', '--out', 'x'], /torn\.log line 2:/],
    ['a torn record', ['run', '--trace', 'torn.bin'], /torn\.bin record \d+: the last record is torn/],
    ['zero ways', ['run', '--trace', trace, '--config', 'zero.cfg'], /section IOTLB: 64 entries in zero ways/],
    ['an unknown key of the .cfg', ['run', '--trace', trace, '--config', 'epg.cfg'], /line 2: unknown key epg/],
    ['a link too fast for whole nanoseconds', ['run', '--trace', trace, '--gbps', '20000', '--mode', 'compat'], /Q4/],
    ['an unknown workload', ['run', '--trace', 'gen:iperf'], /Did you mean iperf3/],
    ['an unknown key of the machine', ['run', '--trace', trace, '--set', 'walker=3'], /Did you mean walkers/],
    ['a switch of the original', ['run', '--trace', trace, '--in-order'], /Add --mode compat/],
    ['more tenants than devices', ['build', '--log', fixture, '--tenants', '9', '--out', 'x'], /found 2\..*--repeat/],
    ['a log without translations', ['build', '--log', 'empty.log', '--tenants', '1', '--out', 'x'], /no translation/],
    [
      'a device without a context',
      ['build', '--log', 'late.log', '--tenants', '1', '--out', 'x'],
      /01:00\.0, SID 0x100/,
    ],
    ['an unknown quirk', ['build', '--log', fixture, '--tenants', '1', '--out', 'x', '--quirks', 'wrap'], /wrapAround/],
    ['an axis without values', ['sweep', '--axis', 'walkers'], /walkers=1,2,4/],
    ['a parameter that the scheme lacks', ['sweep', '--designs', 'strict', '--axis', 'scheme.batch=4'], /key batch/],
    ['an axis in compat mode', ['sweep', '--axis', 'walkers=4', '--mode', 'compat'], /Use --mode correct/],
    ['a key of a configuration', ['run', '--trace', trace, '--config', 'key.yaml'], /key\.yaml.*machine\.walkers/],
    [
      'a configuration of the machine in compat mode',
      ['run', '--trace', trace, '--config', 'key.yaml', '--mode', 'compat'],
      /Use --mode correct/,
    ],
    ['an order that is none', ['build', '--log', fixture, '--tenants', '1', '--out', 'x', '--order', 'up'], /rr, rand/],
    ['no such translation', ['explain', '--trace', trace, '--translation', '999'], /from 0 to 239/],
  ])('%s is one sentence and exit code 2, with nothing written', (_, args, message) => {
    writeFileSync(join(folder, 'zero.cfg'), configuration.replace('assoc:8', 'assoc:0'));
    writeFileSync(join(folder, 'epg.cfg'), configuration.replace('size:1536', 'epg:4'));
    writeFileSync(join(folder, 'empty.log'), 'vtd_dmar_enable enable 1\n');
    writeFileSync(join(folder, 'late.log'), late);
    writeFileSync(join(folder, 'torn.log'), late.slice(0, late.indexOf('gpa')));
    writeFileSync(join(folder, 'notes.txt'), 'Shopping list: two network cards, one disk, and a page of notes.\n');
    writeFileSync(join(folder, 'key.yaml'), 'walkers: 3\n');
    const record = [1, 1 << 16, 0x1000, 0, 0xfffff000, 0xffffffff, 1, 0, 3, 0, 0xffffffff, 0xffffffff];
    writeFileSync(join(folder, 'torn.bin'), new Uint32Array([...record, ...record]));
    truncateSync(join(folder, 'torn.bin'), 90);
    const before = readdirSync(folder).length;
    const { status, stdout, stderr } = strata(...args);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n').length).toBeLessThanOrEqual(2);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(readdirSync(folder)).toHaveLength(before);
  });

  const page = (sid: number, domain: number, at: number) => [
    `vtd_iotlb_page_hit IOTLB page hit sid 0x${sid.toString(16)} iova 0x${at}000 slpte 0x3 domain 0x${domain}`,
    `vtd_dmar_translate dev 0${sid >> 8}:00.00 iova 0x${at}000 -> gpa 0x0 mask 0xfff`,
  ];
  const context = (bus: number) =>
    `vtd_iotlb_cc_update IOTLB context update bus 0x${bus} devfn 0x0 high 0x${bus}01 low 0x5509001 gen 0 -> gen 1`;

  it('warns of translations from before their device has a domain, where a log is run as it is', () => {
    const early = 'amdvi_translation_result devid: 00:04.0 gpa 0xffffb402 hpa 0x61f3000';
    const known = 'amdvi_cache_update  update iotlb domid 0x2 devid: 00:04.0 gpa 0xffffb402 hpa 0x61f3000';
    writeFileSync(join(folder, 'early.log'), `${[early, early, known, early, early, early].join('\n')}\n`);
    const { status, stderr } = strata('run', '--trace', 'early.log', '--json');
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /early\.log: 2 translations left out, from before the line that gives their device a domain/,
    );
  });

  it('warns of a device that no context entry names, where a log is run as it is', () => {
    writeFileSync(join(folder, 'late.log'), late);
    const run = strata('run', '--trace', 'late.log', '--json');
    expect(run.status).toBe(0);
    expect(run.stderr).toMatch(/late\.log: no context entry of 01:00\.0, SID 0x100; the domain is taken from look-ups/);
  });

  it.each(['rand', 'orig'])('names the tenants that have not enough for one turn of a build, in order %s', (order) => {
    const long = Array.from({ length: 6 }, (_, at) => page(0x100, 1, at + 1)).flat();
    writeFileSync(join(folder, 'short.log'), `${[context(1), context(2), ...long, ...page(0x200, 2, 1)].join('\n')}\n`);
    const args = ['build', '--log', 'short.log', '--tenants', '2', '--out', 'short', '--order', order];
    const { status, stderr } = strata(...args);
    expect(status).toBe(0);
    if (order === 'orig') expect(stderr).toBe('');
    else expect(stderr).toMatch(/1 of 2 tenants have fewer than the 3 translations of one turn.*domains 1 \(quirk Q16/);
  });

  it('SID collisions of the original are a warning that names them', () => {
    const lines = Array.from({ length: 24 }, (_, device) => {
      const sid = ((2 + device) << 3).toString(16);
      return `vtd_iotlb_page_update IOTLB page update sid 0x${sid} iova 0x1000 slpte 0x3 level 0x1 domain 0x${(device + 1).toString(16)}`;
    });
    writeFileSync(join(folder, 'a_vm_24_log_0.txt'), `${lines.join('\n')}\n`);
    const log = 'a_vm_24_log_0.txt';
    const { status, stderr } = strata(
      ...['build', '--log', log, log, '--tenants', '48', '--out', 'c', '--mode', 'compat'],
    );
    expect(status).toBe(0);
    expect(stderr).toMatch(/8 SIDs belong to several tenants \(quirk Q14\): SID 0x90 = domains 16, 24/);
  });
});

const section = (name: string, size: number, ways: number, groups = 1) =>
  `${name}\nsize:${size}\nassoc:${ways}\ngroups:${groups}\nhistlen:2\n`;
const configuration = [
  section('CC', 1536, 1536),
  section('IOTLB', 64, 8),
  section('L2PAGE', 512, 16),
  section('L3PAGE', 1024, 16),
  section('PREFETCH', 0, 32, 0),
].join('');
const late = [
  'vtd_iotlb_page_hit IOTLB page hit sid 0x100 iova 0x1000 slpte 0x3 domain 0x1',
  'vtd_dmar_translate dev 01:00.00 iova 0x1000 -> gpa 0x0 mask 0xfff',
  '',
].join('\n');
