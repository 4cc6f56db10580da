import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hexAddress, type PageLevel } from '../../machine/address.ts';
import { createAddressSpaces } from '../../machine/operating-system/index.ts';
import { createRandom } from '../../machine/random.ts';
import { createRegistry } from '../../machine/registry.ts';
import { resolveTranslationConfig } from '../config.ts';
import { type Design, dimensionsOf, type Setup } from '../design.ts';
import { explainWalk } from '../explain.ts';
import { createSimulation } from '../simulate.ts';
import { randomSpaces, singlePage } from '../spaces.case.ts';
import { blockOf } from '../traces.case.ts';
import { type DmtInstance, dmt } from './dmt.ts';
import { designs } from './index.ts';
import { pvdmt } from './pvdmt.ts';
import { type TeaSet, teaOffset } from './tea.ts';
import { bareWalker, testWalker } from './walks.case.ts';

const setups: readonly Setup[] = ['native', 'virtualized', 'nested'];
const none = { level5: { entries: 0 }, level4: { entries: 0 }, level3: { entries: 0 }, level2: { entries: 0 } };
const bare = { pageWalkCaches: none, hostPageWalkCaches: none, prefetcher: 'none', cores: 1 };

function coldReferences(design: string, setup: Setup, leaf: PageLevel): number {
  const { spaces, pages } = singlePage(Array.from({ length: dimensionsOf[setup] }, () => ({ levels: 4, leaf })));
  const config = resolveTranslationConfig({ setup, designs: [design], machine: bare });
  const walk = explainWalk(config, spaces, { design, vpn: pages[0]!.vpn });
  return walk.references.filter(({ awaited }) => awaited).length;
}

describe('a cold walk', () => {
  it.each([1, 2] as const)('makes 1, 3, 7 references with DMT and 1, 2, 3 with pvDMT (leaf level %i)', (leaf) => {
    expect(setups.map((setup) => coldReferences('dmt', setup, leaf))).toEqual([1, 3, 7]);
    expect(setups.map((setup) => coldReferences('pvdmt', setup, leaf))).toEqual([1, 2, 3]);
  });

  it('is radix over pages of 1 GiB, which get no areas', () => {
    expect(coldReferences('dmt', 'native', 3)).toBe(2);
  });
});

/** The design, and the areas that its last instance made. */
function watched(design: typeof dmt | typeof pvdmt): { design: Design; sets: () => readonly TeaSet[] } {
  let sets: readonly TeaSet[] = [];
  const create: Design['create'] = (spec, resources) => {
    const instance = design.create(spec as never, resources as never);
    sets = (instance as DmtInstance).sets;
    return instance;
  };
  return { design: { ...(design as Design), create }, sets: () => sets };
}

interface NaiveWalk {
  readonly frame: number;
  readonly reads: readonly string[];
}

/** What the paper says, written down: no caches, no registers, every area looked at. */
function naiveWalk(sets: readonly TeaSet[], paravirtual: boolean, dimension: number, page: number): NaiveWalk {
  const set = sets[dimension];
  if (set === undefined) return { frame: page, reads: [] };
  const level = set.table.leafLevel(page);
  const unit = Math.floor(page / 512 ** level);
  const tea = set.teas.find((one) => one.level === level && unit >= one.start && unit < one.start + one.length);
  if (tea === undefined) return naiveRadix(sets, dimension, page);
  const offset = teaOffset(page, tea.start, tea.level);
  const known = paravirtual && tea.frames.hostFrame >= 0 && dimension < sets.length - 1;
  const table = Math.floor(offset / 4096);
  const place = known
    ? { frame: tea.frames.hostFrame + table, reads: [] }
    : naiveWalk(sets, paravirtual, dimension + 1, tea.frames.frame + table);
  const data = naiveWalk(sets, paravirtual, dimension + 1, set.table.translate(page));
  return { frame: data.frame, reads: [...place.reads, hexAddress(place.frame, offset % 4096), ...data.reads] };
}

