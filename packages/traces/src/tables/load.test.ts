import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { hexAddress, StrataError } from '@strata/model/machine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../testing/components.ts';
import { loadTables, parseMaps, tableFormats, writeDmtDump } from './index.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'strata-tables-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(content: string | Uint8Array, name = `table-${files++}`): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function refusal(path: string, options = {}): Promise<StrataError> {
  const error = await loadTables(path, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof StrataError) return error;
  throw new Error(`expected a refusal, got ${error}`);
}

const samples: Record<string, string> = {
  'dmt-dump':
    '2\n0000000000401000,20000000,20001000,20003000,20005000,107020000\n00007f92c0000000,20000000,20002000,20004000,20006000,107021000\n',
  pagemap: `# 559af4f12000-559af4f14000 r--p 00000000 fe:00 2148789                    /opt/demo/chase
559af4f12000 1ca9d2 40000086c 1 -xf
# 7f9ba4b06000-7f9ba4b08000 rw-p 00000000 00:00 0
7f9ba4b06000 10f47d 400005828 1 -x-
`,
  'guest-walk': `# cr3 554c000
# va level entry entry_pa kind
0 4 57d1067 554c000 T
0 3 57d2067 57d1000 T
400000 2 57a5067 57d2010 T
401000 1 8000000003a79067 57a5008 L
600000 2 80000000040000e7 57d2018 L
ffff888000000000 4 3801067 554c888 T
ffff888040000000 3 80000000400000e3 3801008 L
`,
  'info-tlb': '0000000000400000: 0000000003a78000 X---A--U-\nffff888001e00000: 0000000001e00000 XGPDA---W\n',
  v2p: `# page map
address_mapping_group {
  page_size: 0x200000
  address_mapping { virtual_address: 0x7f0000200000 physical_address: 0x40000000 }
  address_mapping {
    physical_address: 0x40200000
  }
  information { name: "a { brace" }
}
`,
};

describe('page tables', () => {
  it.each(Object.entries(samples))('in the format %s are recognised, and so when compressed', async (name, text) => {
    const loaded = await loadTables(file(gzipSync(text)));
    expect([loaded.format, loaded.compression]).toEqual([name, ['gzip']]);
    expect(loaded.rows).toBe((await loadTables(file(text), { format: name })).rows);
    expect(loaded.table.mappedPages).toBeGreaterThan(0);
  });

  it('have a sample for every format', () => {
    expect(Object.keys(samples).sort()).toEqual([...tableFormats.names].sort());
  });

  it.each(Object.entries(samples))(
    'in the format %s cut anywhere are read or refused, never worse',
    async (name, text) => {
      for (let bytes = 1; bytes < text.length; bytes++) {
        const outcome = await loadTables(file(text.slice(0, bytes), 'cut'), { format: name }).catch(
          (error: unknown) => error,
        );
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(StrataError);
      }
    },
  );

  it('of a pagemap have the VMAs of its maps lines, and tables above the highest frame', async () => {
    const { table, vmas } = await loadTables(file(samples.pagemap!));
    expect(vmas).toEqual([
      { start: 0x559af4f12, end: 0x559af4f14 },
      { start: 0x7f9ba4b06, end: 0x7f9ba4b08 },
    ]);
    expect(table.translate(0x559af4f12)).toBe(0x1ca9d2);
    const nodes = Array.from({ length: table.nodes }, (_, node) => table.frameOf(node)).sort((a, b) => a - b);
    expect(nodes).toEqual(Array.from({ length: table.nodes }, (_, node) => 0x1ca9d3 + node));
  });

  it('of a pagemap that hides frame numbers get consecutive frames, with a warning', async () => {
    const hidden = samples.pagemap!.replace('1ca9d2', '0').replace('10f47d', '0');
    const { table, warnings } = await loadTables(file(hidden));
    expect(warnings.join()).toMatch(/2 of 2 pages have no frame number.*CAP_SYS_ADMIN/);
    expect(table.translate(0x7f9ba4b06)).toBe(table.translate(0x559af4f12) + 1);
  });

  it('of a pagemap keep huge pages that the flags show', async () => {
    const rows = Array.from(
      { length: 512 },
      (_, page) => `7f00002${page.toString(16).padStart(2, '0').padStart(2, '0')}`,
    );
    const text = rows
      .map((_, page) => `${(0x7f0000200 + page).toString(16)}000 ${(0x400 + page).toString(16)} 400405828 1 -x-\n`)
      .join('');
    const { table } = await loadTables(file(text));
    expect([table.leafLevel(0x7f0000233), table.translate(0x7f0000233)]).toEqual([2, 0x433]);
  });

  it('of a guest walk lie where the walk found them, huge pages included', async () => {
    const { table, rows } = await loadTables(file(samples['guest-walk']!));
    expect(rows).toBe(3);
    expect([table.frameOf(0), table.frameOf(table.nodeAt(0x401, 1))]).toEqual([0x554c, 0x57a5]);
    expect([table.translate(0x401), table.translate(0x6ff), table.leafLevel(0x6ff)]).toEqual([0x3a79, 0x40ff, 2]);
    expect(table.leafLevel(0xffff888040000)).toBe(3);
  });

  it('of a guest walk whose entries are not in the table above are refused', async () => {
    const error = await refusal(file(samples['guest-walk']!.replace('57a5008', '57a6008')));
    expect(error.message).toMatch(/line 6.*expected 0x57a5000, found 0x57a6000/);
  });

  it('of a v2p map have its page size, and 0 for what is left out', async () => {
    const { table } = await loadTables(file(samples.v2p!));
    expect([table.leafLevel(0x7f00002ff), table.translate(0x7f00002ff)]).toEqual([2, 0x400ff]);
    expect(table.translate(1)).toBe(0x40201);
    expect((await refusal(file(samples.v2p!.replace('0x200000', '0x10000')))).message).toMatch(
      /line 4.*page_size.*65536/,
    );
  });

  it('with addresses of 57 bits get a fifth level where the format allows it', async () => {
    const { table } = await loadTables(file(samples.pagemap!.replace('7f9ba4b06000 ', 'ff7f9ba4b06000 ')));
    expect([table.levels, table.translate(0xff7f9ba4b06), table.translate(0x559af4f12)]).toEqual([
      5, 0x10f47d, 0x1ca9d2,
    ]);
  });

  it('may be modelled over the VMAs of a maps file', () => {
    const text =
      '55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0      [heap]\nffffffffff600000-ffffffffff601000 --xp 0 00:00 0 [vsyscall]\n';
    expect(parseMaps(text, 'maps')).toEqual([
      { start: 0x55d0c0000, end: 0x55d0c0021 },
      { start: 0xffffffffff600, end: 0xffffffffff601 },
    ]);
    expect(() => parseMaps('55d0c0000000 rw-p', 'maps')).toThrow(/maps, line 1: .*found "55d0c0000000 rw-p"/);
  });

  it('of no known format are refused with what is known', async () => {
    const error = await refusal(file('hello\nworld\n'));
    expect(error.message).toMatch(/no page table of a known format.*dmt-dump.*found "hello"/s);
    expect((await refusal(file(''))).exitCode).toBe(2);
    expect((await refusal(join(folder, 'absent'))).message).toMatch(/no such file/);
    expect((await refusal(file(samples.v2p!), { format: 'pagemaps' })).message).toMatch(/Did you mean pagemap/);
  });

  it('are written to a file that appears only when complete', async () => {
    const { table } = await loadTables(file(samples['dmt-dump']!));
    const path = join(folder, 'out.dump');
    writeDmtDump(path, table);
    expect((await loadTables(path)).warnings).toEqual([]);
    const five = await loadTables(file(samples.pagemap!.replace('7f9ba4b06000 ', 'ff7f9ba4b06000 ')));
    expect(() => writeDmtDump(join(folder, 'five.dump'), five.table)).toThrow(/five levels/);
    expect((await refusal(join(folder, 'five.dump'))).code).toBe('trace.unreadable');
  });
});

