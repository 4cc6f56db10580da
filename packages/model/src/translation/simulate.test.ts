import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccessKind } from '../machine/accesses.ts';
import { type AddressSpaces, createAddressSpaces, type DimensionOptions } from '../machine/operating-system/index.ts';
import { createRandom } from '../machine/random.ts';
import { resolveTranslationConfig, type TranslationConfig } from './config.ts';
import { dimensionsOf, type Setup } from './design.ts';
import { designs } from './designs/index.ts';
import type { TranslationResult } from './result.ts';
import { createSimulation } from './simulate.ts';
import { singlePage } from './spaces.case.ts';
import { blockOf, randomTrace, split, type TestAccess } from './traces.case.ts';

/** Small enough that random traces evict everywhere. */
const smallMachine = {
  cores: 2,
  l1i: { sizeBytes: 2048, ways: 4 },
  l1d: { sizeBytes: 2048, ways: 4 },
  l2: { sizeBytes: 8192, ways: 4 },
  llc: { sizeBytes: 49_152, ways: 3 },
  tlb: {
    l1i: { page4k: { entries: 8, ways: 2 } },
    l1d: { page4k: { entries: 8, ways: 2 } },
    l2: { page4k: { entries: 24, ways: 3 } },
  },
  nestedTlb: { entries: 8, ways: 4 },
};

const setups: readonly Setup[] = ['native', 'virtualized', 'nested'];

function designsFor(setup: Setup): string[] {
  return setup === 'native' ? ['radix'] : ['radix', 'shadow'];
}

function spacesFor(setup: Setup, options: DimensionOptions = {}, seed = 1): AddressSpaces {
  return createAddressSpaces(
    Array.from({ length: dimensionsOf[setup] }, () => options),
    createRandom(seed),
  );
}

function configFor(setup: Setup, more: Record<string, unknown> = {}): TranslationConfig {
  return resolveTranslationConfig({ setup, designs: designsFor(setup), machine: smallMachine, ...more });
}

function run(
  config: TranslationConfig,
  accesses: readonly TestAccess[],
  { cuts = [], options = {} }: { cuts?: readonly number[]; options?: DimensionOptions } = {},
): TranslationResult {
  const { spaces } = spacesFor(config.setup, options);
  const simulation = createSimulation(config, spaces);
  for (const block of split(accesses, cuts)) simulation.feed(block);
  return simulation.finish();
}

