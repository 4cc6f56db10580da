import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../testing/components.ts';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { readContextTables } from './context-tables.ts';

const folder = temporaryFolder('context-tables');

function written(lines: readonly string[], name = 'tables.txt'): string {
  const path = join(folder, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

const context = 'CE 100 did 12 hi c01 lo 5509001 levels 3 tt 0';
const rows = [
  '100 12 c0000000 3 5509018 17ea7003 T',
  '100 12 ffe00000 2 17ea7ff8 17ea8003 T',
  '100 12 ffeb6000 1 17ea85b0 5f28003 L',
  '100 12 ffeb7000 1 17ea85b8 5f29003 L',
];

describe('context entries and their tables', () => {
  it('are read with every table where it lay', async () => {
    const read = (await readContextTables(written([context, ...rows])))!;
    expect([...read.tables.keys()]).toEqual([12]);
    expect(read).toMatchObject({ levels: [3], rows: 4 });
    const table = read.tables.get(12)!;
    expect(table.mappedPages).toBe(2);
    expect(table.translate(0xffeb6)).toBe(0x5f28);
    expect(table.translate(0xffeb7)).toBe(0x5f29);
    expect(table.translate(0xffeb8)).toBe(-1);
    expect([3, 2, 1].map((level) => table.frameOf(table.nodeAt(0xffeb6, level)))).toEqual([0x5509, 0x17ea7, 0x17ea8]);
  });

  it('have large pages, and are read once of a domain that devices share', async () => {
    const shared = ['CE 100 did 12 hi c01 lo 5509001 levels 4 tt 0', 'CE 108 did 12 hi c01 lo 5509001 levels 4 tt 0'];
    const own = ['100 12 0 4 5509000 6000003 T', '100 12 0 3 6000000 7000003 T', '100 12 200000 2 7000008 40000083 L'];
    const again = own.map((row) => row.replace('100', '108'));
    const { tables } = (await readContextTables(written([...shared, ...own, ...again])))!;
    expect(tables.get(12)!.leafLevel(0x200)).toBe(2);
    expect(tables.get(12)!.translate(0x2ff)).toBe(0x400ff);
    expect(tables.get(12)!.mappedPages).toBe(512);
  });

  it('of another file are undefined', async () => {
    expect(await readContextTables(written(['1', '00007f1234567000,1000000,1001000,1002000,1003000,1004000']))).toBe(
      undefined,
    );
  });

  it.each([
    ['a torn line', [context, rows[0]!, '100 12 ffe0'], 3],
    ['an entry of a table that has not come', [context, rows[0]!, rows[2]!], 3],
    ['a device without a context', [context, '108 12 c0000000 3 5509018 17ea7003 T'], 2],
    ['a page mapped twice', [context, ...rows, rows[3]!], 6],
    ['a page that is not aligned to its size', [context, rows[0]!, '100 12 ffe01000 2 17ea7ff8 17e00003 L'], 3],
    ['a level above those of the context', [context, '100 12 0 4 5509018 17ea7003 T'], 2],
    ['an address beyond the levels', [context, '100 12 8000000000 3 5509018 17ea7003 T'], 2],
    ['a table of the last level', [context, ...rows, '100 12 ffeb8000 1 17ea85c0 5f29003 T'], 6],
  ])('with %s name the line', async (_, lines, line) => {
    await expect(readContextTables(written(lines))).rejects.toThrow(new RegExp(`tables\\.txt, line ${line}`));
  });
});

describe.skipIf(!hasReference)(`context entries of a recorded VM${referenceReason}`, () => {
  const file = 'capture/vtd-8tenants-context-slpt.txt.gz';

  it('map each page of each domain to the frame of its leaf, and nothing else', async () => {
    const { tables, rows: count } = (await readContextTables(reference(file)))!;
    const leaves = gunzipSync(readFileSync(reference(file)))
      .toString()
      .split('\n')
      .map((line) => line.split(' '))
      .filter((fields) => fields.length === 7);
    expect(count).toBe(leaves.length);
    const naive = new Map<string, number>();
    for (const [, did, iova, level, , entry, kind] of leaves)
      if (kind === 'L') {
        expect(level).toBe('1');
        naive.set(`${did}:${Number.parseInt(iova!, 16) / 4096}`, Math.floor(Number.parseInt(entry!, 16) / 4096));
      }
    const found = new Map<string, number>();
    for (const [domain, table] of tables) table.forEachLeaf((vpn, frame) => found.set(`${domain}:${vpn}`, frame));
    expect(found).toEqual(naive);
    expect(found.size).toBeGreaterThan(6000);
  });
});
