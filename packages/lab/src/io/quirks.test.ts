/**
 * A test per quirk of the original's trace constructor, configuration and command line (specs/io.md section 6, Q14 to Q28), by the command:
 * what it is in `compat`, and what `correct` has instead. Those of the performance model are in packages/model/src/io/quirks.test.ts; Q29 is
 * about the collector's own scripts, of which there are none here.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const bin = fileURLToPath(new URL('../../bin/strata.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'strata-quirks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const modes = ['compat', 'correct'] as const;

function strata(...args: string[]) {
  const { HYPERSIO_HOME: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, 'io', ...args], {
    cwd: folder,
    encoding: 'utf8',
    env,
  });
  return { status, stdout, stderr };
}

const hex = (value: number) => `0x${value.toString(16)}`;
const sidOf = (slot: number) => slot << 3;
const context = (slot: number, domain: number, generation = 1, bus = 0) =>
  `1@2.000003:vtd_iotlb_cc_update IOTLB context update bus ${hex(bus)} devfn ${hex(sidOf(slot))} high ${hex((domain << 8) | 1)} low 0x10a000001 gen ${generation} -> gen 2`;
const page = (slot: number, domain: number, iova = 0x1000, bus = 0) =>
  `1@2.000003:vtd_iotlb_page_update IOTLB page update sid ${hex((bus << 8) | sidOf(slot))} iova ${hex(iova)} slpte 0x6bf000003 level 0x1 domain ${hex(domain)}`;
const fetch = (domain: number, iova: number, entry: number) =>
  `1@2.000003:vtd_slpte_fetch SLPTE fetch: high ${hex((domain << 8) | 1)} low 0x10a000001 iova ${hex(iova)} level 0x1 addr 0x10a000000 slpte ${hex(entry)}`;
const pages = (slot: number, domain: number, count: number) => Array.from({ length: count }, () => page(slot, domain));

interface Built {
  readonly status: number | null;
  readonly stderr: string;
  readonly document: { readonly tenants: number; readonly translations: number };
  readonly records: DataView;
  readonly contexts: DataView;
  readonly tables: DataView;
}

function build(mode: string, logs: readonly (readonly string[])[], args: readonly string[], lineEnd = '\n'): Built {
  const paths = logs.map((lines, index) => {
    const path = `q_vm_24_log_${index}.txt`;
    writeFileSync(join(folder, path), lines.map((line) => line + lineEnd).join(''));
    return path;
  });
  for (const file of readdirSync(folder).filter((name) => name.startsWith('out_'))) rmSync(join(folder, file));
  const { status, stdout, stderr } = strata(
    ...['build', '--log', ...paths, '--out', 'out', '--mode', mode, '--json', ...args],
  );
  const view = (suffix: string) => {
    if (status !== 0) return new DataView(new ArrayBuffer(0));
    const { buffer, byteOffset, byteLength } = readFileSync(join(folder, `out_${suffix}.bin`));
    return new DataView(buffer, byteOffset, byteLength);
  };
  return {
    status,
    stderr,
    document: status === 0 ? JSON.parse(stdout) : { tenants: 0, translations: 0 },
    records: view('iotlb_trace'),
    contexts: view('cc_data'),
    tables: view('slpt_data'),
  };
}

const recordBytes = 48;
function idsOf({ records }: Built): { readonly sid: number; readonly did: number }[] {
  return Array.from({ length: records.byteLength / recordBytes }, (_, at) => ({
    sid: records.getUint16(at * recordBytes + 4, true),
    did: records.getUint16(at * recordBytes + 6, true),
  }));
}

const inBothModes = <Value>(of: (mode: (typeof modes)[number]) => Value) => modes.map(of);
const distinct = (values: readonly number[]) => new Set(values).size;

describe('quirks of the trace constructor', () => {
  it('Q14: SIDs of logs of more than 16 devices collide; in correct each device has its own', () => {
    const log = Array.from({ length: 24 }, (_, device) => [
      context(2 + device, device + 1),
      ...pages(2 + device, device + 1, 3),
    ]).flat();
    const built = inBothModes((mode) => build(mode, [log, log], ['--tenants', '48']));
    expect(built.map((one) => distinct(idsOf(one).map(({ sid }) => sid)))).toEqual([40, 48]);
    expect(built.map((one) => distinct(idsOf(one).map(({ did }) => did)))).toEqual([48, 48]);
    expect(built[0]!.stderr).toMatch(/8 SIDs belong to several tenants \(quirk Q14\): SID 0x90 = domains 16, 24/);
    expect(built[1]!.stderr).not.toMatch(/Q14/);
  });

  it('Q15: the numbers wrap at 16 bits, so that 514 logs give 512 tenants; in correct 514', () => {
    const log = [context(2, 1), ...pages(2, 1, 3)];
    const built = inBothModes((mode) => build(mode, [log], ['--tenants', '514', '--repeat']));
    expect(built.map(({ document }) => document.tenants)).toEqual([512, 514]);
  });

  it('Q16: in turn goes a round too far when a stream has ended exactly, and ends a turn early; in correct turns are whole', () => {
    const log = (first: number, second: number) => [
      ...[context(2, 1), context(3, 2)],
      ...[...pages(2, 1, first), ...pages(3, 2, second)],
    ];
    const counts = (first: number, second: number, ...args: string[]) =>
      inBothModes((mode) => build(mode, [log(first, second)], ['--tenants', '2', ...args]).document.translations);
    expect(counts(6, 12)).toEqual([15, 12]);
    // The first tenant's second turn has one of three, and the packets behind it mix two tenants.
    expect(counts(4, 6)).toEqual([10, 6]);
    const [mixed, whole] = inBothModes((mode) =>
      idsOf(build(mode, [log(4, 6)], ['--tenants', '2']))
        .map(({ did }) => did)
        .join(''),
    );
    expect([mixed, whole]).toEqual(['0001110111', '000111']);
    expect(counts(7, 12, '--order', 'rand')).toEqual([19, 18]);
    expect(build('correct', [log(2, 12)], ['--tenants', '2'])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/fewer translations than one turn takes.*at least 3/s),
    });
  });

  it('Q17: a device whose domain changes is two tenants; one in correct', () => {
    const log = [context(2, 1), ...pages(2, 1, 3), context(2, 5), ...pages(2, 5, 3)];
    const [compat, correct] = inBothModes((mode) => build(mode, [log], ['--tenants', '1']));
    expect([compat!.document.tenants, correct!.document.tenants]).toEqual([2, 1]);
    expect(compat!.stderr).toMatch(/more domains than tenants were asked for: 2 \(quirk Q17\)/);
    expect(correct!.stderr).toMatch(/devices whose domain changed \(quirk Q17\): 00:02\.0/);
  });

  it('Q18: the generation is read as hexadecimal, table records carry the domain of the log and overwrite those of others', () => {
    const log = (entry: number) => [context(2, 7, 10), fetch(7, 0x1000, entry), ...pages(2, 7, 3)];
    const built = inBothModes((mode) => build(mode, [log(0x1003), log(0x2003)], ['--tenants', '2']));
    const tableBytes = 42;
    expect(built.map(({ contexts }) => contexts.getUint16(18, true))).toEqual([0x10, 10]);
    expect(built.map(({ tables }) => tables.byteLength / tableBytes)).toEqual([1, 2]);
    const owners = ({ tables }: Built) =>
      Array.from({ length: tables.byteLength / tableBytes }, (_, at) => tables.getUint16(at * tableBytes, true)).sort();
    expect(built.map(owners)).toEqual([[7], [0, 1]]);
  });

  it.each(modes)('Q19: a binary log, at which the original loops for ever, is refused in %s', (mode) => {
    const records = new Uint8Array(400);
    for (let at = 0; at < records.length; at += 40) records[at] = 1;
    writeFileSync(join(folder, 'binary_vm_1_log_0.bin'), records);
    const before = readdirSync(folder);
    const { status, stdout, stderr } = strata(
      ...['build', '--log', 'binary_vm_1_log_0.bin', '--tenants', '1', '--out', 'none', '--mode', mode],
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/no translation of a tenant/);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('Q20: carriage returns and buses other than 0 give no event, which is refused; in correct they do', () => {
    const log = [context(2, 1), ...pages(2, 1, 3)];
    const crlf = inBothModes((mode) => build(mode, [log], ['--tenants', '1'], '\r\n'));
    expect(crlf.map(({ status, document }) => [status, document.translations])).toEqual([
      [2, 0],
      [0, 3],
    ]);
    expect(crlf[0]!.stderr).toMatch(/quirk Q20/);
    const far = [context(2, 1, 1, 1), page(2, 1, 0x1000, 1), page(2, 1, 0x2000, 1), page(2, 1, 0x3000, 1)];
    const otherBus = inBothModes((mode) => build(mode, [far], ['--tenants', '1']));
    expect(otherBus.map(({ status, document }) => [status, document.translations])).toEqual([
      [2, 0],
      [0, 3],
    ]);
  });

  it.each(modes)(
    'Q21: an unknown order, with which the original writes nothing and succeeds, is refused in %s',
    (mode) => {
      const { status, stderr } = build(mode, [[context(2, 1), ...pages(2, 1, 3)]], ['--tenants', '1', '--order', 'up']);
      expect(status).toBe(2);
      expect(stderr).toMatch(/rr, rand, orig/);
    },
  );

  it.each(modes)('Q22: domains are numbered as they appear, which decides their partitions, in %s', (mode) => {
    const log = [context(3, 9), context(2, 4), ...pages(3, 9, 3), ...pages(2, 4, 3)];
    const dids = idsOf(build(mode, [log], ['--tenants', '2', '--order', 'orig'])).map(({ did }) => did);
    expect(dids).toEqual([0, 0, 0, 1, 1, 1]);
  });
});

describe('quirks of the command line and the configuration', () => {
  const trace = 'gen:iperf3,tenants=2,packets=10';

  it('Q23: in-order and selective runs take options by the names that they have, and do not abort', () => {
    for (const option of ['--in-order', '--selective'])
      expect(strata('run', '--trace', trace, option, '--mode', 'compat', '--json').status).toBe(0);
    expect(strata('run', '--trace', trace, '--tenantnum', '2').status).toBe(2);
  });

  it('Q24: an unknown policy is refused, a missing one is LRU', () => {
    expect(strata('run', '--trace', trace, '--replacement', 'fifo', '--mode', 'compat')).toMatchObject({
      status: 2,
      stdout: '',
    });
    expect(JSON.parse(strata('run', '--trace', trace, '--mode', 'compat', '--json').stdout)).toMatchObject({
      replacement: 'lru',
      translations: 60,
    });
  });

  it.each(modes)('Q25: a missing trace is refused in %s', (mode) => {
    const { status, stdout, stderr } = strata('run', '--trace', 'missing_iotlb_trace.bin', '--mode', mode);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/missing_iotlb_trace\.bin/);
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

  it.each(modes)(
    'Q26: faults of a configuration are told with their line, blank lines and carriage returns are none, in %s',
    (mode) => {
      const run = (text: string) => {
        writeFileSync(join(folder, 'a.cfg'), text);
        return strata('run', '--trace', trace, '--config', 'a.cfg', '--mode', mode, '--json');
      };
      const plain = run(configuration);
      expect(plain.status).toBe(0);
      expect(run(configuration.replaceAll('\n', '\r\n\r\n'))).toEqual(plain);
      const refused = (text: string) => {
        const { status, stdout, stderr } = run(text);
        expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
        return stderr;
      };
      expect(refused(configuration.replace('size:1536', 'epg:1536'))).toMatch(/a\.cfg line 2: unknown key epg/);
      expect(refused(configuration.replace('assoc:8\ngroups:1', 'assoc:8\ngroups:0'))).toMatch(
        /zero partitions|partitions: value out of range/,
      );
      expect(refused(configuration.replace('assoc:8', 'assoc:0'))).toMatch(/section IOTLB: 64 entries in zero ways/);
      expect(refused('')).toMatch(/a\.cfg/);
      const missing = strata('run', '--trace', trace, '--config', 'missing.cfg', '--mode', mode);
      expect(missing).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(/no such configuration/) });
    },
  );

  it.each(modes)('Q27: an empty trace, an empty queue, no history and no distance are refused in %s', (mode) => {
    writeFileSync(join(folder, 'empty_iotlb_trace.bin'), '');
    const prefetching = configuration.replace('PREFETCH\nsize:0', 'PREFETCH\nsize:8');
    writeFileSync(join(folder, 'history.cfg'), prefetching.replace(/(PREFETCH[\s\S]*)histlen:2/, '$1histlen:0'));
    writeFileSync(join(folder, 'distance.cfg'), prefetching.replace('assoc:32', 'assoc:0'));
    for (const args of [
      ['--trace', 'empty_iotlb_trace.bin'],
      ['--trace', trace, '--queue', '0'],
      ['--trace', trace, '--config', 'history.cfg'],
      ['--trace', trace, '--config', 'distance.cfg'],
    ])
      expect([args, strata('run', ...args, '--mode', mode)]).toEqual([
        args,
        { status: 2, stdout: '', stderr: expect.stringMatching(/\S/) },
      ]);
  });

  it('Q28: more tenants than DIDs have bits for are refused, help is help, and no variable has to be set', () => {
    const { status, stderr } = strata('run', '--trace', 'gen:iperf3,tenants=65537,packets=1', '--mode', 'compat');
    expect(status).toBe(2);
    expect(stderr).toMatch(/65,?536/);
    expect(strata('run', '-h')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^Usage: strata io run/) });
  });
});
