import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NaiveTable, simulateNaively } from '../../../../../testing/naive-compat.ts';
import { type AccessBlock, AccessKind, createBlock } from '../../machine/accesses.ts';
import { type CompatOptions, compatConfig } from './config.ts';
import { formulaResults } from './formulas.ts';
import { allQuirks, noQuirks, parseQuirks, type QuirkName, type Quirks, quirkNames } from './quirks.ts';
import type { CompatResult } from './result.ts';
import { simulateCompat } from './simulate.ts';
import { type CompatTable, compatTableBuilder } from './table.ts';

interface Access {
  readonly page: number;
  readonly offset?: number;
  readonly kind?: number;
  readonly size?: number;
  readonly thread?: number;
}

function traceOf(accesses: readonly Access[]): AccessBlock {
  const block = createBlock(accesses.length);
  block.length = accesses.length;
  for (const [i, { page, offset = 0, kind = AccessKind.load, size = 8, thread = 0 }] of accesses.entries()) {
    block.lo[i] = (page % 2 ** 20) * 4096 + offset;
    block.hi[i] = Math.floor(page / 2 ** 20);
    block.kind[i] = kind;
    block.size[i] = size;
    block.thread[i] = thread;
  }
  return block;
}

function tableOf(rows: NaiveTable): CompatTable {
  const builder = compatTableBuilder();
  for (const [page, { columns, target }] of rows)
    builder.add(page, columns[0]!, columns[1]!, columns[2]!, columns[3]!, target);
  return builder.build();
}

/** Pages of one region share their upper tables, as in real tables. */
function nativeRows(pages: Iterable<number>): Map<number, { columns: number[]; target: number }> {
  const rows = new Map<number, { columns: number[]; target: number }>();
  for (const page of pages) {
    const node = (span: number, level: number) => 0x10_0000_0000 * level + (Math.floor(page / span) % 2 ** 20) * 4096;
    rows.set(page, {
      columns: [0x9000, node(2 ** 27, 1), node(2 ** 18, 2), node(2 ** 9, 3)],
      target: 0x70_0000_0000 + (page % 2 ** 24) * 4096,
    });
  }
  return rows;
}

function run(accesses: readonly Access[], rows: NaiveTable, config: CompatOptions, quirks: Quirks = allQuirks) {
  const simulation = simulateCompat({ config, quirks, tables: tableOf(rows) });
  simulation.feed(traceOf(accesses));
  return simulation.finish();
}

function reads(pages: readonly number[]): Access[] {
  return pages.map((page) => ({ page, offset: 64 * (page % 64) }));
}

function rowsOf({ histogram }: CompatResult): Record<string, number> {
  return Object.fromEntries(histogram.map(({ labels, range, count }) => [`${labels.join(',')},${range}`, count]));
}

function without(...names: QuirkName[]): Quirks {
  return { ...allQuirks, ...Object.fromEntries(names.map((name) => [name, false])) };
}

const plain: CompatOptions = { prefetcher: 'none' };

