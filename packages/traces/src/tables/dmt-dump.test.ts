import { createPageTable, type MutablePageTable, type PageLevel, pagesIn, StrataError } from '@strata/model/machine';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dmtDump } from './dmt-dump.ts';
import { formatDmtDump } from './dmt-dump-writer.ts';
import type { ImportedTables, TableOptions, TableUnit } from './imported-tables.ts';

function read(text: string, options: TableOptions = {}, pieceBytes = 7): Promise<ImportedTables> {
  const bytes = new TextEncoder().encode(text);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
  }
  return dmtDump.read({ path: 'guest.dump', head: bytes.subarray(0, 4096), chunks: chunks() }, options);
}

function dump(table: MutablePageTable, unit: TableUnit = 'bytes'): string {
  let text = '';
  formatDmtDump(
    table,
    (piece) => {
      text += piece;
    },
    { unit },
  );
  return text;
}

function contents(table: MutablePageTable): unknown[] {
  const found: unknown[] = [];
  table.forEachLeaf((vpn, frame, level) => {
    const nodes = [];
    for (let at: number = level; at <= table.levels; at++) nodes.push(table.frameOf(table.nodeAt(vpn, at)));
    found.push({ vpn, frame, level, nodes });
  });
  return found;
}

async function refusal(text: string, options: TableOptions = {}): Promise<StrataError> {
  const error = await read(text, options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof StrataError) return error;
  throw new Error(`expected a refusal, got ${error}`);
}

/** Tables with random 4 KiB pages and, where wanted, huge ones; all frames different, as in a machine. */
function tableArbitrary(huge: boolean): fc.Arbitrary<MutablePageTable> {
  const page = fc.record({
    vpn: fc
      .tuple(fc.constantFrom(0x400, 0x7f1234400, 0x7f1240000, 2 ** 52 - 2 ** 20), fc.nat(2000))
      .map(([base, offset]) => base + offset),
    level: huge ? fc.constantFrom<PageLevel>(1, 1, 2) : fc.constant<PageLevel>(1),
  });
  return fc.array(page, { minLength: 1, maxLength: 40 }).map((pages) => {
    const table = createPageTable({ levels: 4, rootFrame: 1 });
    let nextNode = 2;
    let nextBlock = 1;
    for (const { vpn, level } of pages) {
      const start = vpn - (vpn % pagesIn[level]);
      const isTaken =
        level === 1 ? table.leafLevel(vpn) > 0 : table.leafLevel(start) > 0 || table.nodeAt(start, 1) >= 0;
      if (isTaken) continue;
      // A prime offset in a block of its own: no two small pages make a block, no frame number is a multiple of 4096.
      const frame = 2 ** 20 + nextBlock++ * 512 + (level === 1 ? 7 : 0);
      table.map(start, frame, level, () => nextNode++);
    }
    return table;
  });
}

