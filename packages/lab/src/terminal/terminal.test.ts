import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StrataError } from '@strata/model/machine';
import fc from 'fast-check';
import { parquetReadObjects } from 'hyparquet';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pendingFile, pendingFolder, writeFileAtomically, writeFilesAtomically } from './atomic-files.ts';
import { parquetOf } from './parquet.ts';
import { createProgress, progressLine } from './progress.ts';
import { formatBytes, formatCount, formatDuration, parseCount, parseSize } from './quantities.ts';
import { renderCsv, renderTable, type Table, tableOf } from './table.ts';

describe('sizes and counts', () => {
  it.each([
    ['4096', 4096],
    ['64k', 65_536],
    ['64K', 65_536],
    ['1GiB', 2 ** 30],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['2 MB', 2_000_000],
    ['1e6', 1_000_000],
    ['128T', 128 * 2 ** 40],
    ['12B', 12],
  ])('reads the size %s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each([
    ['1e6', 1_000_000],
    ['64k', 64_000],
    ['2.3M', 2_300_000],
    ['1_000', 1000],
    ['0', 0],
  ])('reads the count %s', (text, count) => expect(parseCount(text)).toBe(count));

  it.each(['', 'k', '-1', '1.5', '1x', '0x10', '1e99', 'NaN', '1.0001k'])('refuses %j', (text) => {
    expect(() => parseCount(text, '--limit')).toThrow(StrataError);
    expect(() => parseCount(text, '--limit')).toThrow(/^--limit: not a count; expected .*, found/);
  });

  it('reads any whole number back', () =>
    fc.assert(fc.property(fc.maxSafeNat(), (n) => parseCount(String(n)) === n && parseSize(String(n)) === n)));

  it('writes quantities to be read at a glance', () => {
    expect([formatBytes(12), formatBytes(1536), formatBytes(2 ** 40)]).toEqual(['12 B', '1.5 KiB', '1 TiB']);
    expect([formatCount(999), formatCount(1_234_567)]).toEqual(['999', '1.23 M']);
    expect([formatDuration(3.21), formatDuration(185), formatDuration(7800)]).toEqual([
      '3.2 s',
      '3 min 05 s',
      '2 h 10 min',
    ]);
  });
});

const sample: Table = {
  name: 'designs',
  columns: [
    { name: 'design', type: 'text' },
    { name: 'walks', type: 'integer' },
    { name: 'cycles', type: 'real' },
    { name: 'holds', type: 'flag' },
  ],
  rows: [
    { design: 'radix', walks: 1_234_567, cycles: 12.345, holds: true },
    { design: 'a "b", c', walks: null, cycles: undefined, holds: false },
  ],
};

describe('tables', () => {
  it('align numbers to the right and text to the left', () => {
    expect(renderTable(sample)).toBe(
      [
        'design        walks  cycles  holds',
        'radix     1,234,567   12.35  yes',
        'a "b", c          -       -  no',
      ].join('\n'),
    );
  });

  it('never let a control character reach the terminal', () => {
    expect(renderTable(tableOf('t', [{ name: '\x1b[31mred\nline' }]))).toBe('name\n [31mred line');
  });

  it('quote CSV cells that need it and keep every digit', () => {
    expect(renderCsv(sample)).toBe('design,walks,cycles,holds\nradix,1234567,12.345,true\n"a ""b"", c",,,false\n');
  });

  it('come back from Parquet as they went in', async () => {
    const bytes = await parquetOf(sample);
    const rows = await parquetReadObjects({ file: bytes.buffer.slice(0, bytes.byteLength) as ArrayBuffer });
    expect(rows).toEqual([
      { design: 'radix', walks: 1_234_567n, cycles: 12.345, holds: true },
      { design: 'a "b", c', walks: null, cycles: null, holds: false },
    ]);
  });

  it('infer integer columns only when every number is one', () => {
    expect(
      tableOf('t', [
        { a: 1, b: 1 },
        { a: 2, b: 1.5 },
      ]).columns.map(({ type }) => type),
    ).toEqual(['integer', 'real']);
  });
});

describe('atomic files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'strata-test-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('appear under their name only when committed, and leave nothing when discarded', () => {
    const file = pendingFile(join(folder, 'deep', 'out.json'));
    expect(existsSync(join(folder, 'deep', 'out.json'))).toBe(false);
    file.discard();
    expect(readdirSync(join(folder, 'deep'))).toEqual([]);
    writeFileAtomically(join(folder, 'a.txt'), 'x');
    expect(readFileSync(join(folder, 'a.txt'), 'utf8')).toBe('x');
    const run = pendingFolder(join(folder, 'run'));
    writeFileAtomically(join(run.path, 'b.txt'), 'y');
    run.commit();
    expect(readdirSync(folder).sort()).toEqual(['a.txt', 'deep', 'run']);
  });

  it('that belong together are written all or none', () => {
    mkdirSync(join(folder, 'taken'));
    const write = (second: string) =>
      writeFilesAtomically([
        [join(folder, 'first'), '1'],
        [join(folder, second), '2'],
      ]);
    expect(() => write('taken')).toThrow(/taken: cannot write: it is a folder/);
    expect(readdirSync(folder)).toEqual(['taken']);
    write('second');
    expect(readdirSync(folder).sort()).toEqual(['first', 'second', 'taken']);
  });

  it('say why a place cannot be written', () => {
    writeFileAtomically(join(folder, 'plain'), '');
    expect(() => writeFileAtomically(join(folder, 'plain', 'x'), '')).toThrow(StrataError);
    expect(() => writeFileAtomically(join(folder, 'plain', 'x'), '')).toThrow(/cannot write/);
  });
});

describe('progress', () => {
  it('names done, total, share, rate, remaining time and memory', () => {
    expect(progressLine('simulating', 'accesses', { done: 250_000, total: 1_000_000 }, 2)).toMatch(
      /^simulating: 250 k of 1 M accesses, 25 %, 125 k\/s, 6\.0 s left, [\d.]+ [KMG]iB$/,
    );
  });

  it('draws at most four lines a second on a terminal and removes the line at the end', () => {
    const written: string[] = [];
    const stream = { isTTY: true, columns: 80, write: (text: string) => written.push(text) > 0 };
    let time = 0;
    const progress = createProgress({
      label: 'reading',
      unit: 'records',
      stream,
      now: () => time,
    });
    for (time = 0; time <= 1000; time += 10) progress.update({ done: time });
    progress.end();
    expect(written).toHaveLength(5);
    expect(written.at(-1)).toBe('\r\x1b[K');
  });

  it('is sparse where stderr is no terminal, and silent when quiet', () => {
    const written: string[] = [];
    const stream = { isTTY: false, write: (text: string) => written.push(text) > 0 };
    let time = 0;
    const sparse = createProgress({ label: 'a', unit: 'b', stream, now: () => time });
    const silent = createProgress({ label: 'a', unit: 'b', stream, quiet: true, now: () => time });
    for (time = 0; time <= 25_000; time += 100) {
      sparse.update({ done: time });
      silent.update({ done: time });
    }
    expect(written).toHaveLength(2);
  });
});
