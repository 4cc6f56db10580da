import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PageTable } from '../../machine/page-table.ts';
import { TrajectoryHistogram } from './histogram.ts';
import { parseRanges } from './ranges.ts';
import { compatTableBuilder, compatTableOf } from './table.ts';

describe('a table of dump rows', () => {
  it('finds every page that was added and no other; the first of repeated rows counts', () => {
    const page = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 2 ** 52 - 1 }));
    const arbitraryRow = fc.record({ page, columns: fc.array(fc.nat(5), { minLength: 5, maxLength: 5 }) });
    fc.assert(
      fc.property(fc.array(arbitraryRow, { maxLength: 300 }), fc.array(page), (rows, others) => {
        const builder = compatTableBuilder(1);
        const expected = new Map<number, number[]>();
        for (const { page: vpn, columns } of rows) {
          const [root, second, third, fourth, target] = columns;
          builder.add(vpn, root!, second!, third!, fourth!, target!);
          if (!expected.has(vpn)) expected.set(vpn, columns);
        }
        const table = builder.build();
        expect([table.listed, table.rows]).toEqual([rows.length, expected.size]);
        for (const vpn of [...expected.keys(), ...others]) {
          const row = table.rowOf(vpn);
          const path = 4 * table.paths[row]!;
          const found = row < 0 ? undefined : [...table.tables.slice(path, path + 4), table.targets[row]!];
          expect(found).toEqual(expected.get(vpn));
        }
      }),
    );
  });

  it('refuses addresses that no machine has', () => {
    expect(() => compatTableBuilder().add(1, 0, 0, 0, 0, 2 ** 52)).toThrow(/row of page 0x1 has an address of 2\^52/);
    expect(() => compatTableBuilder().add(1, 0, Number.NaN, 0, 0, 0)).toThrow(/2\^52/);
  });

  it('counts rows that no reference can find', () => {
    const builder = compatTableBuilder();
    builder.addUnreachable();
    expect(builder.build()).toMatchObject({ listed: 1, rows: 1 });
  });

  it('expands huge leaves of a page table as the dumper does, with tables inside the page', () => {
    const nodes = [5, 6, 7];
    const table = {
      levels: 4,
      mappedPages: 512,
      frameOf: (node: number) => nodes[node]!,
      nodeAt: (_: number, level: number) => 4 - level,
      forEachLeaf: (visit: (vpn: number, frame: number, level: 1 | 2 | 3) => void) => visit(512, 1024, 2),
    } as Partial<PageTable> as PageTable;
    const compat = compatTableOf(table);
    const row = compat.rowOf(512 + 3);
    const path = 4 * compat.paths[row]!;
    expect(compat.rows).toBe(512);
    expect([...compat.tables.slice(path, path + 4)]).toEqual([5, 6, 7, 1024].map((frame) => frame * 4096));
    expect(compat.targets[row]).toBe((1024 + 3) * 4096);
    expect(() => compatTableOf({ ...table, levels: 5 })).toThrow(/5 levels.*--mode correct/);
  });
});

describe('the histogram', () => {
  it('counts trajectories and lists them in the order of their steps', () => {
    const arbitrary = fc.array(fc.array(fc.nat(5), { minLength: 24, maxLength: 24 }), { maxLength: 200 });
    fc.assert(
      fc.property(arbitrary, (trajectories) => {
        const histogram = new TrajectoryHistogram(24);
        const expected = new Map<string, number>();
        for (const steps of [...trajectories, ...trajectories.slice(0, 20)]) {
          histogram.add(Uint8Array.from([...steps, 6]));
          expected.set(steps.join(''), (expected.get(steps.join('')) ?? 0) + 1);
        }
        const values = ['MEMORY', 'L1', 'L2', 'LLC', 'PWC', 'ZERO'];
        const rows = histogram
          .rows()
          .map(({ labels, count }) => [labels.map((label) => values.indexOf(label)).join(''), count]);
        expect(rows).toEqual([...expected].sort(([a], [b]) => (a < b ? -1 : 1)));
      }),
      { numRuns: 50 },
    );
  });
});

describe('range files', () => {
  it('hold a count and one pair of addresses per line', () => {
    expect(parseRanges('2\n7f0000000000,7f0000002000\n0x1000,0x1800\n', 'ranges')).toEqual([
      { start: 0x7f0000000, end: 0x7f0000002 },
      { start: 1, end: 2 },
    ]);
  });

  it('are refused with the line that is wrong', () => {
    expect(() => parseRanges('two\n', 'r')).toThrow(/r, line 1: malformed range file; expected a decimal number/);
    expect(() => parseRanges('2\n1,2\n', 'r')).toThrow(/r, line 3: .*found nothing/);
    expect(() => parseRanges('1\n1,2,3\n', 'r')).toThrow(/r, line 2/);
    expect(() => parseRanges('999999999999\n1,2', 'r')).toThrow(/r, line 3/);
  });
});