describe('a cold walk', () => {
  const guestPages = [0x80000000, 0x100000000, 0x180000000, 0x200000000, 0x280000000];
  const guest: NaiveTable = new Map([
    [0x7f1234567, { columns: guestPages.slice(0, 4).map((page) => page * 4096), target: guestPages[4]! * 4096 }],
  ]);
  const host: NaiveTable = new Map(
    guestPages.map((page, i) => [
      page,
      {
        columns: [0x10003000, ...[0, 1, 2].map((level) => 0x10006000 + (3 * i + level) * 0x3000)],
        target: 0x4000000000 + i * 0x1003000,
      },
    ]),
  );
  const access = { page: 0x7f1234567, offset: 0x120 };

  it.each([['as shipped', allQuirks] as const, ['mended', noQuirks] as const])(
    'of a virtual machine makes 24 references, all to memory (%s)',
    (_, quirks) => {
      const simulation = simulateCompat({
        config: { ...plain, setup: 'virtualized' },
        quirks,
        tables: tableOf(guest),
        hostTables: tableOf(host),
      });
      simulation.feed(traceOf([access]));
      const result = simulation.finish();
      expect(rowsOf(result)).toEqual({ [`${'MEMORY,'.repeat(24)}RANGE_HIT`]: 1 });
      expect(result.referencesPerWalk).toBe(24);
      const cycles = (page: '4k' | 'thp', setup: 'virtualized' | 'nested') =>
        Object.values(formulaResults(result, { setup, page })).map(({ cyclesPerWalk }) => cyclesPerWalk);
      expect(cycles('4k', 'virtualized')).toEqual([4800, 1600, 612, 1600, 1600, 600, 400]);
      expect(cycles('4k', 'nested')).toEqual([4800, 600]);
      expect(cycles('thp', 'virtualized')).toEqual([3000, 1600, 612, 1600, 1200, 600, 400]);
      expect(cycles('thp', 'nested')).toEqual([3000, 600]);
      const references = formulaResults(result, { setup: 'virtualized' });
      expect(Object.values(references).map(({ referencesPerWalk }) => referencesPerWalk)).toEqual([
        24, 8, 3, 24, 8, 3, 2,
      ]);
    },
  );

  it('of a process makes four', () => {
    const result = run([access], nativeRows([0x7f1234567]), plain);
    expect(rowsOf(result)).toEqual({ 'MEMORY,MEMORY,MEMORY,MEMORY,RANGE_HIT': 1 });
    const { radix, fpt, ecpt, asap, dmt } = formulaResults(result, { setup: 'native' });
    expect([radix, fpt, ecpt, asap, dmt].map((design) => design!.cyclesPerWalk)).toEqual([800, 400, 202, 400, 200]);
  });

  it('ends with the guest-physical address of a guest table that the host does not map', () => {
    const partial = new Map([...host].filter(([page]) => page !== 0x180000000));
    const simulation = simulateCompat({
      config: { setup: 'virtualized' },
      tables: tableOf(guest),
      hostTables: tableOf(partial),
    });
    expect(() => simulation.feed(traceOf([access]))).toThrow(/guest-physical 0x180000000000, the level-3 table/);
  });

  it('does not happen for a data page that the host does not map: the access is dropped and counted', () => {
    const partial = new Map([...host].filter(([page]) => page !== 0x280000000));
    const simulation = simulateCompat({
      config: { setup: 'virtualized' },
      tables: tableOf(guest),
      hostTables: tableOf(partial),
    });
    simulation.feed(traceOf([access]));
    expect(simulation.finish()).toMatchObject({ walks: 0, notFound: 0, notFoundInHost: 1 });
  });

  it('needs host tables unless native', () => {
    expect(() => simulateCompat({ config: { setup: 'nested' }, tables: tableOf(guest) })).toThrow(/--host-tables/);
  });
});

