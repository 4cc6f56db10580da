import { type AccessBlock, AccessKind } from '../machine/accesses.ts';
import { type PageLevel, pageBytes, pagesIn, type Vpn } from '../machine/address.ts';
import { StrataError } from '../machine/errors.ts';
import type { AddressSpace } from '../machine/page-table.ts';
import type { Registry } from '../machine/registry.ts';
import { addedElements, createAccessStream, turnElements } from './access-stream.ts';
import { baselineDesign, type TranslationConfig } from './config.ts';
import { assignCores } from './cores.ts';
import { designMemories } from './demand-spaces.ts';
import { type Design, dimensionsOf, type Setup } from './design.ts';
import { cacheBiasOf, createDesignLoop, createDesignStage } from './design-stage.ts';
import { designs as knownDesigns } from './designs/index.ts';
import { createFirstLevelFilter } from './first-level.ts';
import { printDesignLoop, printTlbStage } from './kernel.ts';
import { createMachineParts } from './machine-parts.ts';
import { hitCounts, ratio, type SpaceResult, type TranslationResult } from './result.ts';
import { withBaseline } from './speedup.ts';
import { createSlowWays, createTlbStage, type TlbStageCounts, type TlbStageParts } from './tlb-stage.ts';
import { processLimit } from './walk-caches.ts';

export interface SimulationProgress {
  /** Accesses fed so far, warm-up included. */
  readonly accesses: number;
  /** Walks counted so far. */
  readonly walks: number;
  /** Whether warm-up is over. */
  readonly counting: boolean;
}

export interface Simulation {
  /**
   * Simulates the accesses of one block. The block may be reused afterwards; where blocks are split does not matter. Designs may walk for
   * it later, before the next change of a space at the latest.
   */
  feed(block: AccessBlock): void;
  readonly progress: SimulationProgress;
  /** Every count restarts at 0, as at the end of warm-up; what caches, TLBs, walk caches and tables hold stays. */
  restartCounts(): void;
  /** The result so far, all that was fed walked for; feeding may go on afterwards. */
  finish(): TranslationResult;
}

/**
 * The address spaces below a process, from the process down (one, two or three by set-up). One list serves every process of the trace as
 * if they were one; a function is asked once for each process, in order of first appearance.
 */
export type SpacesOfProcess = readonly AddressSpace[] | ((process: number) => readonly AddressSpace[]);

/**
 * A simulation in correct mode: deterministic, without input or output, resumable block by block. Between two calls of `feed` the spaces
 * may change (munmap, migration): the designs are told in order.
 * @throws StrataError `translation.wrong-dimensions`, `translation.too-many-processes`; from `feed` also
 *   `tables.guest-page-missing-in-host`, `memory.*` and `design.wrong-frame`, the last also from `finish`, `restartCounts` and changes of a space
 */
