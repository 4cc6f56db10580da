import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PageLevel, pagesIn } from '../../machine/address.ts';
import type { MutablePageTable, PageTable } from '../../machine/page-table.ts';
import { createPageTable } from '../../machine/radix-table.ts';
import { createTranslationBlock } from '../compat/records.ts';
import { resolveScheme } from '../schemes/registry.ts';
import { generatePackets, parseQueueGenerator } from '../workloads/queues/generate.ts';
import { resolveIoMachine } from './config.ts';
import { createBackedFrames } from './imported-frames.ts';
import { createIoSimulation } from './simulate.ts';

interface Leaf {
  readonly vpn: number;
  readonly level: PageLevel;
  readonly frame: number;
}

function tableOf(leaves: readonly Leaf[]): MutablePageTable {
  let node = 2 ** 30;
  const table = createPageTable({ levels: 4, rootFrame: node, addresses: 'physical' });
  for (const { vpn, level, frame } of leaves) table.map(vpn, frame, level, () => ++node);
  return table;
}

/** Obviously right: the leaf whose range has the page. */
function frameOf(leaves: readonly Leaf[], page: number): number {
  const own = leaves.find(({ vpn, level }) => page >= vpn && page < vpn + pagesIn[level]);
  return own === undefined ? -1 : own.frame + page - own.vpn;
}

interface Dma {
  readonly domain: number;
  readonly vpn: number;
}

function run(dmas: readonly Dma[], tables: (domain: number) => PageTable | undefined, machine: object = {}) {
  const accessed: (Dma & { readonly frame: number })[] = [];
  const simulation = createIoSimulation({
    machine: resolveIoMachine({ queueEntries: 8, arrival: 'backlog', ...machine }),
    ...resolveScheme('persistent-pools'),
    tables,
    observer: { accessed: (domain, vpn, frame) => accessed.push({ domain, vpn, frame }) },
  });
  const block = createTranslationBlock(Math.max(1, dmas.length));
  for (const { domain, vpn } of dmas) {
    const at = block.length++;
    block.sid[at] = domain * 8;
    block.did[at] = domain;
    block.iovaLo[at] = (vpn * 4096) >>> 0;
    block.iovaHi[at] = Math.floor(vpn / 2 ** 20);
    block.level[at] = 1;
  }
  simulation.feed(block);
  return { result: simulation.finish(), accessed, simulation };
}

/** Regions of 2 MiB, as a page of that size or as some of 4 KiB, anywhere in 512 GiB. */
const leaves = fc
  .uniqueArray(
    fc.record({
      region: fc.integer({ min: 0, max: 2 ** 18 - 1 }),
      isHuge: fc.boolean(),
      pages: fc.uniqueArray(fc.integer({ min: 0, max: 511 }), { minLength: 1, maxLength: 4 }),
      frame: fc.integer({ min: 1, max: 2 ** 20 }),
    }),
    { minLength: 1, maxLength: 8, selector: ({ region }) => region },
  )
  .map((regions) =>
    regions.flatMap(({ region, isHuge, pages, frame }): Leaf[] =>
      isHuge
        ? [{ vpn: region * 512, level: 2, frame: frame * 512 }]
        : pages.map((page) => ({ vpn: region * 512 + page, level: 1, frame: frame * 512 + ((page * 7) % 512) })),
    ),
  );

