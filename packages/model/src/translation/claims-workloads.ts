import { type AccessBlock, AccessKind, createBlock } from '../machine/accesses.ts';
import type { DemandSpace } from '../machine/operating-system/index.ts';
import { createRandom, type Random } from '../machine/random.ts';
import { createRegistry, type Registry } from '../machine/registry.ts';
import { resolveTranslationConfig } from './config.ts';
import { demandSpaces } from './demand-spaces.ts';
import type { Design, Setup } from './design.ts';
import { designs } from './designs/index.ts';
import type { DesignResult } from './result.ts';
import { createSimulation } from './simulate.ts';

const base = 0x7f00_0000_0000;
const basePage = base / 4096;
const blockAccesses = 8192;
const pagesPerGiB = 2 ** 18;

/** Random loads with one instruction fetch each, from pages that are spread at random over an address range. */
export interface ClaimWorkload {
  readonly name: string;
  /** Range of addresses over which the pages lie: what it takes of the upper levels of a radix table. */
  readonly footprintGiB: number;
  /** Pages that are touched; as many as the range has = all of it. */
  readonly pages: number;
  /** Pages that 4 of 5 loads go to; 0 = all pages alike. */
  readonly hotPages: number;
  /** Whether every page is touched before; otherwise the hot ones only, and the others fault when they are first met. */
  readonly isFilled: boolean;
  /** Of 8192 accesses each, counted and before. */
  readonly blocks: number;
  readonly warmupBlocks: number;
}

/**
 * What an application with tens of GiB asks of a walk. Of its pages one in 64 is touched, to bound memory and time; their entries take 16 MiB
 * of lines in any table, which with data are more than the caches hold, and every entry of the levels above is there.
 */
export const uniform64: ClaimWorkload = {
  name: '64 GiB, uniform',
  footprintGiB: 64,
  pages: 2 ** 18,
  hotPages: 0,
  isFilled: true,
  blocks: 16,
  warmupBlocks: 6,
};

/** The footprints at which the gain of tables without levels is looked at; the pages touched are as many, wider apart. */
export const uniform8: ClaimWorkload = { ...uniform64, name: '8 GiB, uniform', footprintGiB: 8 };
export const uniform256: ClaimWorkload = { ...uniform64, name: '256 GiB, uniform', footprintGiB: 256 };

/** The same with pages that are used again and again: 24 MiB of them, four times the reach of the TLB, at random places of the 64 GiB. */
export const skewed64: ClaimWorkload = {
  ...uniform64,
  name: '64 GiB, 4 of 5 loads to 24 MiB of it',
  pages: 2 ** 17,
  hotPages: 6144,
};

/** The footprint at which a radix walk is short: its upper levels are in the walk caches and the first caches. */
export const uniform1: ClaimWorkload = { ...uniform64, name: '1 GiB, uniform', footprintGiB: 1 };

/** Of our workloads the one whose baseline is nearest to the published 4.4 references per walk in a VM. Pages fault as they are met. */
export const faulting1: ClaimWorkload = {
  ...uniform1,
  name: '1 GiB, uniform, filled on the way',
  isFilled: false,
  blocks: 20,
  warmupBlocks: 8,
};

/** An address space of 512 MiB that goes on changing: see `ClaimRun.changing`. */
export const faultingHalf: ClaimWorkload = {
  ...faulting1,
  name: '512 MiB, 4 of 5 loads to 24 MiB of it, filled on the way',
  footprintGiB: 0.5,
  pages: 2 ** 17,
  hotPages: 6144,
};

export interface ClaimRun {
  readonly setup: Setup;
  readonly workload: ClaimWorkload;
  /** Beside radix, with their options; `ecpt-waiting` is a further ecpt with options of its own. */
  readonly designs: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly machine?: Readonly<Record<string, unknown>>;
  /** Page size in every dimension; 4 KiB when absent. */
  readonly page?: string;
  /** The process unmaps and maps again some of its pages between blocks, so that its tables change. */
  readonly changing?: boolean;
}

type Results = Readonly<Record<string, DesignResult>>;

/** By everything but the designs: those simulated together, and their results. */
const known = new Map<string, { readonly designs: ClaimRun['designs']; readonly results: Results }[]>();