describe('quirk', () => {
  const far = 0x7f0000000;

  it('Q1: a page-walk cache whose entry was used last misses; mended it hits', () => {
    const rows = nativeRows([far, far + 1]);
    // The second walk asks each page-walk cache for the key it handled last.
    const accesses = reads([far, far + 1]);
    expect(Object.keys(rowsOf(run(accesses, rows, plain)))[1]).toBe('L1,L1,L1,L1,RANGE_HIT');
    expect(Object.keys(rowsOf(run(accesses, rows, plain, without('Q1'))))[1]).toBe('ZERO,ZERO,PWC,L1,RANGE_HIT');
  });

  it('Q1: a page-table line that the L1 handled last counts as memory; mended as L1', () => {
    // Index 0 at all four levels, so the four references are to one line.
    const page = 0;
    const same = new Map([[page, { columns: [0x9000, 0x9000, 0x9000, 0x9000], target: 0xa000 }]]);
    expect(rowsOf(run([{ page }], same, plain))).toEqual({ 'MEMORY,MEMORY,MEMORY,MEMORY,RANGE_HIT': 1 });
    expect(rowsOf(run([{ page }], same, plain, without('Q1')))).toEqual({ 'MEMORY,L1,L1,L1,RANGE_HIT': 1 });
  });

  it('Q2: one page-walk cache entry covers eight neighbouring table entries; mended one', () => {
    const pages = [far, far + 2 ** 21, far + 7 * 512];
    const last = (quirks: Quirks) => run(reads(pages), nativeRows(pages), plain, quirks).walkCaches.guest[2]!.hits;
    expect(last(allQuirks)).toBe(1);
    expect(last(without('Q2'))).toBe(0);
  });

  it('Q3: a probe fills the page-walk caches of skipped levels too; mended only levels that were read are filled', () => {
    // Both root entries compete for one way of the root level's cache.
    const other = far + 2 ** 31;
    const pages = [far, other, far + 1, other + 2 ** 22];
    const lastWalk = (quirks: Quirks) => {
      const before = rowsOf(run(reads(pages.slice(0, 3)), nativeRows(pages), plain, quirks));
      const after = rowsOf(run(reads(pages), nativeRows(pages), plain, quirks));
      return Object.keys(after).filter((labels) => after[labels] !== before[labels]);
    };
    expect(lastWalk(allQuirks)).toEqual(['L1,MEMORY,MEMORY,MEMORY,RANGE_HIT']);
    expect(lastWalk(without('Q3'))).toEqual(['PWC,MEMORY,MEMORY,MEMORY,RANGE_HIT']);
  });

  it('Q4: the host walk for the data page always reads four entries; mended it uses the host page-walk caches', () => {
    const pages = [far, far + 2 ** 21, far + 4096, far + 2 ** 21 + 4096];
    const guest = nativeRows(pages);
    const hostPages = [...guest.values()].flatMap(({ columns, target }) => [...columns, target]);
    const host = nativeRows(hostPages.map((address) => address / 4096));
    const result = (quirks: Quirks) => {
      const config = { ...plain, setup: 'virtualized' } as const;
      const simulation = simulateCompat({ config, quirks, tables: tableOf(guest), hostTables: tableOf(host) });
      simulation.feed(traceOf(reads(pages)));
      return simulation.finish().histogram.map(({ labels }) => labels.slice(20, 24).join());
    };
    expect(result(allQuirks).some((labels) => labels.includes('PWC'))).toBe(false);
    expect(result(without('Q4')).some((labels) => labels.includes('PWC'))).toBe(true);
  });

  it('Q5: 100 nominal warm-up references are 50', () => {
    const pages = Array.from({ length: 200 }, (_, i) => far + i * 8192);
    const config = { ...plain, warmupReferences: 100 };
    expect(run(reads(pages), nativeRows(pages), config).walks).toBe(150);
    expect(run(reads(pages), nativeRows(pages), config, without('Q5')).walks).toBe(100);
  });

  it('Q5: an odd number of dropped references during the warm-up and nothing is ever reset', () => {
    const pages = Array.from({ length: 200 }, (_, i) => far + i * 8192);
    const config = { ...plain, warmupReferences: 100 };
    const dropping = (dropped: number, quirks: Quirks) =>
      run(
        [...Array.from({ length: dropped }, () => ({ page: 5 })), ...reads(pages)],
        nativeRows(pages),
        config,
        quirks,
      );
    expect(dropping(1, allQuirks)).toMatchObject({ walks: 200, warmedUp: false, notFound: 1 });
    expect(dropping(2, allQuirks)).toMatchObject({ walks: 151, warmedUp: true, notFound: 2 });
    expect(dropping(1, without('Q5'))).toMatchObject({ walks: 101, warmedUp: true });
  });

  it('Q6: ten prefetches of a page are ten walks, ten reads one', () => {
    const ten = (kind: number) => Array.from({ length: 10 }, () => ({ page: far, kind }));
    const rows = nativeRows([far]);
    expect(run(ten(AccessKind.prefetch), rows, plain).walks).toBe(10);
    expect(run(ten(AccessKind.load), rows, plain).walks).toBe(1);
    expect(run(ten(AccessKind.prefetch), rows, plain, without('Q6')).walks).toBe(1);
  });

  it('Q7: thread exits and instructions not fetched are requests that find nothing; markers are only requests', () => {
    const accesses = [
      { page: far },
      { page: far, kind: AccessKind.noFetch },
      { page: far, kind: AccessKind.threadExit },
      { page: far, kind: AccessKind.marker },
      { page: far, kind: AccessKind.other },
    ];
    const rows = nativeRows([far]);
    expect(run(accesses, rows, plain)).toMatchObject({ references: 1, requests: 4, notFound: 2, walks: 1 });
    expect(run(accesses, rows, plain, noQuirks)).toMatchObject({ references: 1, requests: 2, notFound: 0, walks: 1 });
  });

  it('Q8: 13 pages of one second-level TLB set in turn miss 211 times of 1300; mended, every time', () => {
    const pages = Array.from({ length: 13 }, (_, i) => far + i * 128);
    const accesses = reads(Array.from({ length: 1300 }, (_, i) => pages[i % 13]!));
    expect(run(accesses, nativeRows(pages), plain).walks).toBe(211);
    expect(run(accesses, nativeRows(pages), plain, without('Q8')).walks).toBe(1300);
  });

  it('Q9: an entry across two lines is answered by the last; mended, by the farther', () => {
    // Column + 8 * index = 0x903c: four bytes in one line, four in the next, which page 0 of the same table has read before.
    const rows: NaiveTable = new Map([
      [0, { columns: [0x20_0000, 0x21_0000, 0x22_0000, 0x9040], target: 0x30_0000 }],
      [7, { columns: [0x20_0000, 0x21_0000, 0x22_0000, 0x9004], target: 0x31_0000 }],
    ]);
    const fourth = (quirks: Quirks) =>
      run([{ page: 0 }, { page: 7 }], rows, plain, quirks).histogram.map(({ labels }) => labels[3]);
    expect(fourth(without('Q1'))).toContain('L1');
    expect(fourth(without('Q1', 'Q9'))).toEqual(['MEMORY', 'MEMORY']);
  });

  it('Q10: the native last-level injector runs at the first-level rate; mended, at its own', () => {
    const accesses = reads(Array.from({ length: 100 }, () => far));
    const config = { ...plain, contentionL1: 0, contentionLlc: 100 };
    const misses = (quirks: Quirks) => run(accesses, nativeRows([far]), config, quirks).llc.misses;
    expect(misses(without('Q10')) - misses(allQuirks)).toBe(100);
  });

  it('lists name what is on', () => {
    expect(parseQuirks('q1, Q10')).toEqual({ ...noQuirks, Q1: true, Q10: true });
    expect(parseQuirks('all')).toEqual(allQuirks);
    expect(parseQuirks('none')).toEqual(noQuirks);
    expect(() => parseQuirks('Q11')).toThrow(/unknown quirk "Q11".*Q1/);
    expect(() => parseQuirks('')).toThrow(/unknown quirk/);
  });
});