describe('a DMT dump', () => {
  it('comes back as it was written, frames of tables included, in both units and however it is cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        tableArbitrary(false),
        fc.constantFrom<TableUnit>('bytes', 'pfn'),
        fc.oneof(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 100, max: 10_000 })),
        async (table, unit, pieceBytes) => {
          const text = dump(table, unit);
          const imported = await read(text, {}, pieceBytes);
          expect(imported.unit).toBe(unit);
          expect(imported.rows).toBe(table.mappedPages);
          expect(contents(imported.table)).toEqual(contents(table));
          expect(imported.warnings.length).toBe(unit === 'pfn' ? 1 : 0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('gives huge pages back when folded, and warns of the tables that do not exist when not', async () => {
    await fc.assert(
      fc.asyncProperty(tableArbitrary(true), async (table) => {
        for (const pieceBytes of [7, 100_000]) {
          const folded = await read(dump(table), { unit: 'bytes', foldHugePages: true }, pieceBytes);
          expect(contents(folded.table)).toEqual(contents(table));
        }
        const rows = await read(dump(table), { unit: 'bytes' });
        expect(rows.table.mappedPages).toBe(table.mappedPages);
        let huge = 0;
        table.forEachLeaf((_vpn, _frame, level) => {
          if (level > 1) huge++;
        });
        expect(rows.warnings.join()).toContain(huge > 0 ? `(${huge} of 2 MiB) are expanded to 4 KiB rows` : '');
      }),
      { numRuns: 25 },
    );
  });

  it('with any byte changed reads the same, or is refused in the same words, line by line and in bulk', async () => {
    const outcome = (text: string, unit: TableUnit | undefined, pieceBytes: number) =>
      read(text, unit === undefined ? {} : { unit }, pieceBytes).then(
        ({ table, rows, vmas, warnings }) => ({ contents: contents(table), rows, vmas, warnings }),
        (error: unknown) => (error instanceof StrataError ? `${error.where} ${error.message}` : error),
      );
    const change = fc.record({ at: fc.nat(), to: fc.constantFrom(...'0f9A,x \n\r') });
    await fc.assert(
      fc.asyncProperty(
        tableArbitrary(false),
        fc.constantFrom<TableUnit | undefined>('bytes', 'pfn', undefined),
        fc.constantFrom<TableUnit>('bytes', 'pfn'),
        fc.option(change),
        fc.constantFrom('\n', '\r\n'),
        async (table, read, written, changed, lineBreak) => {
          const text = dump(table, written).replaceAll('\n', lineBreak);
          const at = changed === null ? 0 : changed.at % text.length;
          const damaged = changed === null ? text : text.slice(0, at) + changed.to + text.slice(at + 1);
          expect(await outcome(damaged, read, 100_000)).toEqual(await outcome(damaged, read, 1));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('gives pages of 1 GiB back too', async () => {
    const table = createPageTable({ levels: 4, rootFrame: 1 });
    let node = 2;
    table.map(2 ** 18, 2 ** 20, 3, () => node++);
    table.map(2 ** 19, 3, 1, () => node++);
    const { table: folded, warnings } = await read(dump(table), { foldHugePages: true }, 1 << 20);
    expect(contents(folded)).toEqual(contents(table));
    expect(warnings.join()).toContain('1 of 1 GiB');
  });

  it('leaves 4 KiB pages alone whose tables merely lie in the same GiB, as in any small machine', async () => {
    const table = createPageTable({ levels: 4, rootFrame: 1 });
    let node = 2;
    for (let page = 0; page < 1024; page++) table.map(page, 2 ** 16 + page, 1, () => node++);
    const imported = await read(dump(table), { foldHugePages: true });
    expect(contents(imported.table)).toEqual(contents(table));
    expect(imported.warnings).toEqual([]);
  });

  const rows = [
    '0000000000401000,20000000,20001000,20003000,20005000,107020000',
    '00007f92c0000000,20000000,20002000,20004000,20006000,107021000',
    '00007f92c0001000,20000000,20002000,20004000,20006000,107022000',
  ];
  const text = (lines: readonly string[], count: string | number = lines.length) => `${[count, ...lines].join('\n')}\n`;

  it('may begin with a process id padded with blanks, and end lines as Windows does', async () => {
    expect((await read(text(rows, '            4711'))).rows).toBe(3);
    expect((await read(text(rows).replaceAll('\n', '\r\n'))).rows).toBe(3);
  });

  it('has VMAs where its pages are', async () => {
    const { vmas } = await read(text(rows));
    expect(vmas).toEqual([
      { start: 0x401, end: 0x402 },
      { start: 0x7f92c0000, end: 0x7f92c0002 },
    ]);
  });

  it.each([
    [
      'a count that is not the number of rows',
      text(rows, 4),
      'tables.count-mismatch',
      /line 1.*expected 4 rows, found 3/,
    ],
    ['no count', rows.join('\n'), 'tables.malformed-line', /line 1.*count of rows/],
    ['no rows', '0\n', 'tables.empty', /no page is listed/],
    ['a page twice', text([rows[0]!, rows[0]!]), 'tables.duplicate', /line 3.*twice/],
    [
      'pages out of order',
      text([rows[1]!, rows[0]!]),
      'tables.not-ascending',
      /line 3.*0x7f92c0000000, found 0x401000/,
    ],
    [
      'a row of five columns',
      text([rows[0]!, '00007f92c0000000,1000,2000,3000,4000']),
      'tables.malformed-line',
      /line 3/,
    ],
    ['a row of seven columns', text([`${rows[0]},1`, rows[1]!]), 'tables.malformed-line', /line 2/],
    [
      'a column that is no number',
      text([rows[0]!, rows[1]!.replace('20006000', '2000g000')]),
      'tables.malformed-line',
      /line 3/,
    ],
    [
      'an address inside a page',
      text([rows[0]!.replace('401000', '401008'), rows[1]!]),
      'tables.not-a-page',
      /line 2.*0x401008/,
    ],
    [
      'a frame number among addresses',
      text([...rows.slice(0, 2), rows[2]!.replace('107022000', '107022')]),
      'tables.ambiguous-unit',
      /--unit/,
    ],
    [
      'another root',
      text([rows[0]!, rows[1]!.replace('20000000', '30000000')]),
      'tables.contradiction',
      /line 3.*level-4/,
    ],
    [
      'another table for the same range',
      text([...rows.slice(0, 2), rows[2]!.replace('20006000', '20007000')]),
      'tables.contradiction',
      /line 4.*level-1/,
    ],
    [
      'an address of 57 bits',
      text([rows[0]!, rows[1]!.replace('00007f92', '00ff7f92')]),
      'page-table.address-out-of-range',
      /line 3/,
    ],
  ])('with %s is refused with the place', async (_what, content, code, message) => {
    const error = await refusal(content);
    expect([error.code, error.exitCode]).toEqual([code, 2]);
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/guest\.dump/);
  });

  it('in a unit that it does not show is refused until the unit is given', async () => {
    const aligned = text(['0000000000001000,1000,1000,1000,1000,1000']);
    expect((await refusal(aligned)).message).toMatch(/Say which with --unit bytes or --unit pfn/);
    expect((await read(aligned, { unit: 'pfn' })).table.translate(1)).toBe(0x1000);
    expect((await read(aligned, { unit: 'bytes' })).table.translate(1)).toBe(1);
    expect((await refusal(text(rows.map((row) => row.replaceAll('000,', ','))), { unit: 'bytes' })).message).toMatch(
      /--unit pfn/,
    );
  });

  it('of byte addresses that are said to be frames comes with a warning', async () => {
    const { unit, warnings } = await read(text(rows), { unit: 'pfn' });
    expect([unit, warnings]).toEqual([
      'pfn',
      [expect.stringMatching(/look like byte addresses.*4096 times too large/)],
    ]);
  });

  it('cut anywhere is refused or warned about, never read as a whole', async () => {
    const whole = text(rows);
    for (let bytes = 0; bytes < whole.length; bytes++) {
      const outcome = await read(whole.slice(0, bytes)).catch((error: unknown) => error);
      if (outcome instanceof StrataError) continue;
      expect((outcome as ImportedTables).warnings.join()).toMatch(/may be cut off/);
    }
  });

  it('damaged at random is read or refused with a sentence, never worse', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(250), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 }),
        async (edits) => {
          const bytes = Buffer.from(text(rows), 'latin1');
          for (const [at, value] of edits) bytes[at % bytes.length] = value;
          const outcome = await read(bytes.toString('latin1')).catch((error: unknown) => error);
          if (outcome instanceof Error) expect(outcome).toBeInstanceOf(StrataError);
        },
      ),
      { numRuns: 300 },
    );
  });
});