export function createSimulation(
  config: TranslationConfig,
  given: SpacesOfProcess,
  registry: Registry<Design> = knownDesigns,
): Simulation {
  const oneForAll = typeof given !== 'function';
  const first = oneForAll ? given : given(0);
  checkDimensions(first, config.setup);
  const { levels } = first[0]!.table;

  const machine = createMachineParts(config, levels);
  const { tlb } = machine;
  const cores = assignCores(machine.cores);
  const stream = createAccessStream();
  const counts: TlbStageCounts = { kinds: new Float64Array(4), lines: 0, walks: 0, notMapped: 0, notCanonical: 0 };
  const printed = config.engine === 'printed';
  const shared = {
    cores: machine.cores,
    walkerMachine: machine.walkerMachine,
    setup: config.setup,
    memories: designMemories(config),
    seed: config.seed,
  };
  const filter = machine.firstLevel && createFirstLevelFilter(machine.firstLevel);
  const stages = Object.entries(config.designs).map(([name, options]) => {
    const design = registry.get(name);
    const caches = machine.createCaches(cacheBiasOf(design, options));
    return createDesignStage(shared, {
      design,
      options,
      caches,
      firstLevel: filter?.counts,
      createStore: machine.createStores(),
    });
  });
  const runDesigns = stages.map(printed ? printDesignLoop : createDesignLoop);
  /** Elements of the stream that the filter has left. */
  let filtered = 0;
  /** Whether every space says beforehand that it will change, so that the designs can walk for several blocks in one turn. */
  let mayWait = true;
  const spaces = admitSpaces();
  const parts: TlbStageParts = { tlb, cores, stream, counts, levels, oneForAll, spacesOf: spaces.of, makeRoom, drain };
  const slow = createSlowWays(parts);
  const runTlbs = printed ? printTlbStage(parts, slow) : createTlbStage(parts, slow);

  let accesses = 0;
  let shootdowns = 0;
  let warmupLeft = config.warmup;

  function sift(): void {
    filter?.run(stream, filtered);
    filtered = stream.length;
    stream.limit = filtered + addedElements;
  }

  function makeRoom(): void {
    sift();
    if (stream.length >= turnElements) drain();
  }

  function drain(): void {
    if (stream.length > filtered) sift();
    for (const run of runDesigns) run(stream);
    stream.length = 0;
    filtered = 0;
    stream.limit = addedElements;
  }

  /** The spaces of each process, met in order; from then on their changes reach TLBs and designs. */
  function admitSpaces() {
    const byProcess: (readonly AddressSpace[])[] = [];
    const observed = new Set<AddressSpace>();

    function admit(list: readonly AddressSpace[]): void {
      const process = byProcess.length;
      if (process === processLimit) throw tooManyProcesses();
      byProcess.push(list);
      for (const [dimension, space] of list.entries()) {
        if (observed.has(space)) continue;
        observed.add(space);
        // What was accessed before a change is walked before it.
        if (space.beforeChange === undefined) mayWait = false;
        else space.beforeChange(drain);
        space.observe({
          unmapped: (page, _frame, level) => shootDown(dimension, process, page, level),
          rewritten: (page, _frame, level) => shootDown(dimension, process, page, level),
          writeProtected: () => shootDownAll(dimension, process),
        });
      }
      for (const stage of stages) stage.addProcess(list);
    }

    /** As hardware: a process' page is invalidated by itself, a change below it costs all translations that came through there. */
    function shootDown(dimension: number, process: number, page: Vpn, level: PageLevel): void {
      if (dimension > 0) {
        shootDownAll(dimension, process);
        return;
      }
      shootdowns++;
      tlb.invalidate(process, page % 2 ** (9 * levels), pagesIn[level]);
    }

    function shootDownAll(dimension: number, process: number): void {
      shootdowns++;
      if (dimension === 0) tlb.invalidateProcess(process);
      else tlb.invalidateAll();
    }

    admit(first);
    return {
      all: byProcess,
      of(process: number): readonly AddressSpace[] {
        if (oneForAll) return first;
        // A new process changes tables: the memory that designs take for its own is mapped in those below.
        if (byProcess.length <= process) drain();
        while (byProcess.length <= process) {
          const list = given(byProcess.length);
          checkDimensions(list, config.setup);
          admit(list);
        }
        return byProcess[process]!;
      },
    };
  }

  function restartCounts(): void {
    drain();
    counts.kinds.fill(0);
    counts.lines = 0;
    counts.walks = 0;
    counts.notMapped = 0;
    counts.notCanonical = 0;
    cores.resetCounts();
    shootdowns = 0;
    tlb.resetCounts();
    filter?.resetCounts();
    for (const stage of stages) stage.resetCounts();
  }

  /** Index after the access that ends warm-up; `block.length` when it goes on. Takes off `warmupLeft`. */
  function warmUpWithin(block: AccessBlock): number {
    for (let index = 0; index < block.length; index++)
      if (block.kind[index]! <= AccessKind.prefetch && --warmupLeft === 0) return index + 1;
    return block.length;
  }

  return {
    feed(block) {
      let from = 0;
      if (warmupLeft > 0) {
        from = warmUpWithin(block);
        runTlbs(block, 0, from);
        if (warmupLeft === 0) restartCounts();
      }
      runTlbs(block, from, block.length);
      if (!mayWait) drain();
      accesses += accessesIn(block);
    },
    restartCounts,
    get progress() {
      return { accesses, walks: counts.walks, counting: warmupLeft === 0 };
    },
    finish() {
      drain();
      // A warm-up longer than the trace: nothing of it counts.
      if (warmupLeft > 0) restartCounts();
      const [loads = 0, stores = 0, fetches = 0, prefetches = 0] = counts.kinds;
      const references = loads + stores + fetches + prefetches;
      const designs = withBaseline(
        stages.map((stage) => [stage.design.name, stage.result()]),
        baselineDesign,
      );
      const baseline = designs[baselineDesign]!;
      const tlbCounts = tlb.counts();
      return {
        mode: 'correct',
        setup: config.setup,
        seed: config.seed,
        trace: {
          references,
          loads,
          stores,
          fetches,
          prefetches,
          lines: counts.lines,
          warmupReferences: config.warmup - warmupLeft,
          notMapped: counts.notMapped,
          notCanonical: counts.notCanonical,
          threads: cores.threads,
          processes: spaces.all.length,
          contextSwitches: cores.contextSwitches,
        },
        walks: counts.walks,
        walksPerThousandAccesses: ratio(1000 * counts.walks, references),
        referencesPerWalk: baseline.referencesPerWalk,
        tlb: {
          l1i: hitCounts(tlbCounts.l1iHits, tlbCounts.l1iMisses),
          l1d: hitCounts(tlbCounts.l1dHits, tlbCounts.l1dMisses),
          l2: hitCounts(tlbCounts.l2Hits, tlbCounts.l2Misses),
          shootdowns,
        },
        walkCaches: baseline.walkCaches,
        histogram: baseline.walkLatency?.distribution ?? [],
        spaces: spaceResults(spaces.all),
        designs,
      };
    },
  };
}

