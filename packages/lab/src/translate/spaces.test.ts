import { join } from 'node:path';
import { createPageTable, guestPage, indexAt, type PageTable, pagesIn } from '@strata/model/machine';
import { resolveTranslationConfig } from '@strata/model/translation';
import { writeDmtDump } from '@strata/traces/tables';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../../../testing/temporary-folder.ts';
import { split } from './configuration.ts';
import { prepareSpaces } from './spaces.ts';
import { translate } from './study.ts';

const folder = temporaryFolder('spaces');

const base = 0x7f12_34400;

/** A 2 MiB range of pages: which are there, and in which frames. */
interface Range {
  readonly hole: number | undefined;
  readonly order: 'contiguous' | 'misaligned' | 'backwards';
}

/** Dumps of a process with these ranges, and of a host that maps just what the guest uses. */
function dumpsOf(ranges: readonly Range[]) {
  const guest = createPageTable({ levels: 4, rootFrame: 1 });
  let node = 2;
  for (const [range, { hole, order }] of ranges.entries()) {
    const block = 0x10000 + 1024 * range + (order === 'misaligned' ? 3 : 0);
    for (let page = 0; page < 512; page++)
      if (page !== hole)
        guest.map(base + 512 * range + page, block + (order === 'backwards' ? 511 - page : page), 1, () => node++);
  }
  const host = createPageTable({ levels: 4, rootFrame: 0x100000, addresses: 'physical' });
  let hostNode = 0x100001;
  let hostFrame = 0x200000;
  const back = (frame: number) => {
    if (host.translate(guestPage(frame)) < 0) host.map(guestPage(frame), hostFrame++, 1, () => hostNode++);
  };
  for (let frame = 1; frame < node; frame++) back(frame);
  guest.forEachLeaf((_vpn, frame) => back(frame));
  const paths = { tables: join(folder, 'guest.dump'), hostTables: join(folder, 'host.dump') };
  writeDmtDump(paths.tables, guest);
  writeDmtDump(paths.hostTables, host);
  return { paths, guest };
}

async function prepare(given: Record<string, unknown>) {
  const { input, rest } = split(translate.resolve({ trace: 'gen:gups', ...given }));
  const { of, warnings } = await prepareSpaces(input, resolveTranslationConfig(rest));
  return { tables: of(0).map(({ table }) => table), warnings };
}

/** Walks in every dimension; -1 where a host page is missing. */
function walk(tables: readonly PageTable[], page: number): number {
  const [table, ...below] = tables;
  if (table === undefined) return page;
  for (let level: number = table.levels; level >= 1; level--) {
    const node = table.nodeAt(page, level);
    if (node >= 0 && walk(below, table.frameOf(node)) < 0) return -1;
  }
  const frame = table.translate(page);
  return frame < 0 ? -1 : walk(below, frame);
}

const rangesArbitrary: fc.Arbitrary<Range[]> = fc.array(
  fc.record({
    hole: fc.option(fc.nat(511), { nil: undefined }),
    order: fc.constantFrom('contiguous', 'misaligned', 'backwards'),
  }),
  { minLength: 1, maxLength: 4 },
);

describe('recorded tables with --page thp', () => {
  it.each(['native', 'virtualized', 'nested'])(
    'get a huge page for exactly the ranges that are full, and every walk still arrives (%s)',
    async (setup) => {
      await fc.assert(
        fc.asyncProperty(rangesArbitrary, async (ranges) => {
          const { paths, guest } = dumpsOf(ranges);
          const files = setup === 'native' ? { tables: paths.tables } : paths;
          const { tables, warnings } = await prepare({ ...files, setup, page: 'thp' });
          expect(tables[0]!.mappedPages).toBe(guest.mappedPages);
          for (const [range, { hole, order }] of ranges.entries()) {
            for (const page of [0, 1, 255, 511].map((offset) => base + 512 * range + offset)) {
              const isMapped = guest.translate(page) >= 0;
              const level = hole === undefined ? 2 : 1;
              expect(tables[0]!.leafLevel(page)).toBe(isMapped ? level : 0);
              if (level === 1 || order === 'contiguous') expect(tables[0]!.translate(page)).toBe(guest.translate(page));
              if (level === 2) expect(tables[0]!.translate(page) % pagesIn[2]).toBe(indexAt(page, 1));
              if (isMapped) expect(walk(tables, page)).toBeGreaterThanOrEqual(0);
            }
          }
          const full = ranges.filter(({ hole }) => hole === undefined);
          const inPlace = full.filter(({ order }) => order === 'contiguous').length;
          expect(warnings[0]).toContain(
            `${full.length} full 2 MiB ranges became huge pages (--page thp): ${inPlace} in place, ${full.length - inPlace} moved`,
          );
        }),
        { numRuns: 12 },
      );
    },
  );

  it('stay as recorded with --page 4k', async () => {
    const { paths, guest } = dumpsOf([{ hole: undefined, order: 'contiguous' }]);
    const { tables, warnings } = await prepare({ ...paths, setup: 'virtualized' });
    expect(warnings).toEqual([]);
    expect(tables[0]!.leafLevel(base)).toBe(1);
    expect(tables[0]!.translate(base)).toBe(guest.translate(base));
  });

  it('keep their huge pages, also those that a dumper expanded, and say so', async () => {
    const table = createPageTable({ levels: 4, rootFrame: 1 });
    let node = 2;
    table.map(base, 0x10000, 2, () => node++);
    const path = join(folder, 'huge.dump');
    writeDmtDump(path, table);
    const { tables, warnings } = await prepare({ tables: path });
    expect(tables[0]!.leafLevel(base)).toBe(2);
    expect(warnings.join()).toMatch(/made huge leaves again.*1 huge pages stay as recorded/);
  });
});

describe('what recorded tables cannot do is refused with a remedy', () => {
  it.each(['2m', '1g'])('--page %s', async (page) => {
    const { paths } = dumpsOf([{ hole: 1, order: 'contiguous' }]);
    await expect(prepare({ tables: paths.tables, page })).rejects.toThrow(/--page thp/);
    await expect(prepare({ ...paths, setup: 'virtualized', page: 'thp', spaces: { vm: { page } } })).rejects.toThrow(
      /spaces\.vm\.page/,
    );
    // The tables of a modelled hypervisor may have any size.
    const modelled = await prepare({ tables: paths.tables, setup: 'virtualized', spaces: { vm: { page: '2m' } } });
    expect(modelled.tables[1]!.leafLevel(guestPage(1))).toBe(2);
    const compat = { mode: 'compat', tables: paths.tables, page };
    await expect(prepare(compat)).rejects.toThrow(/the original simulators know no/);
  });

  it('host tables without guest tables', async () => {
    await expect(prepare({ hostTables: 'host.dump', setup: 'virtualized' })).rejects.toThrow(/--tables/);
  });
});