describe('a simulation', () => {
  it('gives the same result printed and interpreted, in every set-up, with every page policy', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.constantFrom(...setups),
        fc.constantFrom('4k', 'thp', 'khugepaged', '2m'),
        fc.constantFrom(4, 5),
        (seed, setup, pages, levels) => {
          const trace = randomTrace(seed, 800);
          const options = { pages, levels, khugepaged: { faultsPerScan: 200, pagesPerScan: 4096 } } as const;
          const printed = run(configFor(setup, { engine: 'printed' }), trace, { options });
          const interpreted = run(configFor(setup, { engine: 'interpreted' }), trace, { options });
          expect(printed).toEqual(interpreted);
          expect(printed.walks).toBeGreaterThan(0);
        },
      ),
      { numRuns: 12 },
    );
  });

  it('gives the same result wherever the trace is split into blocks', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.constantFrom(...setups),
        fc.array(fc.nat(3000)),
        fc.nat(1200),
        (seed, setup, cuts, warmup) => {
          const trace = randomTrace(seed, 1000);
          const config = configFor(setup, { warmup });
          expect(run(config, trace, { cuts })).toEqual(run(config, trace));
        },
      ),
      { numRuns: 25 },
    );
  });

  it('gives every design the same result wherever the trace is split, processes that appear on the way included', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.constantFrom(...setups),
        fc.array(fc.nat(1500), { maxLength: 8 }),
        (seed, setup, cuts) => {
          const random = createRandom(seed);
          // Once its first pages are there, a process walks without faulting: what is pending when the next one appears is not empty.
          const trace = Array.from({ length: 1500 }, (_, index) => ({
            address: 0x7f00_0000_0000 + random.below(64) * 4096,
            process: random.below(1 + Math.floor(index / 300)),
            thread: random.below(4),
          }));
          const config = configFor(setup, {
            designs: designs.names.filter((name) => designs.get(name).setups.includes(setup)),
          });
          const result = (blocks: readonly number[]) => {
            const { spaces, addProcess } = spacesFor(setup, { pages: 'thp' });
            const simulation = createSimulation(config, (process) => (process === 0 ? spaces : addProcess()));
            for (const block of split(trace, blocks)) simulation.feed(block);
            return simulation.finish();
          };
          const whole = result([]);
          expect(whole.trace.processes).toBe(5);
          expect(result(cuts)).toEqual(whole);
        },
      ),
      { numRuns: 10 },
    );
  });

  it('gives radix the same figures whichever designs run beside it', () => {
    const trace = randomTrace(5, 3000);
    for (const setup of ['virtualized', 'nested'] as const) {
      const alone = run(configFor(setup, { designs: ['radix'] }), trace);
      const together = run(configFor(setup), trace);
      expect(together.designs.radix).toEqual(alone.designs.radix);
    }
  });

  it('gives every design the same figures however long its turns over the stream are, printed and interpreted', () => {
    const random = createRandom(3);
    const pages = Array.from({ length: 200 }, (_, page) => ({ address: 0x7f00_0000_0000 + page * 4096 }));
    // Longer than the longest turn, and without a fault that would end one.
    const trace = [...pages, ...Array.from({ length: 20_000 }, () => pages[random.below(pages.length)]!)];
    const config = configFor('virtualized', { designs: designs.names });
    const together = run(config, trace);
    expect(together.walks).toBeGreaterThan(5000);
    expect(run(config, trace, { cuts: [201, 777, 9000, 17_001] })).toEqual(together);
    expect(run({ ...config, engine: 'interpreted' }, trace)).toEqual(together);
    for (const name of ['radix', 'victima']) {
      const few = run(configFor('virtualized', { designs: [name] }), trace);
      expect(few.designs[name]).toEqual(together.designs[name]);
    }
  });

  it('has counts that add up', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...setups), fc.nat(800), (seed, setup, warmup) => {
        const result = run(configFor(setup, { warmup }), randomTrace(seed, 1500));
        const { trace, tlb } = result;
        expect(trace.loads + trace.stores + trace.fetches + trace.prefetches).toBe(trace.references);
        expect(tlb.l1i.misses + tlb.l1d.misses).toBe(tlb.l2.hits + tlb.l2.misses);
        expect(tlb.l2.misses).toBe(result.walks);
        expect(trace.warmupReferences).toBe(warmup);
        for (const design of Object.values(result.designs)) {
          expect(design.walks).toBe(result.walks);
          expect(design.steps.reduce((sum, step) => sum + step.references, 0)).toBe(design.references + design.probes);
          const rows = design.walkLatency?.distribution ?? [];
          expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(design.walks);
          expect(rows.reduce((sum, { cycles, count }) => sum + cycles * count, 0)).toBe(design.walkCycles);
          const { l1i, l1d } = design.caches;
          expect(l1i.data.hits + l1i.data.misses + l1d.data.hits + l1d.data.misses).toBe(trace.lines);
          expect(l1d.walk.hits + l1d.walk.misses).toBe(design.references + design.probes);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('starts its counts after warm-up and keeps what caches and tables hold', () => {
    const page = { address: 0x7f12_3456_7000 };
    const cold = run(configFor('native'), [page, page]);
    const warm = run(configFor('native', { warmup: 1 }), [page, page]);
    expect(cold.walks).toBe(1);
    expect(cold.trace).toMatchObject({ references: 2, warmupReferences: 0 });
    expect(warm.walks).toBe(0);
    expect(warm.trace).toMatchObject({ references: 1, warmupReferences: 1 });
    expect(warm.designs.radix).toMatchObject({ walks: 0, cyclesPerWalk: null, speedup: null, walkLatency: null });
  });

  it('counts nothing of a trace that ends within its warm-up', () => {
    const page = { address: 0x7f12_3456_7000 };
    const { walks, trace, designs, tlb } = run(configFor('native', { warmup: 3 }), [page, page]);
    expect([walks, designs.radix!.walks, tlb.l1d.hits + tlb.l1d.misses]).toEqual([0, 0, 0]);
    expect(trace).toMatchObject({ references: 0, warmupReferences: 2 });
  });

  it('touches two lines with an access across a line, and walks twice across two unmapped pages', () => {
    const across = run(configFor('native'), [{ address: 0x10_003c, size: 8 }]);
    expect(across.trace).toMatchObject({ references: 1, lines: 2 });
    const pages = run(configFor('native'), [{ address: 0x10_0ffc, size: 8 }]);
    expect(pages.trace).toMatchObject({ references: 1, lines: 2 });
    expect(pages.walks).toBe(2);
    const many = run(configFor('native'), [{ address: 0x10_0fff, size: 65_535 }]);
    expect(many.trace.lines).toBe(1 + 1024);
    expect(many.walks).toBe(17);
  });

  it('leaves out addresses that hardware would refuse, and says how many', () => {
    const accesses = [0x7fff_ffff_f000n, 0x8000_0000_0000n, 0xffff_7fff_ffff_f000n, 0xffff_8000_0000_0000n].map(
      (address) => ({ address }),
    );
    expect(run(configFor('native'), accesses).trace).toMatchObject({ references: 2, notCanonical: 2 });
    const five = run(configFor('native'), accesses, { options: { levels: 5 } });
    expect(five.trace).toMatchObject({ references: 4, notCanonical: 0 });
    const overEdge = run(configFor('native'), [{ address: 0x7fff_ffff_fffcn }]);
    expect(overEdge.trace).toMatchObject({ references: 1, notCanonical: 1, lines: 1 });
  });

  it('leaves out pages that an imported table lacks, and says how many', () => {
    const { spaces, pages } = singlePage([{ levels: 4, leaf: 1 }]);
    const simulation = createSimulation(configFor('native'), spaces);
    simulation.feed(blockOf([{ address: pages[0]!.vpn * 4096 }, { address: 0x5555_0000 }]));
    expect(simulation.finish().trace).toMatchObject({ references: 1, notMapped: 1 });
  });

  it('reaches a page of 2 MiB through one TLB entry where every dimension has such pages, through 512 where one has not', () => {
    const everyPage = Array.from({ length: 512 }, (_, page) => ({ address: 0x4000_0000 + 4096 * page }));
    expect(run(configFor('virtualized', { machine: 'artifact' }), everyPage, { options: { pages: '2m' } }).walks).toBe(
      1,
    );
    const { spaces } = createAddressSpaces([{ pages: '2m' }, { pages: '4k' }], createRandom(1));
    const simulation = createSimulation(configFor('virtualized', { machine: 'artifact' }), spaces);
    simulation.feed(blockOf(everyPage));
    expect(simulation.finish().walks).toBe(512);
  });

  it('puts a thread on the least loaded core, with TLBs of its own', () => {
    const page = { address: 0x1000 };
    const shared = run(configFor('native', { cores: 1 }), [page, { ...page, thread: 1 }]);
    const apart = run(configFor('native', { cores: 2 }), [page, { ...page, thread: 1 }]);
    expect([shared.walks, apart.walks]).toEqual([1, 2]);
    const exit = { address: 0, kind: AccessKind.threadExit };
    const replaced = run(configFor('native', { cores: 2 }), [page, exit, { ...page, thread: 1 }]);
    expect(replaced.walks).toBe(1);
    expect(replaced.trace.threads).toBe(2);
  });

  it('keeps processes apart that have spaces of their own', () => {
    for (const setup of setups) {
      const built = spacesFor(setup);
      const simulation = createSimulation(configFor(setup, { cores: 1 }), (process) =>
        process === 0 ? built.spaces : built.addProcess(),
      );
      const page = { address: 0x1000 };
      simulation.feed(blockOf([page, { ...page, process: 1 }, page, { ...page, process: 1 }]));
      const result = simulation.finish();
      expect(result.walks).toBe(2);
      expect(result.trace.processes).toBe(2);
      expect(result.spaces.filter(({ dimension }) => dimension === 0)).toHaveLength(2);
    }
  });

  it('follows unmapping, migration and collapse between blocks in every dimension', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...setups), fc.constantFrom('4k', 'thp'), (seed, setup, pages) => {
        const random = createRandom(seed);
        const { spaces } = spacesFor(setup, { pages });
        const offered = [...designs].filter((one) => one.setups.includes(setup)).map(({ name }) => name);
        const simulation = createSimulation(configFor(setup, { designs: offered }), spaces);
        for (let round = 0; round < 8; round++) {
          simulation.feed(blockOf(randomTrace(random.uint32(), 300)));
          const mapped: number[] = [];
          spaces[0]!.table.forEachLeaf((vpn) => mapped.push(vpn));
          const vpn = mapped[random.below(mapped.length)]!;
          // A wrong translation after any of these is refused by the simulation itself.
          if (round % 3 === 0) spaces[0]!.munmap(vpn, vpn + 1);
          else if (round % 3 === 1) spaces[0]!.collapseSome();
          else {
            const dimension = random.below(spaces.length);
            let page: number = vpn;
            for (let above = 0; above < dimension; above++) page = spaces[above]!.table.translate(page);
            spaces[dimension]!.migrate(page);
          }
        }
        expect(simulation.finish().tlb.shootdowns).toBeGreaterThan(0);
      }),
      { numRuns: 15 },
    );
  });

  it('sees a page that migrated in any dimension at once, nested TLB entries above it included', () => {
    for (const setup of setups) {
      for (let dimension = 0; dimension < dimensionsOf[setup]; dimension++) {
        const { spaces } = spacesFor(setup);
        const simulation = createSimulation(configFor(setup), spaces);
        const access = blockOf([{ address: 0x40_0000 }]);
        simulation.feed(access);
        let page = 0x400;
        for (const above of spaces.slice(0, dimension)) page = above.table.translate(page);
        expect(spaces[dimension]!.migrate(page)).toBeGreaterThan(0);
        simulation.feed(access);
        expect(simulation.finish().walks).toBe(2);
      }
    }
  });

  it('refuses spaces that do not fit the set-up', () => {
    const { spaces } = spacesFor('native');
    expect(() => createSimulation(configFor('virtualized'), spaces)).toThrow(/expected 2 for virtualized.*found 1/);
  });

  it('tells its progress', () => {
    const simulation = createSimulation(configFor('native', { warmup: 3 }), spacesFor('native').spaces);
    simulation.feed(blockOf([{ address: 0 }, { address: 0x5000 }]));
    expect(simulation.progress).toEqual({ accesses: 2, walks: 2, counting: false });
    simulation.feed(blockOf([{ address: 0 }, { address: 0x6000 }]));
    expect(simulation.progress).toEqual({ accesses: 4, walks: 1, counting: true });
  });
});