describe('recorded tables of a domain', () => {
  it('are what its DMAs come through by, and nothing else is', () => {
    fc.assert(
      fc.property(
        leaves,
        fc.array(fc.record({ at: fc.nat(), page: fc.nat(), isStray: fc.boolean() }), { maxLength: 60 }),
        (own, picks) => {
          const dmas = picks.map(({ at, page, isStray }): Dma => {
            const leaf = own[at % own.length]!;
            return { domain: 0, vpn: isStray ? page % 2 ** 27 : leaf.vpn + (page % pagesIn[leaf.level]) };
          });
          const { accessed, result } = run(dmas, () => tableOf(own), { iotlb: { entries: 4, ways: 2 } });
          expect(accessed).toHaveLength(dmas.length);
          for (const { vpn, frame } of accessed) expect(frame).toBe(frameOf(own, vpn));
          expect(result.refusedAccesses).toBe(dmas.filter(({ vpn }) => frameOf(own, vpn) === -1).length);
        },
      ),
    );
  });

  it('are each domain’s own where they differ, and a domain without any reaches nothing', () => {
    const table = [5, 6].map((frame) => tableOf([{ vpn: 9, level: 1, frame }]));
    const dmas = [0, 1, 2].flatMap((domain) => Array.from({ length: 3 }, () => ({ domain, vpn: 9 })));
    const { accessed } = run(dmas, (domain) => table[domain]);
    expect(new Set(accessed.map(({ domain, frame }) => `${domain}:${frame}`))).toEqual(new Set(['0:5', '1:6', '2:-1']));
  });

  it.each([
    [1, 4],
    [2, 3],
    [3, 2],
  ] as const)('with a page of level %i take a cold walk of %i reads, whatever the trace says', (level, reads) => {
    const table = tableOf([{ vpn: 2 ** 19, level, frame: 2 ** 19 }]);
    const dmas = Array.from({ length: 3 }, () => ({ domain: 0, vpn: 2 ** 19 }));
    const { result } = run(dmas, () => table, { ats: false });
    expect(result.tableReads).toBe(reads);
    expect(result.walks).toBe(1);
  });

  it('are asked for page by page with page requests, and what they lack is mapped anew', () => {
    const table = tableOf([{ vpn: 9, level: 1, frame: 5 }]);
    const dmas = [9, 9, 9, 11, 11, 11].map((vpn) => ({ domain: 0, vpn }));
    const { result, accessed } = run(dmas, () => table, { faults: 'page-request' });
    expect(result.refusedAccesses).toBe(0);
    expect(result.pageRequests).toBeGreaterThan(1);
    expect(new Set(accessed.filter(({ vpn }) => vpn === 9).map(({ frame }) => frame))).toEqual(new Set([5]));
    expect(accessed.filter(({ vpn }) => vpn === 11).every(({ frame }) => frame > 2 ** 30)).toBe(true);
  });

  it('are asked for as whole pages of the recorded size, whichever of their pages is asked for', () => {
    const table = tableOf([{ vpn: 1024, level: 2, frame: 512 * 7 }]);
    const dmas = [1030, 1030, 1030, 1024, 1535, 1031].map((vpn) => ({ domain: 0, vpn }));
    const { result, accessed } = run(dmas, () => table, { faults: 'page-request', queueEntries: 1 });
    expect(accessed).toHaveLength(dmas.length);
    for (const { vpn, frame } of accessed) expect(frame).toBe(512 * 7 + vpn - 1024);
    // The first packet's three; the second finds all.
    expect(result.pageRequests).toBe(3);
  });
});