/** Results by design. A run is simulated once, and not at all when one with more designs has been: none has to do with another. */
export function resultsOf(run: ClaimRun): Results {
  const { designs, ...others } = run;
  const key = JSON.stringify(others);
  const runs = known.get(key) ?? [];
  known.set(key, runs);
  const done = runs.find((one) =>
    Object.entries(designs).every(([name, options]) => JSON.stringify(one.designs[name]) === JSON.stringify(options)),
  );
  if (done !== undefined) return done.results;
  const results = simulate(run);
  runs.push({ designs, results });
  return results;
}

/** The known designs, and one more for each name of two parts. */
function registryFor(given: ClaimRun['designs']): Registry<Design> {
  const further = Object.keys(given).filter((name) => !designs.has(name));
  return createRegistry('design', [
    ...designs,
    ...further.map((name): Design => ({ ...designs.get(name.split('-')[0]!), name })),
  ]);
}

function simulate({ setup, workload, designs: given, machine = {}, page = '4k', changing = false }: ClaimRun): Results {
  const { hotPages, isFilled, blocks, warmupBlocks } = workload;
  const registry = registryFor(given);
  const config = resolveTranslationConfig(
    {
      setup,
      page,
      designs: { radix: {}, ...given },
      machine: { ...machine, cores: 1 },
      warmup: warmupBlocks * blockAccesses,
    },
    registry,
  );
  const spaces = demandSpaces(config)(0);
  const simulation = createSimulation(config, spaces, registry);
  const random = createRandom(1);
  const pages = pagesOf(workload, random);
  const block = createBlock(blockAccesses);
  for (const page of isFilled ? pages : pages.subarray(0, hotPages)) ensure(spaces, page);
  for (let count = 0; count < blocks; count++) {
    if (changing) {
      const first = basePage + hotPages + 64 * random.below(64);
      spaces[0]!.munmap(first, first + 64);
    }
    fill(block, workload, pages, random);
    simulation.feed(block);
  }
  return simulation.finish().designs;
}

/** One page at a random place of each of as many equal parts of the range; the hot ones first, and those at random too. */
function pagesOf({ footprintGiB, pages, hotPages }: ClaimWorkload, random: Random): Float64Array {
  const part = Math.floor((footprintGiB * pagesPerGiB) / pages);
  if (part === 1) return Float64Array.from({ length: pages }, (_, index) => basePage + index);
  const chosen = Float64Array.from({ length: pages }, (_, index) => basePage + index * part + random.below(part));
  for (let index = 0; index < hotPages; index++) {
    const other = index + random.below(pages - index);
    const page = chosen[other]!;
    chosen[other] = chosen[index]!;
    chosen[index] = page;
  }
  return chosen;
}

function fill(block: AccessBlock, { hotPages }: ClaimWorkload, pages: Float64Array, random: Random): void {
  block.length = 0;
  const put = (address: number, kind: AccessKind): void => {
    const at = block.length++;
    block.lo[at] = address % 2 ** 32;
    block.hi[at] = Math.floor(address / 2 ** 32);
    block.kind[at] = kind;
    block.size[at] = 8;
  };
  while (block.length < blockAccesses) {
    put(0x40_0000, AccessKind.fetch);
    const isHot = hotPages > 0 && random.below(5) > 0;
    const page = pages[random.below(isHot ? hotPages : pages.length)]!;
    put(page * 4096 + 8 * random.below(512), AccessKind.load);
  }
}

function ensure(spaces: readonly DemandSpace[], page: number): void {
  spaces.reduce((at: number, space) => space.ensure(at), page);
}

/** Cycles of all accesses and walks, one after the other: what a machine that overlaps nothing would take. */
export function cyclesOf(design: DesignResult): number {
  const latency = { l1: 4, l2: 14, llc: 54, memory: 200 };
  const { l1i, l1d, l2, llc } = design.caches;
  return (
    design.walkCycles +
    design.maintenanceCycles +
    (l1i.data.hits + l1d.data.hits) * latency.l1 +
    l2.data.hits * latency.l2 +
    llc.data.hits * latency.llc +
    llc.data.misses * latency.memory
  );
}

/** How much faster than `over` the whole run is with `design`. */
export function applicationSpeedup(run: ClaimRun, design: string, over = 'radix'): number {
  const results = resultsOf(run);
  return cyclesOf(results[over]!) / cyclesOf(results[design]!);
}