describe('threads', () => {
  it('go to the least loaded core, which is free again after an exit only without quirk Q7', () => {
    const accesses = [
      { page: 1, thread: 0 },
      { page: 1, thread: 1 },
      { page: 1, thread: 0, kind: AccessKind.threadExit },
      { page: 1, thread: 2 },
      { page: 1, thread: 3 },
    ];
    const threads = (cores: number, quirks: Quirks) =>
      run(accesses, nativeRows([1]), { cores }, quirks).cores.map((core) => core.threads);
    expect(threads(3, allQuirks)).toEqual([2, 1, 1]);
    expect(threads(2, allQuirks)).toEqual([2, 2]);
    expect(threads(2, without('Q7'))).toEqual([3, 1]);
  });
});

describe('ranges', () => {
  it('split native rows into those inside and outside', () => {
    const tables = tableOf(nativeRows([4, 5]));
    const simulation = simulateCompat({ config: plain, tables, ranges: [{ start: 5, end: 6 }] });
    simulation.feed(traceOf([{ page: 4 }, { page: 5 }]));
    const result = simulation.finish();
    expect(result.histogram.map(({ range }) => range).sort()).toEqual(['RANGE_HIT', 'RANGE_MISS']);
    expect(result).toMatchObject({ rangeFound: 1, rangeNotFound: 1 });
  });
});

