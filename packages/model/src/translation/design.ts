import type { Frame, PageLevel, Vpn } from '../machine/address.ts';
import type { CacheBias } from '../machine/biased-store.ts';
import type { PartialValuesOf, Spec, ValuesOf } from '../machine/fields.ts';
import type { AddressSpace } from '../machine/page-table.ts';
import type { Geometry } from '../machine/tag-store.ts';
import type { ContiguousRange } from './design-memory.ts';

export type Setup = 'native' | 'virtualized' | 'nested';

/** Address spaces stacked in a set-up: 1, 2 or 3. */
export const dimensionsOf: Readonly<Record<Setup, 1 | 2 | 3>> = { native: 1, virtualized: 2, nested: 3 };

/** Where a reference was answered, in the enumeration order of the original's reports (specs/translation.md 1.7). */
export const Where = { memory: 0, l1: 1, l2: 2, llc: 3, walkCache: 4, skipped: 5 } as const;
export type Where = (typeof Where)[keyof typeof Where];

/** Memory as a page walk sees it: host-physical, through the caches of the core that walks. Everything read is counted and paid for. */
export interface WalkMemory {
  /** Number of the core that walks. */
  readonly core: number;
  /** Cycles of the walk so far. */
  readonly cycles: number;
  /**
   * One reference that the walk waits for: its latency is added to the walk. `step` is a number from `resources.step`.
   * Returns the latency in cycles.
   */
  read(frame: Frame, byteOffset: number, step: number): number;
  /** A reference whose latency is returned but not added: several at once, then `wait` for the slowest; or a prefetch. */
  probe(frame: Frame, byteOffset: number, step: number): number;
  /** Adds cycles to the walk: hashing, a look-up beside the caches, the slowest of several probes. */
  wait(cycles: number): void;
}

/** A small structure beside the walker (page-walk cache, nested TLB, register file): private per core, counted and reported by name. */
export interface WalkCache {
  /** Payload of `key` on the core that walks, or -1. Counts a hit or a miss; costs nothing by itself: `wait` for `latencyCycles`. */
  lookup(key: number): number;
  /** Whether `key` is there; counts nothing and changes nothing. */
  peek(key: number): number;
  /** Places `key` with a payload (an integer, 0 to 2^53 - 1), or overwrites the payload of a key that is there. */
  insert(key: number, payload: number): void;
  /** Drops `key` on all cores; returns on how many it was. */
  invalidate(key: number): number;
  clear(): void;
}

/** What a design is given when it is created. One instance serves all cores; what is private per core is inside these resources. */
export interface DesignResources<C extends string = string> {
  readonly setup: Setup;
  /**
   * The address spaces of the (single) process from the application down. native: [process]; virtualized: [process, VM];
   * nested: [process, L2 VM over L1's memory, L1 VM over the host's memory].
   *
   * `spaces[d].frames` is memory for the design's own tables of dimension d, as fragmented as the study says at its start, and used by no
   * other design. With `keepsGuestTables` the tables of the spaces below also map what was taken there, and `mapped` tells of it.
   */
  readonly spaces: readonly AddressSpace[];
  readonly memory: WalkMemory;
  /**
   * Contiguous memory for a table of dimension `dimension` that is contiguous in the host as well: what a hypercall gets from the lowest
   * hypervisor. `frame` is its address in the space below that dimension. Undefined when fragmentation leaves none.
   */
  contiguous(dimension: number, count: number): ContiguousRange | undefined;
  releaseContiguous(dimension: number, range: ContiguousRange, count: number): void;
  /** Takes the `count` frames from `first` on, for a table of that dimension, if they are free: growth in place. */
  takeFrames(dimension: number, first: Frame, count: number): boolean;
  /** Number of the process that this instance serves, from 0 in order of appearance. */
  readonly process: number;
  /**
   * One value for all processes per object that they share, such as a VM's space: the tables that a hypervisor keeps for it. The first
   * instance that asks creates it, and is the one to keep it up to date, since every instance is told of every change.
   */
  shared<T extends object>(of: object, create: () => T): T;
  /** A walk cache under that name (in results: `walkCaches.NAME`). Geometry from the machine or from the design's own spec. */
  walkCache(name: string, geometry: Geometry): WalkCache;
  /** Shapes and latencies of the machine's page-walk caches and nested TLB (the design may use or ignore them). */
  readonly walkerMachine: WalkerMachine;
  /** Number of the step with that label; asking again gives the same. Labels appear in explanations and per-step statistics. */
  step(label: string): number;
  /** The declared counters, to be incremented. */
  readonly count: Record<C, number>;
}