describe('recorded tables of a host', () => {
  /** Guest memory from frame 3 on, scattered over the machine, with pages of one size. */
  const host = (level: 1 | 2, frames: number, first = 512) =>
    tableOf(
      Array.from({ length: frames / pagesIn[level] }, (_, at) => ({
        vpn: first + at * pagesIn[level],
        level,
        frame: 2 ** 21 + ((at * 37) % 4096) * pagesIn[level],
      })),
    );

  function withQueues(tables: PageTable | undefined, machine: object = {}, scheme = 'strict') {
    const accessed: (Dma & { readonly frame: number })[] = [];
    const { shape, ...generator } = parseQueueGenerator('nic,tenants=2,packets=200,queues=1');
    const simulation = createIoSimulation({
      machine: resolveIoMachine({ queueEntries: 32, dimensions: '2', arrival: 'backlog', ringSlots: 64, ...machine }),
      ...resolveScheme(scheme),
      queues: shape,
      ...(tables && { tables: () => tables }),
      observer: { accessed: (domain, vpn, frame) => accessed.push({ domain, vpn, frame }) },
    });
    for (const block of generatePackets({ shape, ...generator })) simulation.feedPackets(block);
    return { result: simulation.finish(), accessed };
  }

  it('back all that the guest uses: every DMA gets to a frame that they have, under every scheme with page tables', () => {
    const table = host(1, 4096);
    const frames = new Set<number>();
    table.forEachLeaf((_, frame) => frames.add(frame));
    for (const scheme of ['strict', 'deferred', 'persistent-pools', 'huge-pages', 'shadow-copies', 'contiguous']) {
      const { accessed } = withQueues(table, {}, scheme);
      expect(accessed.length).toBeGreaterThan(100);
      expect(accessed.every(({ frame }) => frames.has(frame))).toBe(true);
    }
  });

  it('are not the tables of the guest above them: addresses that they lack are the guest’s own', () => {
    const table = host(1, 4096);
    const frames = new Set<number>();
    table.forEachLeaf((_, frame) => frames.add(frame));
    // One that the host's tables have too, as a frame of the guest, and one that they have not.
    const dmas = [600, 600, 600, 2 ** 20, 2 ** 20, 2 ** 20].map((vpn) => ({ domain: 0, vpn }));
    for (const faults of ['block', 'page-request']) {
      const { result, accessed } = run(dmas, () => table, { dimensions: '2', faults });
      expect(result.refusedAccesses).toBe(0);
      expect(accessed).toHaveLength(dmas.length);
      expect(accessed.every(({ frame }) => frames.has(frame))).toBe(true);
    }
  });

  it('make walks as long as the pages that they have: fewer reads with 2 MiB than with 4 KiB', () => {
    const [small, large] = ([1, 2] as const).map((level) => withQueues(host(level, 4096)).result);
    expect(large!.tableReads).toBeLessThan(small!.tableReads);
    expect(large!.translations).toBe(small!.translations);
  });

  it('with pages of one size cost what the tables cost that the model builds of such pages', () => {
    for (const [level, hostPages] of [
      [1, '4k'],
      [2, '2m'],
    ] as const) {
      const recorded = withQueues(host(level, 2 ** 16)).result;
      const built = withQueues(undefined, { hostPages }).result;
      expect(recorded.translations).toBe(built.translations);
      // Guest frames lie elsewhere, so that sets of caches differ.
      expect(Math.abs(recorded.tableReads / built.tableReads - 1)).toBeLessThan(0.05);
    }
  });

  it('that back too little are an error that says so', () => {
    expect(() => withQueues(host(1, 32))).toThrow(/back no further page of the guest.*found 32 pages/);
  });

  it('of other levels than the machine’s are refused', () => {
    expect(() => withQueues(host(1, 4096), { hostLevels: '5' })).toThrow(/expected 5 levels, found 4.*hostLevels=4/);
  });

  it('hand out each frame once, aligned, and only what is backed', () => {
    fc.assert(
      fc.property(leaves, fc.array(fc.constantFrom(1, 2, 8, 64, 512), { maxLength: 40 }), (own, counts) => {
        const source = createBackedFrames(tableOf(own));
        const taken = new Set<number>();
        for (const count of counts) {
          let first: number;
          try {
            first = source.take(count);
          } catch (error) {
            // None left: then no aligned run is free.
            const isFree = (page: number) => frameOf(own, page) !== -1 && !taken.has(page);
            const starts = own.flatMap(({ vpn, level }) =>
              Array.from({ length: pagesIn[level] / count }, (_, at) => vpn + at * count).concat(vpn),
            );
            for (const start of starts)
              if (start % count === 0)
                expect(Array.from({ length: count }, (_, at) => start + at).every(isFree)).toBe(false);
            expect(String(error)).toMatch(/back no further/);
            continue;
          }
          expect(first % count).toBe(0);
          for (let page = first; page < first + count; page++) {
            expect(frameOf(own, page)).not.toBe(-1);
            expect(taken.has(page)).toBe(false);
            taken.add(page);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('recorded tables', () => {
  const table = tableOf([{ vpn: 9, level: 1, frame: 5 }]);
  const create = (scheme: string, machine: object = {}, queues = false) =>
    createIoSimulation({
      machine: resolveIoMachine(machine),
      ...resolveScheme(scheme),
      tables: () => table,
      ...(queues && { queues: parseQueueGenerator('nic').shape }),
    });

  it.each(['strict', 'deferred', 'shadow-copies', 'huge-pages', 'contiguous', 'recorded'])(
    'are no tables of a domain whose driver maps pages itself: %s',
    (scheme) => {
      expect(() => create(scheme)).toThrow(new RegExp(`scheme ${scheme}, whose driver maps.*dimensions=2`));
    },
  );

  it.each(['passthrough', 'riommu'])('have no place where no page table is walked: %s', (scheme) => {
    for (const dimensions of ['1', '2'])
      expect(() => create(scheme, { dimensions })).toThrow(/under which no page table is walked/);
  });

  it('have no addresses of queues', () => {
    expect(() => create('persistent-pools', {}, true)).toThrow(/packets for queues/);
    expect(() => create('persistent-pools', { dimensions: '2' }, true)).not.toThrow();
  });
});