function naiveRadix(sets: readonly TeaSet[], dimension: number, page: number): NaiveWalk {
  const set = sets[dimension];
  if (set === undefined) return { frame: page, reads: [] };
  const reads: string[] = [];
  for (let level: number = set.table.levels; level >= set.table.leafLevel(page); level--) {
    const place = naiveRadix(sets, dimension + 1, set.table.frameOf(set.table.nodeAt(page, level)));
    reads.push(...place.reads, hexAddress(place.frame, (Math.floor(page / 512 ** (level - 1)) % 512) * 8));
  }
  const data = naiveRadix(sets, dimension + 1, set.table.translate(page));
  return { frame: data.frame, reads: [...reads, ...data.reads] };
}

describe.each([dmt, pvdmt])('$name', (design) => {
  it('reads what a naive walker reads, in order, over random address spaces', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...setups), fc.constantFrom(2, 16), (seed, setup, areas) => {
        const { spaces, pages } = randomSpaces(setup, seed, 8);
        const { design: one, sets } = watched(design);
        const registry = createRegistry(
          'design',
          [...designs].map((other) => (other.name === one.name ? one : other)),
        );
        const config = resolveTranslationConfig(
          { setup, designs: { [one.name]: { areas } }, machine: { ...bare, nestedTlb: { entries: 0 } } },
          registry,
        );
        for (const { vpn, frame } of pages) {
          const walk = explainWalk(config, spaces, { design: one.name, vpn }, registry);
          const naive = naiveWalk(sets(), design === pvdmt, 0, vpn);
          expect(walk.references.filter(({ awaited }) => awaited).map(({ address }) => address)).toEqual(naive.reads);
          expect(naive.frame).toBe(frame);
        }
      }),
      { numRuns: 15 },
    );
  });

  it('serves fewer walks directly the more fragmented memory is, and says why', () => {
    const costs = { moveTableCycles: 11, flushCycles: 1009, failedCycles: 10_007, registerLoadCycles: 100_003 };
    const at = (fragmentation: number) => {
      const space = { memoryGiB: 2, fragmentation };
      const config = resolveTranslationConfig({
        setup: 'virtualized',
        designs: { [design.name]: { minVmaMiB: 0, ...costs } },
        machine: { cores: 1 },
        spaces: { process: space, vm: space },
      });
      const { spaces } = createAddressSpaces([{}, {}], createRandom(1));
      // An area of 2049 tables is wanted, for 4 GiB; between two pins there is room for 1022 at most.
      spaces[0]!.mmap(0x1000_0000, 0x1010_0000);
      const simulation = createSimulation(config, spaces);
      const random = createRandom(3);
      simulation.feed(
        blockOf(Array.from({ length: 1000 }, () => ({ address: (0x1000_0000 + random.below(0x10_0000)) * 4096 }))),
      );
      return simulation.finish().designs[design.name]!;
    };
    const [fresh, aged, oldest] = [at(0), at(0.9), at(1)];
    expect(fresh.coverage).toBeGreaterThan(0.99);
    expect(fresh.counters.allocationFailures).toBe(0);
    expect(aged.coverage).toBeGreaterThanOrEqual(oldest.coverage!);
    expect(oldest.coverage).toBeLessThan(fresh.coverage!);
    expect(oldest.counters.allocationFailures).toBeGreaterThan(0);
    for (const { counters, maintenanceCycles, allocationFailures } of [fresh, aged, oldest]) {
      const { movedTables, migrated, registerLoads, hypercalls = 0 } = counters;
      expect(allocationFailures).toBe(counters.allocationFailures);
      expect(maintenanceCycles).toBe(
        11 * movedTables! +
          1009 * migrated! +
          10_007 * allocationFailures +
          100_003 * registerLoads! +
          2500 * hypercalls,
      );
    }
  });

  it('loads its registers anew whenever another process walks on the core', () => {
    const config = resolveTranslationConfig({
      setup: 'native',
      designs: { [design.name]: { minVmaMiB: 0 } },
      machine: { cores: 1 },
    });
    const built = createAddressSpaces([{}], createRandom(1));
    const simulation = createSimulation(config, (process) => (process === 0 ? built.spaces : built.addProcess()));
    const touch = (process: number, page: number) => ({ address: page * 4096, process, thread: process });
    // A first switch to each process, then three more back and forth; each process has one area.
    for (let turn = 0; turn < 5; turn++) simulation.feed(blockOf([touch(turn % 2, 0x1000 + turn)]));
    const { counters, maintenanceCycles, coverage } = simulation.finish().designs[design.name]!;
    expect(counters.registerLoads).toBe(5);
    expect(maintenanceCycles).toBeGreaterThanOrEqual(500);
    expect(coverage).toBe(1);
  });

  it('reads the areas of both page sizes at once, and waits for the one that has the entry', () => {
    const { spaces } = createAddressSpaces([{ pages: 'thp' }], createRandom(1));
    const [huge, small] = [2 ** 24, 2 ** 24 + 512];
    spaces[0]!.mmap(huge, huge + 4096);
    for (const vpn of [huge, small]) spaces[0]!.ensure(vpn);
    expect(spaces[0]!.split(small)).toBe(true);
    const options = { minVmaMiB: 0 };
    const walker = testWalker({ design: design as Design, setup: 'native', spaces, options, machine: bareWalker });
    for (const vpn of [huge, huge, small, small]) {
      expect(walker.walk(vpn)).toBe(spaces[0]!.table.translate(vpn));
      expect(
        walker
          .answers()
          .map(({ awaited }) => awaited)
          .sort(),
      ).toEqual([false, true]);
    }
  });

  it('has just the first areas in its registers after a context switch, whatever was in them before', () => {
    const { spaces } = createAddressSpaces([{}], createRandom(1));
    const vmas = [1, 2, 3, 4].map((vma) => vma * 2 ** 24);
    for (const start of vmas) {
      spaces[0]!.mmap(start, start + 4096);
      spaces[0]!.ensure(start);
    }
    const options = { minVmaMiB: 0, pageSizes: '4k', areas: 4, registers: 3 };
    const walker = testWalker({ design: design as Design, setup: 'native', spaces, options, machine: bareWalker });
    const references = (start: number): number => {
      expect(walker.walk(start)).toBe(spaces[0]!.table.translate(start));
      return walker.answers().length;
    };
    const [first, second, third, fourth] = vmas as [number, number, number, number];
    // What is loaded makes room for what was used longest ago: in the end the first, the second and the fourth are held.
    expect([first, second, third, fourth, first, second, fourth].map(references)).toEqual([4, 4, 4, 4, 4, 4, 1]);
    const before = walker.stage.result().counters.registerLoads!;
    walker.stage.instances[0]!.switchedIn!(0);
    expect(walker.stage.result().counters.registerLoads).toBe(before + 3);
    expect(vmas.map(references)).toEqual([1, 1, 1, 4]);
    expect(walker.stage.result().counters.registerLoads).toBe(before + 4);
  });

  it('keeps the registers of one core through the context switches of another', () => {
    const config = resolveTranslationConfig({
      setup: 'native',
      designs: { [design.name]: { minVmaMiB: 0 } },
      machine: { cores: 2 },
    });
    const built = createAddressSpaces([{}], createRandom(1));
    const simulation = createSimulation(config, (process) => (process === 0 ? built.spaces : built.addProcess()));
    let page = 0x1000;
    // Every page is new, so that each access walks; the second thread gets the second core.
    const touch = (process: number, thread: number) =>
      simulation.feed(blockOf([{ address: page++ * 4096, process, thread }]));
    touch(0, 0);
    touch(0, 1);
    for (const process of [1, 0, 1, 0]) {
      touch(process, 1);
      touch(0, 0);
    }
    const { counters, walks, coverage } = simulation.finish().designs[design.name]!;
    expect(walks).toBe(10);
    expect(coverage).toBe(1);
    // One on the first core, and one for each of five switches on the second.
    expect(counters.registerLoads).toBe(6);
  });

  it('falls back where an area has lost its register to another one', () => {
    const run = (registers: number) => {
      const config = resolveTranslationConfig({
        setup: 'native',
        designs: { [design.name]: { minVmaMiB: 0, areas: 4, registers } },
        machine: { cores: 1 },
      });
      const { spaces } = createAddressSpaces([{}], createRandom(1));
      for (let vma = 1; vma <= 4; vma++) spaces[0]!.mmap(vma * 2 ** 24, vma * 2 ** 24 + 4096);
      const simulation = createSimulation(config, spaces);
      for (let page = 0; page < 64; page++)
        for (let vma = 1; vma <= 4; vma++) simulation.feed(blockOf([{ address: (vma * 2 ** 24 + page) * 4096 }]));
      return simulation.finish().designs[design.name]!;
    };
    expect(run(4).coverage).toBe(1);
    expect(run(2).coverage).toBe(2 / 256);
    expect(run(2).counters.areas).toBe(4);
  });

  it('keeps the registers that a list of the most recently used areas keeps', () => {
    const registers = 3;
    const { spaces } = createAddressSpaces([{}], createRandom(1));
    const vmas = [1, 2, 3, 4, 5].map((vma) => vma * 2 ** 24);
    for (const start of vmas) {
      spaces[0]!.mmap(start, start + 4096);
      spaces[0]!.ensure(start);
    }
    const options = { minVmaMiB: 0, pageSizes: '4k', areas: 5, registers };
    const walker = testWalker({ design: design as Design, setup: 'native', spaces, options, machine: bareWalker });
    const random = createRandom(7);
    const recent: number[] = [];
    let direct = 0;
    for (let walk = 0; walk < 400; walk++) {
      const start = vmas[random.below(vmas.length)]!;
      const held = recent.slice(0, registers).includes(start);
      expect(walker.walk(start)).toBe(spaces[0]!.table.translate(start));
      expect(walker.answers()).toHaveLength(held ? 1 : 4);
      if (recent.includes(start)) recent.splice(recent.indexOf(start), 1);
      recent.unshift(start);
      if (held) direct++;
    }
    expect(direct).toBeGreaterThan(100);
    expect(walker.stage.result().counters).toMatchObject({ fallbacks: 400 - direct, registerLoads: 400 - direct });
  });
});

