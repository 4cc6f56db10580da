import { linesPerPage } from '../machine/address.ts';
import type { CacheBias } from '../machine/biased-store.ts';
import type { CacheHierarchy, CacheName } from '../machine/cache-hierarchy.ts';
import { StrataError } from '../machine/errors.ts';
import type { AddressSpace } from '../machine/page-table.ts';
import type { PayloadStore } from '../machine/payload-store.ts';
import type { Geometry } from '../machine/tag-store.ts';
import { type AccessStream, Touch } from './access-stream.ts';
import type { Design, DesignInstance, DesignResources, Setup, WalkerMachine } from './design.ts';
import { createDesignMemory, type DesignMemory, type DesignMemoryOptions } from './design-memory.ts';
import type { FirstLevelCounts } from './first-level.ts';
import { createLatencyCounts } from './latency-counts.ts';
import { type CacheCounts, hitCounts, latencyDistribution, ratio } from './result.ts';
import type { DesignFigures } from './speedup.ts';
import { createWalkCaches } from './walk-caches.ts';
import { CountedMemory } from './walk-memory.ts';

/** What all designs of a simulation share. */
export interface DesignStageMachine {
  readonly setup: Setup;
  readonly cores: number;
  readonly walkerMachine: WalkerMachine;
  /** The memory below each space, as designs find it for tables of their own. Default: freshly booted. */
  readonly memories?: readonly DesignMemoryOptions[];
  readonly seed?: number;
}

/** What one design has for itself. */
export interface DesignStageParts {
  readonly design: Design;
  readonly options: Readonly<Record<string, unknown>>;
  readonly caches: CacheHierarchy;
  /** What first levels answered for all designs, and so not `caches`; default: nothing. */
  readonly firstLevel?: FirstLevelCounts | undefined;
  /** Default: one that counts. */
  readonly memory?: CountedMemory;
  /** An empty store of that shape for each core. */
  createStore(geometry: Geometry, cores: number): PayloadStore;
}

/** One design at work: its own caches, walk caches and tables, its own books. */
export interface DesignStage {
  readonly design: Design;
  readonly caches: CacheHierarchy;
  readonly memory: CountedMemory;
  /** Number of a process to its instance of the design. */
  readonly instances: readonly DesignInstance[];
  /** A process appears; its spaces from the process down. Changes of the spaces reach the instance from then on. */
  addProcess(spaces: readonly AddressSpace[]): void;
  /** Walks for element `index` of the stream and books the walk. */
  walkFor(stream: AccessStream, index: number): void;
  resetCounts(): void;
  result(): DesignFigures;
}

/** @param options resolved by the design's own spec */
export function cacheBiasOf(design: Design, options: Readonly<Record<string, unknown>>): CacheBias | undefined {
  return design.cacheBias?.(options as never);
}