export interface WalkerMachine {
  /** Page-walk cache of each level, index = level of the entries that it holds (2, 3, 4, 5); absent = no such cache. */
  readonly pageWalkCaches: readonly (Geometry | undefined)[];
  /** Host-dimension page-walk caches of a two-dimensional walk; same indices. */
  readonly hostPageWalkCaches: readonly (Geometry | undefined)[];
  /** Guest-physical page to host frame, absent = none. */
  readonly nestedTlb: Geometry | undefined;
  /** Cycles for a hit in the page-walk caches, all levels asked at once; a look-up that finds nothing runs beside the first read. */
  readonly pageWalkCacheCycles: number;
  readonly nestedTlbCycles: number;
}

/** A running design. */
export interface DesignInstance {
  /** Another process than this one walked on `core` last: what the core holds for a process without a tag is to be loaded anew. */
  switchedIn?(core: number): void;
  /** Walks for page `vpn` (mapped in all dimensions) and returns its host frame. Called on last-level TLB misses. */
  walk(vpn: Vpn): Frame;
  /** Changes of the address space of dimension `dimension` (0 = the process), in program order with the walks. */
  mapped?(dimension: number, vpn: Vpn, frame: Frame, level: PageLevel): void;
  unmapped?(dimension: number, vpn: Vpn, frame: Frame, level: PageLevel): void;
  nodeAllocated?(dimension: number, level: number, vpn: Vpn, frame: Frame): void;
  nodeFreed?(dimension: number, level: number, vpn: Vpn, frame: Frame): void;
  /** A leaf entry was written anew with the same frame and other rights: a translation held elsewhere has the old ones. */
  rewritten?(dimension: number, vpn: Vpn, frame: Frame, level: PageLevel): void;
  /** Every leaf entry of the space was: a fork took the right to store away. */
  writeProtected?(dimension: number): void;
  /** Bytes of the tables that the design needs now, the operating system's own included where it uses them. */
  tableBytes?(): number;
  /** Cycles spent so far on keeping its tables up to date (exits, rehashing, migration); not part of walk cycles. */
  maintenanceCycles?(): number;
  /** Bytes of its tables copied so far, to grow them or to make room. 0 when absent. */
  bytesMigrated?(): number;
  /** Requests for contiguous memory that failed so far, for which it fell back. 0 when absent. */
  allocationFailures?(): number;
  /** Walks that the design served without falling back; all of them when absent. */
  coveredWalks?(): number;
}

/** A translation design: data and `create`. Adding one is one file in `designs/` and one line in `designs/index.ts`. */
export interface Design<S extends Spec = Spec, C extends string = string> {
  readonly name: string;
  readonly summary: string;
  /** Publication, or manual, with section. */
  readonly source: string;
  readonly setups: readonly Setup[];
  /** What the source leaves open or the model simplifies, a sentence each; reports print them beside the assumed values of `spec`. */
  readonly assumptions?: readonly string[];
  readonly spec: S;
  /** Name and meaning of each counter; reported under `designs.NAME.counters`. */
  readonly counters: Readonly<Record<C, string>>;
  /**
   * The design takes guest memory for tables (`spaces[d].frames` of an upper dimension), so it must find that memory mapped below. Pages
   * backed while `create` runs are told right after it, so one that `create` has found by itself is told again.
   */
  readonly keepsGuestTables?: boolean;
  /** How the design's caches lean towards what it keeps in them; undefined = not at all, as when absent. */
  cacheBias?(spec: ValuesOf<S>): CacheBias | undefined;
  create(spec: ValuesOf<S>, resources: DesignResources<C>): DesignInstance;
}

export type DesignOptions<S extends Spec> = PartialValuesOf<S>;

/** Gives a design its types; the identity at run time. */
export function defineDesign<const S extends Spec, const C extends string>(design: Design<S, C>): Design<S, C> {
  return design;
}