describe('pvDMT', () => {
  it('never makes more references than DMT over the same walk', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...setups), (seed, setup) => {
        const { pages } = randomSpaces(setup, seed);
        const config = resolveTranslationConfig({ setup, designs: ['dmt', 'pvdmt'], machine: { cores: 1 } });
        const { spaces } = randomSpaces(setup, seed);
        const simulation = createSimulation(config, spaces);
        for (let round = 0; round < 2; round++)
          for (const { vpn } of pages) simulation.feed(blockOf([{ address: BigInt.asUintN(64, BigInt(vpn) << 12n) }]));
        const result = simulation.finish();
        expect(result.designs.pvdmt!.references).toBeLessThanOrEqual(result.designs.dmt!.references);
      }),
      { numRuns: 30 },
    );
  });

  it('makes a hypercall per area and hypervisor, and the check passes for the guest’s own', () => {
    const config = resolveTranslationConfig({ setup: 'nested', designs: ['pvdmt'], machine: { cores: 1 } });
    const { spaces } = singlePage([1, 2, 3].map(() => ({ levels: 4, leaf: 1 })));
    const simulation = createSimulation(config, spaces);
    simulation.feed(blockOf([{ address: 0x7f123 * 4096 }]));
    const { counters } = simulation.finish().designs.pvdmt!;
    expect(counters.hypercalls).toBeGreaterThanOrEqual(3);
    expect(counters.isolationChecks).toBe(2);
    expect(counters.isolationRefusals).toBe(0);
  });
});