describe('geometry', () => {
  it('is refused when the sets are no power of two', () => {
    expect(() => compatConfig({ tlbL2: { entries: 1536, ways: 16 } })).toThrow(/compat\.tlbL2: impossible geometry/);
    expect(() => compatConfig({ l1d: { bytes: 1000 } })).toThrow(/impossible geometry/);
  });
});

// Small structures, so that short random traces fill, evict and tie.
const small: CompatOptions = {
  cores: 1,
  tlbL1i: { entries: 4, ways: 2 },
  tlbL1d: { entries: 4, ways: 2 },
  tlbL2: { entries: 12, ways: 3 },
  l1i: { bytes: 256, ways: 2 },
  l1d: { bytes: 512, ways: 4 },
  l2: { bytes: 2048, ways: 8 },
  llc: { bytes: 5 * 1024, ways: 5 },
};

const kinds = [
  AccessKind.load,
  AccessKind.load,
  AccessKind.store,
  AccessKind.fetch,
  AccessKind.prefetch,
  AccessKind.noFetch,
  AccessKind.threadExit,
  AccessKind.marker,
  AccessKind.other,
];
const pagePool = [0, 1, 2, 3, 8, 9, 64, 65, 511, 512, 513, 1024, 4096, 4608, 2 ** 18, 2 ** 18 + 1, 2 ** 21, 2 ** 27];
const mappedPages = pagePool.filter((page) => page !== 65);

const arbitraryAccess = fc.record({
  page: fc.constantFrom(...pagePool),
  offset: fc.integer({ min: 0, max: 4095 }),
  kind: fc.constantFrom(...kinds),
  size: fc.constantFrom(0, 1, 4, 8, 16, 64, 200),
});
const arbitraryQuirks = fc
  .tuple(...quirkNames.map(() => fc.boolean()))
  .map((on) => Object.fromEntries(quirkNames.map((name, i) => [name, on[i]!])) as Record<QuirkName, boolean>);
const arbitraryRun = fc.record({
  accesses: fc.array(arbitraryAccess, { minLength: 1, maxLength: 250 }),
  quirks: fc.oneof(fc.constant(allQuirks), arbitraryQuirks),
  prefetcher: fc.constantFrom('nextline' as const, 'none' as const),
  warmupReferences: fc.integer({ min: 0, max: 40 }),
  /** Bytes added to every column, so that entries straddle lines as in dumps of frame numbers. */
  skew: fc.constantFrom(0, 0, 4, 60),
  virtualized: fc.boolean(),
});
type ArbitraryRun = typeof arbitraryRun extends fc.Arbitrary<infer T> ? T : never;

function tablesOf({ skew, virtualized }: ArbitraryRun): { guest: NaiveTable; host?: NaiveTable } {
  const skewed = (pages: Iterable<number>): NaiveTable =>
    new Map(
      [...nativeRows(pages)].map(([page, { columns, target }]) => [
        page,
        { columns: columns.map((column) => (column % 2 ** 24) + skew), target: (target % 2 ** 26) + skew },
      ]),
    );
  const guest = skewed(mappedPages);
  if (!virtualized) return { guest };
  const addresses = [...guest.values()].flatMap(({ columns, target }) => [...columns, target]);
  return { guest, host: skewed(addresses.map((address) => Math.floor(address / 4096))) };
}