export function createDesignStage(
  { setup, cores, walkerMachine, memories = [], seed = 42 }: DesignStageMachine,
  {
    design,
    options,
    caches,
    firstLevel,
    createStore,
    memory = new CountedMemory(caches, caches.latencyCycles),
  }: DesignStageParts,
): DesignStage {
  const walkCaches = createWalkCaches(cores, memory, createStore);
  const names = Object.keys(design.counters);
  /** Of each instance. */
  const counts: Record<string, number>[] = [];
  const instances: DesignInstance[] = [];
  const latencies = createLatencyCounts();
  /** Process that each core walked for last. */
  const processOnCore = new Int32Array(cores).fill(-1);
  let ownMemory: DesignMemory | undefined;
  /** Changes of the backing of this design's guest frames, until the instance that caused them exists. */
  let beforeInstance: ((instance: DesignInstance) => void)[] = [];
  let walks = 0;
  let walkCycles = 0;
  // Designs count on; what they had at the end of warm-up is taken off.
  let countsBefore = new Map<string, number>();
  let maintenanceBefore = 0;
  let coveredBefore = 0;
  let migratedBefore = 0;
  let failuresBefore = 0;

  const sum = (of: (instance: DesignInstance) => number): number =>
    instances.reduce((total, one) => total + of(one), 0);
  const counted = (name: string): number => counts.reduce((total, one) => total + one[name]!, 0);
  const maintenance = (): number => sum((instance) => instance.maintenanceCycles?.() ?? 0);
  const covered = (): number => sum((instance) => instance.coveredWalks?.() ?? 0);

  const migrated = (): number => sum((instance) => instance.bytesMigrated?.() ?? 0);
  const failures = (): number => sum((instance) => instance.allocationFailures?.() ?? 0);

  const sharedValues = new Map<object, object>();
  /** The map holds what `create` gave for the very object, so the type is the caller's. */
  function sharedBySpace(): DesignResources['shared'] {
    return <T extends object>(of: object, create: () => T): T => {
      const known = sharedValues.get(of);
      if (known !== undefined) return known as T;
      const created = create();
      sharedValues.set(of, created);
      return created;
    };
  }

  /** All processes share the VMs, and so what this design adds to the VMs' tables. */
  function memoryFor(spaces: readonly AddressSpace[]): DesignMemory {
    const tell = (change: (instance: DesignInstance) => void): void => {
      for (const instance of instances) change(instance);
      if (instances.length < counts.length) beforeInstance.push(change);
    };
    return createDesignMemory(spaces, memories, seed, {
      mapped: (...change) => tell((instance) => instance.mapped?.(...change)),
      unmapped: (...change) => tell((instance) => instance.unmapped?.(...change)),
    });
  }

  return {
    design,
    caches,
    memory,
    instances,
    addProcess(spaces) {
      const process = instances.length;
      ownMemory ??= memoryFor(spaces);
      const own = ownMemory;
      const count: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]));
      counts.push(count);
      const resources: DesignResources = {
        setup,
        spaces: own.spacesFor(spaces, design.keepsGuestTables ?? false),
        contiguous: own.contiguous,
        releaseContiguous: own.releaseContiguous,
        takeFrames: own.take,
        process,
        shared: sharedBySpace(),
        memory,
        walkerMachine,
        count,
        walkCache: (name, geometry) => walkCaches.of(name, geometry, process),
        step: (label) => memory.step(label),
      };
      const instance = design.create(options as never, resources);
      instances.push(instance);
      for (const change of beforeInstance) change(instance);
      beforeInstance = [];
      for (const [dimension, space] of spaces.entries()) observe(space, dimension, instance);
    },
    walkFor(stream, index) {
      const core = stream.core[index]!;
      const process = stream.process[index]!;
      const instance = instances[process]!;
      memory.begin(core);
      caches.missed?.();
      if (processOnCore[core] !== process) {
        processOnCore[core] = process;
        instance.switchedIn?.(core);
      }
      const frame = instance.walk(stream.walk[index]!);
      const expected = Math.floor(stream.line[index]! / linesPerPage);
      if (frame !== expected) throw wrongFrame(design.name, stream.walk[index]!, frame, expected);
      walks++;
      walkCycles += memory.cycles;
      latencies.add(memory.cycles);
    },
    resetCounts() {
      walks = 0;
      walkCycles = 0;
      latencies.clear();
      memory.resetCounts();
      walkCaches.resetCounts();
      caches.resetCounts();
      countsBefore = new Map(names.map((name) => [name, counted(name)]));
      maintenanceBefore = maintenance();
      coveredBefore = covered();
      migratedBefore = migrated();
      failuresBefore = failures();
    },
    result() {
      const saysCoverage = instances.some((instance) => instance.coveredWalks !== undefined);
      const saysBytes = instances.some((instance) => instance.tableBytes !== undefined);
      return {
        options,
        walks,
        walkCycles,
        cyclesPerWalk: ratio(walkCycles, walks),
        references: memory.references,
        probes: memory.probes,
        referencesPerWalk: ratio(memory.references, walks),
        coverage: ratio(saysCoverage ? covered() - coveredBefore : walks, walks),
        tableBytes: saysBytes ? sum((instance) => instance.tableBytes?.() ?? 0) : null,
        maintenanceCycles: maintenance() - maintenanceBefore,
        bytesMigrated: migrated() - migratedBefore,
        allocationFailures: failures() - failuresBefore,
        walkLatency: latencyDistribution(latencies.entries()),
        steps: memory.steps(),
        walkCaches: walkCaches.counts(),
        caches: cacheCounts(caches, firstLevel),
        counters: Object.fromEntries(names.map((name) => [name, counted(name) - (countsBefore.get(name) ?? 0)])),
      };
    },
  };
}

function cacheCounts(caches: CacheHierarchy, firstLevel: FirstLevelCounts = none): Record<CacheName, CacheCounts> {
  const counted = caches.counts();
  const one = (name: CacheName, hits = 0, misses = 0): CacheCounts => ({
    data: hitCounts(counted[name].dataHits + hits, counted[name].dataMisses + misses),
    walk: hitCounts(counted[name].walkHits, counted[name].walkMisses),
  });
  const { l1i, l1d } = firstLevel;
  return { l1i: one('l1i', l1i.hits, l1i.misses), l1d: one('l1d', l1d.hits), l2: one('l2'), llc: one('llc') };
}

const none: FirstLevelCounts = { l1i: { hits: 0, misses: 0 }, l1d: { hits: 0 } };

function observe(space: AddressSpace, dimension: number, instance: DesignInstance): void {
  space.observe({
    mapped: (vpn, frame, level) => instance.mapped?.(dimension, vpn, frame, level),
    unmapped: (vpn, frame, level) => instance.unmapped?.(dimension, vpn, frame, level),
    nodeAllocated: (level, vpn, frame) => instance.nodeAllocated?.(dimension, level, vpn, frame),
    nodeFreed: (level, vpn, frame) => instance.nodeFreed?.(dimension, level, vpn, frame),
    rewritten: (vpn, frame, level) => instance.rewritten?.(dimension, vpn, frame, level),
    writeProtected: () => instance.writeProtected?.(dimension),
  });
}

export function wrongFrame(design: string, vpn: number, found: number, expected: number): StrataError {
  return new StrataError({
    code: 'design.wrong-frame',
    what: `design ${design} translates page 0x${vpn.toString(16)} wrongly`,
    expected: `frame 0x${expected.toString(16)}, as the page tables say`,
    found: `frame 0x${found.toString(16)}`,
    mend: 'The design has a defect: its walk must follow the tables, events of mapping and unmapping included.',
    exitCode: 1,
  });
}

export type DesignStageLoop = (stream: AccessStream) => void;

/** The loop as it is meant; `kernel.ts` prints one per design, so that each is compiled for the caches of its own design. */
export function createDesignLoop({ caches, walkFor }: DesignStage): DesignStageLoop {
  return (stream) => {
    for (let index = 0; index < stream.length; index++) {
      const core = stream.core[index]!;
      const line = stream.line[index]!;
      const touch = stream.touch[index]!;
      caches.passed?.(stream.leftOut[index]!);
      if (stream.walk[index]! >= 0) walkFor(stream, index);
      if (touch === Touch.data || touch === Touch.fetch) caches.access(core, line, touch === Touch.fetch);
      else if (touch === Touch.fetchMissed) caches.fetchMissed(core, line);
    }
  };
}
