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
import { timeOf } from './memory-logs.ts';
import { replays } from './placement.ts';

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
      /line 2: malformed line; expected a number in column 3/,
    ],
    ['times that go back', `${header}\nm,0,6,1,1,1,1,100\nm,0,5,1,1,1,1,100\n`, /not later/],
    ['no demand in a sample', `${header}\nm,0,0,1,,,1,100\nm,0,5,1,1,1,1,100\n`, /neither pages nor frames/],
    ['no size', 't_s,used_mib\n0,1\n1,2\n', /no size of the VM/],
  ])('refuses %s with a sentence', async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(message);
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
    ['qmp', '{"return": {"stats": \n', /not JSON/],
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
          const { demands, counts } = await read(lines.join('\n'), { replay, totalMib: 64 });
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
