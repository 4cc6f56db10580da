import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { StrataError } from '@strata/model/machine';
import fc from 'fast-check';
import { decompress } from 'fzstd';
import { afterAll, describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../testing/components.ts';
import { type DemandImportOptions, importDemand } from './import.ts';
import { pageEventOf } from './kmem.ts';
import { replays } from './placement.ts';
import { timeOf } from './times.ts';

const folder = mkdtempSync(join(tmpdir(), 'strata-demand-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fixturePath = (name: string) => fileURLToPath(new URL(`../../fixtures/elastic/${name}`, import.meta.url));
const fixture = (name: string) => readFileSync(fixturePath(name), 'utf8');

let files = 0;
function written(content: string | Uint8Array): string {
  const path = join(folder, `${files++}.txt`);
  writeFileSync(path, content);
  return path;
}

const read = (content: string | Uint8Array, options: DemandImportOptions = {}) =>
  importDemand(written(content), options);

async function only(content: string, options: DemandImportOptions = {}) {
  const { demands } = await read(content, options);
  expect(demands).toHaveLength(1);
  return demands[0]!;
}

describe('demand as CSV', () => {
  const header = 'mode,run,t_s,rss_mib,used_small_mib,used_huge_mib,cached_mib,total_mib';

  it('keeps one recording per mode and run, with what the name of the mode says', async () => {
    const { demands, format } = await read(
      `${header}\nclang-base-manual,0,0,700,500,600,1,16383\nclang-base-manual,0,6,900,700,800,1,16383\n` +
        'clang-llfree-auto-vfio,1,0,700,,600,1,16383\nclang-llfree-auto-vfio,1,7,700,,650,1,16383\n',
    );
    expect(format).toBe('csv');
    expect(demands.map(({ name }) => name)).toEqual(['clang-base-manual/0', 'clang-llfree-auto-vfio/1']);
    expect(demands[0]).toMatchObject({
      allocator: 'buddy',
      totalMib: 16383,
      recorded: { technique: 'static', vfio: false },
    });
    expect(demands[1]).toMatchObject({ allocator: 'llfree', recorded: { technique: 'hyperalloc', vfio: true } });
    expect([...demands[1]!.usedMib]).toEqual([Number.NaN, Number.NaN]);
  });

  it('reads the artifact’s own columns: bytes, free pages, free frames', async () => {
    const demand = await only(
      `time,rss,small,huge,cached,total\n0,1073741824,262144,256,0,4294967296\n1.7,1073741824,0,0,0,4294967296\n`,
    );
    expect([...demand.usedMib]).toEqual([3072, 4096]);
    expect([...demand.usedHugeMib]).toEqual([3584, 4096]);
    expect([...demand.recorded!.residentMib]).toEqual([1024, 1024]);
  });

  it.each([
    ['a header without demand', 'a,b\n1,2\n', /names no demand/],
    ['no samples', `${header}\n`, /no samples/],
    ['one sample', `${header}\nm,0,0,1,1,1,1,100\n`, /too few samples/],
    [
      'text instead of a number',
      `${header}\nm,0,zero,1,1,1,1,100\n`,
      /line 2: malformed line; expected a time in seconds, or a date/,
    ],
    ['times that go back', `${header}\nm,0,6,1,1,1,1,100\nm,0,5,1,1,1,1,100\n`, /line 3: time goes back/],
    ['no demand in a sample', `${header}\nm,0,0,1,,,1,100\nm,0,5,1,1,1,1,100\n`, /neither pages nor frames/],
    ['no size', 't_s,used_mib\n0,1\n1,2\n', /no size of the VM/],
  ])('refuses %s with a sentence', async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(message);
  });
});

describe('CSV as other tools write it', () => {
  const reference = 't_s,used_small_mib,used_huge_mib,total_mib\n0,1024,2048,4096\n2.5,1536,3072,4096\n';
  const rows = (header: string, ...lines: string[]) => [header, ...lines, ''].join('\n');

  it.each([
    ['with carriage returns', reference.replaceAll('\n', '\r\n')],
    ['with a byte order mark', `\ufeff${reference}`],
    ['with semicolons', reference.replaceAll(',', ';')],
    ['with tabs', reference.replaceAll(',', '\t')],
    ['quoted', reference.replaceAll(/[^,\n]+/g, '"$&"')],
    ['in GiB and minutes', rows('minutes,used_gib,used_huge_gib,total_gib', '0,1,2,4', `${2.5 / 60},1.5,3,4`)],
    ['in KiB', rows('time,used_kb,used_huge_kib,total_kb', '0,1048576,2097152,4194304', '2.5,1572864,3145728,4194304')],
    [
      'in bytes and milliseconds',
      rows(
        'time (ms),used (bytes),used_huge (bytes),total (bytes)',
        '0,1073741824,2147483648,4294967296',
        '2500,1610612736,3221225472,4294967296',
      ),
    ],
    [
      'with milliseconds since the epoch',
      rows(
        'timestamp,used_mib,used_huge_mib,total_mib',
        '1700000000000,1024,2048,4096',
        '1700000002500,1536,3072,4096',
      ),
    ],
    [
      'with dates, in another order, with columns of others',
      rows(
        'total_mib,host,used_huge_mib,used_mib,date',
        '4096,a,2048,1024,2026-01-01T10:00:00.000Z',
        '4096,b,3072,1536,2026-01-01T10:00:02.500Z',
      ),
    ],
  ])('reads it %s', async (_, content) => {
    const { demands, warnings } = await read(content);
    expect(demands[0]).toMatchObject({ totalMib: 4096 });
    const { seconds, usedMib, usedHugeMib } = demands[0]!;
    expect([...usedMib, ...usedHugeMib].map((value) => Math.round(value * 1e6) / 1e6)).toEqual([
      1024, 1536, 2048, 3072,
    ]);
    expect(seconds[1]! - seconds[0]!).toBeCloseTo(2.5, 6);
    expect(warnings).toEqual([]);
  });

  it('reads VMs of the Bitbrains traces, whose milliseconds are seconds', async () => {
    const header =
      'Timestamp [ms];\tCPU cores;\tCPU capacity provisioned [MHZ];\tCPU usage [MHZ];\tCPU usage [%];\tMemory capacity provisioned [KB];\tMemory usage [KB];\tDisk read throughput [KB/s];\tDisk write throughput [KB/s];\tNetwork received throughput [KB/s];\tNetwork transmitted throughput [KB/s]';
    const row = (time: number, usage: number) =>
      `${time};\t4;\t11703.99824;\t10912.027692666666;\t93.23333333333333;\t67108864.0;\t${usage};\t0.13333333333333333;\t20645.466666666667;\t0.0;\t0.5333333333333333`;
    for (const unit of [1, 1000]) {
      const demand = await only(rows(header, row(1376314846 * unit, 6129274.4), row(1376315146 * unit, 6755624)));
      expect([...demand.seconds]).toEqual([0, 300]);
      expect(demand.totalMib).toBe(65536);
      expect(demand.usedMib[0]).toBeCloseTo(6129274.4 / 1024);
    }
  });

  it('leaves out a last line that is cut off, and says so; anywhere else it is refused', async () => {
    const whole = await only(reference);
    for (let cut = 1; cut < 12; cut++) {
      const { demands, warnings } = await read(`${reference}5,1700,3500,4096`.slice(0, -cut));
      expect([...demands[0]!.seconds].slice(0, 2)).toEqual([...whole.seconds]);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toMatch(/line 4: the last line/);
    }
    await expect(read(`${reference}5,1700\n6,1700,3500,4096\n`)).rejects.toThrow(
      /line 4: malformed line; expected 4 cells/,
    );
  });

  it.each([
    ['a size without unit', 'time,used,total\n0,1,2\n1,1,2\n', /the column used has no unit/],
    ['more in use than there is', 'time,used_gib,total_mib\n0,1,16\n1,2,16\n', /uses more than the VM has.*units/],
    ['infinity', 'time,used_mib,total_mib\n0,inf,16\n1,2,16\n', /a number in column 2/],
  ])('refuses %s', async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(message);
  });

  it('leaves out samples that a clock of whole seconds gives the same time', async () => {
    const { demands, warnings } = await read(rows('time,used_mib,total_mib', '7,1,16', '7,2,16', '8,3,16', '8,4,16'));
    expect([...demands[0]!.usedMib]).toEqual([1, 3]);
    expect(warnings[0]).toMatch(/^2 samples have the time of the one before/);
  });

  it('holds 40 bytes per sample of a long recording', async () => {
    const lines = ['t_s,used_mib,total_mib'];
    for (let at = 0; at < 300_000; at++) lines.push(`${at},${at % 900},1024`);
    const demand = await only(`${lines.join('\n')}\n`);
    expect(demand.seconds).toHaveLength(300_000);
    expect(demand.usedMib[299_999]).toBe(299_999 % 900);
  });
});

describe('logs of memory', () => {
  const meminfo = fixture('meminfo.txt');

  it('reads copies of /proc/meminfo between times', async () => {
    const demand = await only(`1700000000\n${meminfo}\n1700000002.5\n${meminfo.replace('17946644', '16922644')}`);
    expect([...demand.seconds]).toEqual([0, 2.5]);
    expect(demand.totalMib).toBeCloseTo(24684096 / 1024);
    expect(demand.usedMib[1]! - demand.usedMib[0]!).toBeCloseTo(1000);
  });

  it('reads them without times, at a rate that is given', async () => {
    const demand = await only(meminfo + meminfo + meminfo, { everySeconds: 5 });
    expect([...demand.seconds]).toEqual([0, 5, 10]);
  });

  it('reads /proc/buddyinfo: pages and frames of 2 MiB that are free', async () => {
    const zone = (counts: string) => `Node 0, zone   Normal ${counts}\n`;
    const log = `1\n${zone('1 0 0 0 0 0 0 0 0 2 3')}2\n${zone('0 0 0 0 0 0 0 0 0 0 0')}`;
    const demand = await only(log, { totalMib: 100 });
    expect(demand.usedMib[0]).toBeCloseTo(100 - 1 / 256 - 16);
    expect([...demand.usedHugeMib]).toEqual([100 - 16, 100]);
    await expect(read(log)).rejects.toThrow(/--total-gib/);
    expect((await only(fixture('buddyinfo.txt').repeat(2), { totalMib: 24 * 1024 })).usedMib).toHaveLength(2);
  });

  it('reads /proc/pagetypeinfo, which counts the same blocks by migrate type', async () => {
    const text = fixture('pagetypeinfo.txt');
    const counts = text
      .split('\n')
      .filter((line) => line.includes(', type'))
      .map((line) => line.trim().split(/\s+/).slice(6).map(Number));
    const pages = counts.flatMap((row) => row.map((count, order) => count * 2 ** order));
    const huge = counts.reduce((sum, row) => sum + row[9]! * 512 + row[10]! * 1024, 0);
    const demand = await only(`1\n${text}2\n${text}`, { totalMib: 24 * 1024 });
    expect(demand.usedMib[1]).toBeCloseTo(24 * 1024 - pages.reduce((sum, each) => sum + each, 0) / 256);
    expect(demand.usedHugeMib[0]).toBeCloseTo(24 * 1024 - huge / 256);
  });

  it('reads virsh dommemstat by its last_update', async () => {
    const one = fixture('virsh-dommemstat-testdriver.txt');
    const demand = await only(one + one.replace('627319920', '627319930').replace('unused 1048576', 'unused 524288'));
    expect([...demand.seconds]).toEqual([0, 10]);
    expect([...demand.usedMib]).toEqual([1024, 1536]);
    expect([...demand.recorded!.residentMib]).toEqual([1024, 1024]);
  });

  it('reads guest-stats of QMP, and leaves out those that the guest never reported', async () => {
    const reply = (update: number, free: number | string) =>
      `{"return": {"stats": {"stat-free-memory": ${free}, "stat-total-memory": 4105633792}, "last-update": ${update}}}\n`;
    const transcript = fixture('qmp-transcript-qemu7.2.jsonl');
    const demand = await only(transcript + reply(10, 1662623744) + reply(10, 1662623744) + reply(12, 1024 ** 3));
    expect([...demand.seconds]).toEqual([0, 2]);
    expect(demand.usedMib[0]).toBeCloseTo((4105633792 - 1662623744) / 2 ** 20);
    await expect(read(transcript)).rejects.toThrow(/reported none/);
  });

  it('reads what the host holds of a VM: statm, smaps_rollup, memory.current', async () => {
    const totalMib = 4096;
    const rollup = (kib: number) =>
      `556e2c1d8000-7ffd6a5fe000 ---p 00000000 00:00 0                          [rollup]\nRss:            ${kib} kB\nPss:             1063 kB\nPss_Dirty:        372 kB\nAnonHugePages:         0 kB\n`;
    for (const log of [
      '10\n1388 262144 430 5 0 141 0\n12\n1388 524288 430 5 0 141 0\n',
      `10\n${rollup(1048576)}12\n${rollup(2097152)}`,
      '10\nmemory.current 1073741824\n12\nmemory.current 2147483648\n',
    ]) {
      const { format, demands } = await read(log, { totalMib });
      expect(format).toBe('host');
      expect([...demands[0]!.seconds]).toEqual([0, 2]);
      expect([...demands[0]!.usedMib]).toEqual([1024, 2048]);
      expect([...demands[0]!.recorded!.residentMib]).toEqual([1024, 2048]);
    }
    await expect(read('1388 439 430 5 0 141 0\n')).rejects.toThrow(/does not tell the size of the VM/);
  });

  it("reads replies of Firecracker's balloon, with a time before each or at even distances", async () => {
    const reply = (free: number) =>
      `{"target_pages": 0, "actual_pages": 0, "target_mib": 0, "actual_mib": 0, "free_memory": ${free}, "total_memory": 2147483648, "available_memory": ${free}, "disk_caches": 0}\n`;
    const timed = await only(`100\n${reply(2 ** 30)}104\n${reply(2 ** 29)}`);
    expect([...timed.seconds]).toEqual([0, 4]);
    expect([...timed.usedMib]).toEqual([1024, 1536]);
    const even = await only(reply(2 ** 30) + reply(2 ** 29) + reply(2 ** 28), { everySeconds: 5 });
    expect([...even.seconds]).toEqual([0, 5, 10]);
    expect(even.totalMib).toBe(2048);
    const torn = await only(reply(2 ** 30) + reply(2 ** 29) + reply(2 ** 28).slice(0, 150));
    expect(torn.seconds.length).toBe(2);
  });

  it('reads logs however they were written: carriage returns, indented, other clocks', async () => {
    const copies = (times: readonly string[], text = meminfo) => times.map((time) => `${time}\n${text}`).join('');
    const seconds = async (log: string) => [...(await only(log)).seconds];
    const plain = copies(['1700000000', '1700000002']);
    expect(await seconds(plain.replaceAll('\n', '\r\n'))).toEqual([0, 2]);
    expect(await seconds(plain.replaceAll('\n', '\n  '))).toEqual([0, 2]);
    expect(await seconds(copies(['1700000000123', '1700000002123']))).toEqual([0, 2]);
    expect((await seconds(copies(['1700000000123456789', '1700000002123456789'])))[1]).toBeCloseTo(2, 5);
    expect(await seconds(copies(['100.25 380.10', '102.25 384.01']))).toEqual([0, 2]);
    expect(await seconds(copies(['Fri Nov 20 13:17:00 CET 2026', 'Fri Nov 20 13:17:02 CET 2026']))).toEqual([0, 2]);
    expect(await seconds(copies(['Fri 20 Nov 2026 01:17:00 PM UTC', 'Fri 20 Nov 2026 01:17:02 PM UTC']))).toEqual([
      0, 2,
    ]);
    expect(await seconds(copies(['=== 12:30:00 2026-11-20 ===', '=== 12:30:02 2026-11-20 ===']))).toEqual([0, 2]);
  });

  it('takes what is usable where a guest does not tell what is unused, and says how statistics are had', async () => {
    const block = (time: number) => `${time}\nactual 2097152\navailable 2000000\nusable 1500000\nrss 1048576\n`;
    expect((await only(block(1) + block(2))).usedMib[0]).toBeCloseTo(500_000 / 1024);
    await expect(read('1\nactual 2097152\nrss 7\n2\nactual 2097152\nrss 7\n')).rejects.toThrow(
      /lacks available.*--period 2/,
    );
  });

  it('reads documents of QMP that are printed over several lines', async () => {
    const reply = (update: number) =>
      JSON.stringify(
        { return: { stats: { 'stat-free-memory': 2 ** 20, 'stat-total-memory': 2 ** 22 }, 'last-update': update } },
        null,
        2,
      );
    const demand = await only(`${reply(5)}\n${reply(6)}\n{"return": {}}\n${reply(8)}\n`, { format: 'qmp' });
    expect([...demand.seconds]).toEqual([0, 1, 3]);
    const { demands, warnings } = await read(`${reply(5)}\n${reply(6)}\n${reply(8)}`.slice(0, -40), { format: 'qmp' });
    expect([...demands[0]!.seconds]).toEqual([0, 1]);
    expect(warnings[0]).toMatch(/cut off/);
  });

  it('leaves out a last sample that is cut off, wherever that is', async () => {
    const three = (text: string) =>
      ['1700000000', '1700000002', '1700000004'].map((time) => `${time}\n${text}`).join('');
    for (const [name, totalMib] of [
      ['meminfo.txt', undefined],
      ['buddyinfo.txt', 24 * 1024],
      ['pagetypeinfo.txt', 24 * 1024],
      ['virsh-dommemstat-testdriver.txt', undefined],
    ] as const) {
      const log = three(fixture(name));
      const options = totalMib === undefined ? {} : { totalMib };
      const whole = await only(log, options);
      const from = log.length - fixture(name).length;
      for (let end = from; end < log.length; end += 7) {
        const { demands, warnings } = await read(log.slice(0, end), options);
        const { usedMib } = demands[0]!;
        expect([...usedMib].slice(0, 2)).toEqual([...whole.usedMib].slice(0, 2));
        // Either the sample is left out, or its lines are whole, or it is said that the last number may not be.
        if (usedMib.length === 3 && warnings.length === 0) expect(usedMib[2]).toBe(whole.usedMib[2]);
      }
    }
  });

  it('refuses times that go back, with the line', async () => {
    await expect(read(`1700000010\n${meminfo}1700000002\n${meminfo}`)).rejects.toThrow(/line 57: time goes back/);
  });

  it('tells times from other lines', () => {
    expect(timeOf('1700000000.25')).toBe(1700000000.25);
    expect(timeOf('# 12')).toBe(12);
    expect(timeOf('2026-11-20T13:17:00Z')).toBe(Date.parse('2026-11-20T13:17:00Z') / 1000);
    expect(timeOf('MemFree: 12 kB')).toBeNaN();
    expect(timeOf('unused 1048576')).toBeNaN();
  });

  it.each([
    ['meminfo', `${meminfo}garbage here\n${meminfo}`, /unknown line/],
    ['meminfo', '1\nMemFree: 12 kB\n2\nMemFree: 13 kB\n', /lacks MemTotal/],
    ['dommemstat', 'actual 12\nactual 13\n', /lacks available/],
    ['qmp', '{"return": {"stats": \n{"return": {}}\n', /line 1: not JSON/],
    ['qmp', '{"return": {"stats": \n', /too few guest statistics/],
  ] as const)('refuses a damaged %s log with its line', async (format, content, message) => {
    await expect(read(content, { format })).rejects.toThrow(message);
  });
});

describe('events of the page allocator', () => {
  it.each(['perf-script-kmem.txt', 'ftrace-trace-kmem.txt', 'trace-cmd-report-kmem.txt'])(
    'reads a real recording: %s',
    async (name) => {
      const { format, counts, demands } = await importDemand(fixturePath(name));
      const lines = fixture(name).split('\n');
      expect(format).toBe('kmem');
      expect(counts!.allocations).toBe(lines.filter((line) => /mm_page_alloc:/.test(line)).length);
      expect(counts!.frees).toBe(lines.filter((line) => /mm_page_free:/.test(line)).length);
      expect(demands[0]!.usedMib.every((mib) => mib >= 0)).toBe(true);
    },
  );

  it('reads numbers of frames in decimal, as older kernels print them', () => {
    expect(pageEventOf(' a b-1 [003] 1.5: mm_page_free: page=0xffff pfn=513 order=2')).toEqual({
      cpu: 3,
      seconds: 1.5,
      frame: 513,
      order: 2,
      allocates: false,
      migrateType: 0,
    });
  });

  it('counts what is in use as a plain set of frames does, with splits, lost events and unknown frees', async () => {
    const event = fc.record({ frame: fc.nat(40), order: fc.nat(3), allocates: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 2, maxLength: 60 }), async (events) => {
        const used = new Set<number>();
        // Only what a kernel can do: blocks are aligned, whole blocks are taken when free and given back in parts or whole.
        const blocks = new Map<number, number>();
        const lines: string[] = [];
        events.forEach(({ frame, order, allocates }, at) => {
          const start = frame - (frame % 2 ** order);
          const frames = Array.from({ length: 2 ** order }, (_, index) => start + index);
          const inOneBlock = [...blocks].some(
            ([from, size]) => from <= start && start + 2 ** order <= from + 2 ** size,
          );
          if (allocates ? frames.some((each) => used.has(each)) : !inOneBlock) return;
          for (const each of frames) allocates ? used.add(each) : used.delete(each);
          if (allocates) blocks.set(start, order);
          else splitBlock(blocks, start, order);
          lines.push(`x-1 [000] ${at}.0: ${allocates ? 'mm_page_alloc' : 'mm_page_free'}: pfn=${start} order=${order}`);
        });
        if (lines.length < 2) return;
        for (const replay of replays) {
          const { demands, counts } = await read(`${lines.join('\n')}\n`, { replay, totalMib: 64 });
          const { usedMib, usedHugeMib } = demands[0]!;
          expect(usedMib.at(-1)! * 256).toBeCloseTo(used.size);
          if (replay === 'recorded') expect(usedHugeMib.at(-1)).toBe(used.size > 0 ? 2 : 0);
          expect(counts).toMatchObject({ unknownFrees: 0, reallocations: 0, refused: 0 });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('counts frees of unknown pages and pages allocated twice', async () => {
    const line = (at: number, event: string) => `x-1 [000] ${at}.0: ${event} order=0\n`;
    const { counts, warnings } = await read(
      line(1, 'mm_page_free: pfn=7') + line(2, 'mm_page_alloc: pfn=8') + line(3, 'mm_page_alloc: pfn=8'),
    );
    expect(counts).toMatchObject({ unknownFrees: 1, reallocations: 1, allocations: 2 });
    expect(warnings).toHaveLength(3);
  });

  it.skipIf(!hasReference)(
    `reads a guest's whole recording in under 2 s of processor time${referenceReason}`,
    async () => {
      const bytes = readFileSync(reference('capture/kmem-guest-ftrace.txt.zst'));
      const start = process.cpuUsage();
      const { counts } = await read(bytes);
      expect(process.cpuUsage(start).user / 1_000).toBeLessThan(2_000);
      const text = Buffer.from(decompress(bytes)).toString('latin1');
      expect(counts!.allocations).toBe(text.match(/ mm_page_alloc: /g)!.length);
      expect(counts!.frees).toBe(text.match(/ mm_page_free: /g)!.length);
    },
  );
});

function splitBlock(blocks: Map<number, number>, start: number, order: number): void {
  for (const [from, size] of blocks) {
    if (!(from <= start && start + 2 ** order <= from + 2 ** size)) continue;
    blocks.delete(from);
    for (let at = from; at < from + 2 ** size; at += 2 ** order) if (at !== start) blocks.set(at, order);
    return;
  }
}

describe('whatever the file', () => {
  const samples = [
    'meminfo.txt',
    'buddyinfo.txt',
    'virsh-dommemstat-testdriver.txt',
    'qmp-transcript-qemu7.2.jsonl',
    'perf-script-kmem.txt',
  ].map(fixture);

  it('a truncated one is read or refused with a sentence', async () => {
    for (const sample of samples)
      for (let end = 1; end < sample.length; end += Math.ceil(sample.length / 150))
        await refusedOrRead(sample.slice(0, end));
  });

  it('a damaged one is read or refused with a sentence', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...samples), fc.nat(), fc.nat(255), async (sample, at, byte) => {
        const bytes = Buffer.from(sample);
        bytes[at % bytes.length] = byte;
        await refusedOrRead(bytes);
      }),
      { numRuns: 150 },
    );
  });

  it('an unknown one is refused with the formats there are', async () => {
    await expect(read('hello\nworld\n')).rejects.toThrow(/expected one of csv, meminfo/);
    await expect(read('')).rejects.toThrow(/empty/);
  });
});

async function refusedOrRead(content: string | Uint8Array): Promise<void> {
  try {
    await read(content, { totalMib: 24 * 1024 });
  } catch (error) {
    if (!(error instanceof StrataError)) throw error;
  }
}