function accessesIn(block: AccessBlock): number {
  let accesses = 0;
  for (let index = 0; index < block.length; index++) if (block.kind[index]! <= AccessKind.prefetch) accesses++;
  return accesses;
}

function spaceResults(byProcess: readonly (readonly AddressSpace[])[]): SpaceResult[] {
  const seen = new Set<AddressSpace>();
  const results: SpaceResult[] = [];
  for (const list of byProcess) {
    for (const [dimension, space] of list.entries()) {
      if (seen.has(space)) continue;
      seen.add(space);
      const { levels, mappedPages, nodes } = space.table;
      const pressure = space.pressure?.();
      results.push({
        dimension,
        levels,
        mappedPages,
        tableBytes: nodes * pageBytes,
        bytesMigrated: pressure === undefined ? null : pressure.copiedPages * pageBytes,
        allocationFailures: pressure?.failedAllocations ?? null,
        unusableIndex: pressure?.unusableIndex ?? null,
        fragmentationIndex: pressure?.fragmentationIndex ?? null,
      });
    }
  }
  return results;
}

function checkDimensions(spaces: readonly AddressSpace[], setup: Setup): void {
  if (spaces.length === dimensionsOf[setup]) return;
  throw new StrataError({
    code: 'translation.wrong-dimensions',
    what: 'the address spaces do not fit the set-up',
    expected: `${dimensionsOf[setup]} for ${setup}, from the process down`,
    found: String(spaces.length),
    mend: setup === 'native' ? 'Leave the host tables out.' : 'Give the tables of every dimension.',
  });
}

function tooManyProcesses(): StrataError {
  return new StrataError({
    code: 'translation.too-many-processes',
    what: 'the trace has too many processes',
    expected: `at most ${processLimit}`,
    found: 'more',
    mend: 'Simulate them in groups.',
  });
}