describe.skipIf(!hasReference)(`recorded page tables${referenceReason}`, () => {
  it('of the GUPS run are the same in both units, and the wrong one is pointed out', async () => {
    const bytes = await loadTables(reference('translation/gups0.25.byte.dump.zst'));
    const pfn = await loadTables(reference('translation/gups0.25.pfn.dump.zst'));
    expect([bytes.unit, bytes.rows, bytes.warnings]).toEqual(['bytes', 65_537, []]);
    expect([pfn.unit, pfn.rows, pfn.warnings.length]).toEqual(['pfn', 65_537, 1]);
    let compared = 0;
    bytes.table.forEachLeaf((vpn, frame) => {
      compared += pfn.table.translate(vpn) === frame ? 1 : 0;
    });
    expect(compared).toBe(65_537);
    expect(hexAddress(bytes.table.translate(0x7f92cffff))).toBe('0x10cc20000');
    expect(
      [1, 2, 3, 4].map((level) => hexAddress(bytes.table.frameOf(bytes.table.nodeAt(0x7f92cffff, level)))),
    ).toEqual(['0x20085000', '0x20004000', '0x20002000', '0x20000000']);
  });

  it('of the GUPS host back everything that the guest uses', async () => {
    const host = await loadTables(reference('translation/gups0.25.host.byte.dump.zst'), { addresses: 'physical' });
    expect([host.rows, host.unit]).toEqual([73_863, 'bytes']);
    const guest = await loadTables(reference('translation/gups0.25.byte.dump.zst'));
    const { backGuest, framesBeside, importedSpace } = await import('@strata/model/machine');
    const space = importedSpace(host.table, framesBeside(host.table, 'the host'));
    expect(() => backGuest(guest.table, space, { guest: guest.path, host: host.path })).not.toThrow();
  });

  it('of a live process have its pages and mappings', async () => {
    const { rows, vmas, table } = await loadTables(reference('capture/pagemap-chase-200000.txt.gz'));
    expect(rows).toBe(table.mappedPages);
    expect(rows + vmas.length).toBe(3652);
    let inside = 0;
    table.forEachLeaf((vpn) => {
      inside += vmas.some(({ start, end }) => start <= vpn && vpn < end) ? 1 : 0;
    });
    expect(inside).toBe(rows);
  });

  it('of a VM walked from outside agree with what its monitor printed', async () => {
    const walked = await loadTables(reference('capture/guest-pagetable-walk.txt.gz'));
    const levels = [0, 0, 0, 0];
    walked.table.forEachLeaf((_vpn, _frame, level) => levels[level]!++);
    expect(levels).toEqual([0, 10_965, 684, 0]);
    // 115 tables were read; 65 of them hold no page.
    expect(walked.table.nodes).toBe(50);
    const printed = await loadTables(reference('capture/guest-info-tlb.txt.gz'));
    let agreeing = 0;
    printed.table.forEachLeaf((vpn, frame) => {
      agreeing += walked.table.translate(vpn) === frame ? 1 : 0;
    });
    expect([printed.rows, agreeing]).toEqual([11_649, 11_649]);
  });
});