function simulate(input: ArbitraryRun, blocks: readonly AccessBlock[]): CompatResult {
  const { guest, host } = tablesOf(input);
  const simulation = simulateCompat({
    config: configOf(input),
    quirks: input.quirks,
    tables: tableOf(guest),
    ...(host === undefined ? {} : { hostTables: tableOf(host) }),
  });
  for (const block of blocks) simulation.feed(block);
  return simulation.finish();
}

function configOf({ prefetcher, warmupReferences, virtualized }: ArbitraryRun): CompatOptions {
  return { ...small, prefetcher, warmupReferences, setup: virtualized ? 'virtualized' : 'native' };
}

describe('on random traces', () => {
  it('the result is that of a naive implementation, whatever the quirks', () => {
    fc.assert(
      fc.property(arbitraryRun, (input) => {
        const trace = traceOf(input.accesses);
        const result = simulate(input, [trace]);
        const { guest, host } = tablesOf(input);
        const naive = simulateNaively(compatConfig(configOf(input)), input.quirks, trace, guest, host);
        const rows = Object.fromEntries(result.histogram.map(({ labels, count }) => [labels.join(','), count]));
        const core = result.cores[0]!;
        const all = { ...core, llc: result.llc };
        const total = (name: keyof typeof naive.hits) => {
          const [device, count] = name.split('.') as ['l1d', 'hits' | 'misses'];
          const stats = all[device];
          return stats[count] + stats.pageTable.reduce((sum, level) => sum + level[count], 0);
        };
        expect({
          histogram: rows,
          requests: result.requests,
          notFound: result.notFound,
          hits: Object.fromEntries(Object.keys(naive.hits).map((name) => [name, total(name)])),
        }).toEqual(naive);
      }),
      { numRuns: 400 },
    );
  });

  it('the result does not depend on how the trace is cut into blocks', () => {
    fc.assert(
      fc.property(arbitraryRun, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (input, sizes) => {
        const blocks: AccessBlock[] = [];
        for (let at = 0; at < input.accesses.length; ) {
          const size = sizes[blocks.length % sizes.length]!;
          blocks.push(traceOf(input.accesses.slice(at, at + size)));
          at += size;
        }
        expect(simulate(input, blocks)).toEqual(simulate(input, [traceOf(input.accesses)]));
      }),
      { numRuns: 100 },
    );
  });

  it('pvDMT <= DMT <= radix, FPT <= radix, and the histogram holds every walk', () => {
    fc.assert(
      fc.property(arbitraryRun, (input) => {
        const result = simulate({ ...input, virtualized: true }, [traceOf(input.accesses)]);
        const { radix, fpt, dmt, pvdmt } = formulaResults(result, { setup: 'virtualized' });
        expect(pvdmt!.cyclesPerWalk).toBeLessThanOrEqual(dmt!.cyclesPerWalk);
        expect(dmt!.cyclesPerWalk).toBeLessThanOrEqual(radix!.cyclesPerWalk);
        expect(fpt!.cyclesPerWalk).toBeLessThanOrEqual(radix!.cyclesPerWalk);
        expect(result.histogram.reduce((sum, { count }) => sum + count, 0)).toBe(result.walks);
        if (input.warmupReferences === 0) expect(result.rangeFound).toBe(result.walks);
      }),
      { numRuns: 100 },
    );
  });

  it('the same input gives the same result', () => {
    fc.assert(
      fc.property(arbitraryRun, (input) => {
        const trace = traceOf(input.accesses);
        expect(simulate(input, [trace])).toEqual(simulate(input, [trace]));
      }),
      { numRuns: 30 },
    );
  });
});
