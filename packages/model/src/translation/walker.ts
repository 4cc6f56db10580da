import {
  entriesPerPage,
  entryBytes,
  type Frame,
  indexAt,
  type PageLevel,
  pagesPerEntry,
  type Vpn,
} from '../machine/address.ts';
import type { PageTable } from '../machine/page-table.ts';
import type { Geometry } from '../machine/tag-store.ts';
import type { DesignResources, WalkCache, WalkMemory } from './design.ts';

/** One page table of a walk. Its nodes lie in the physical space that the next dimension translates; those of the last in host memory. */
export interface WalkDimension {
  readonly table: PageTable;
  /** In step labels: `guest` gives `guest L4` and, for its tables' host walks, `host L3 for guest L4`. Empty: just `L4`. */
  readonly name: string;
  /** By level of the entries held; absent = no such cache. */
  readonly pageWalkCaches: readonly (Geometry | undefined)[];
  /** Page of this dimension to host frame, asked before walking. Not for the first dimension, where the TLB does that. */
  readonly nestedTlb: Geometry | undefined;
  /**
   * Called when a walk of this dimension begins. Prefetches entries of the two lowest levels and notes by level after how many cycles they
   * arrive; the walk does not go on from an entry before that.
   */
  readonly prefetch?: (page: number, arrivals: Float64Array) => void;
}

/** Levels whose entries can be prefetched. */
const prefetchedLevels = 2;

/** What a page-walk cache entry of an upper dimension points with. */
export type WalkCachePointers = 'guest-physical' | 'host-physical';

export interface RadixWalker {
  walk(vpn: Vpn): Frame;
  /** The leaf at `vpn` of that dimension is gone: drops what walk caches and nested TLBs hold of the way to it. */
  forget(dimension: number, vpn: Vpn, level: PageLevel): void;
}

/**
 * The radix walk of x86-64 in any number of dimensions (Intel SDM vol. 3, 5.5 and 29.3; AMD APM vol. 2, 15.25): every address read in one
 * dimension, table or page, is translated by the next one first. Cold, one dimension of g levels over one of h levels takes
 * (g + 1)(h + 1) - 1 references.
 */
export function createRadixWalker(
  resources: DesignResources,
  dimensions: readonly WalkDimension[],
  pointers: WalkCachePointers = 'guest-physical',
): RadixWalker {
  const walked: Dimension[] = [];
  let next: Dimension | undefined;
  for (let index = dimensions.length - 1; index >= 0; index--) {
    next = new Dimension(resources, dimensions, index, next, pointers);
    walked.unshift(next);
  }
  const first = walked[0]!;
  return {
    walk: (vpn) => first.walk(vpn, 0),
    forget(dimension, vpn, level) {
      walked[dimension]?.forget(vpn, level);
      // A nested TLB above holds host frames found through this dimension, under keys that say nothing of the way.
      for (let above = 1; above < dimension; above++) walked[above]?.forgetTranslations();
    },
  };
}

/** Numbers per dimension of a context: levels 1 to 5, and 0 for the page that the walk is about. */
const contextBase = 6;

/** Label of the read of `level` in dimension `index`; the digits of `context` say what each dimension above wants translated. */
function labelOf(dimensions: readonly WalkDimension[], index: number, context: number, level: number): string {
  const { name } = dimensions[index]!;
  const read = name === '' ? `L${level}` : `${name} L${level}`;
  return index === 0 ? read : `${read} for ${purposeOf(dimensions, index - 1, context)}`;
}

function purposeOf(dimensions: readonly WalkDimension[], index: number, context: number): string {
  const level = context % contextBase;
  const above = Math.floor(context / contextBase);
  if (level !== 0) return labelOf(dimensions, index, above, level);
  return index === 0 ? 'data' : purposeOf(dimensions, index - 1, above);
}

/** Address bits that select an entry of level 2 or higher are fewer than this says. */
const prefixUnit = 2 ** 43;

class Dimension {
  private readonly memory: WalkMemory;
  private readonly table: PageTable;
  private readonly levels: number;
  private readonly next: Dimension | undefined;
  /** By level. */
  private readonly caches: readonly (WalkCache | undefined)[];
  /** The lowest level with a cache, above which there may be levels without; beyond the root when there is none. */
  private readonly lowestCached: number;
  /** By level: what tells the levels' keys apart in a unified cache. */
  private readonly keyTags: readonly number[];
  private readonly cacheCycles: number;
  private readonly nestedTlb: WalkCache | undefined;
  private readonly nestedTlbCycles: number;
  private readonly combined: boolean;
  /** Step number by `context * 6 + level`; -1 = not asked for yet. */
  private readonly steps: Int32Array;
  private readonly stepOf: (step: number) => number;
  private readonly prefetch: WalkDimension['prefetch'];
  /** By level. */
  private readonly arrivals = new Float64Array(prefetchedLevels + 1);

  constructor(
    resources: DesignResources,
    dimensions: readonly WalkDimension[],
    index: number,
    next: Dimension | undefined,
    pointers: WalkCachePointers,
  ) {
    const { table, name, pageWalkCaches, nestedTlb, prefetch } = dimensions[index]!;
    const { walkerMachine } = resources;
    const prefix = name === '' ? '' : `${name} `;
    this.memory = resources.memory;
    this.table = table;
    this.levels = table.levels;
    this.next = next;
    this.prefetch = prefetch;
    const shapes = pageWalkCaches.slice(2, table.levels + 1).filter((geometry) => geometry !== undefined);
    const unified = shapes.length > 1 && shapes.every((geometry) => geometry === shapes[0]);
    this.caches = Array.from({ length: table.levels + 1 }, (_, level) => {
      const geometry = level >= 2 ? pageWalkCaches[level] : undefined;
      return geometry && resources.walkCache(`${prefix}${unified ? 'unified' : `L${level}`}`, geometry);
    });
    this.keyTags = Array.from({ length: table.levels + 1 }, (_, level) => (unified ? level * prefixUnit : 0));
    const lowest = this.caches.findIndex((cache) => cache !== undefined);
    this.lowestCached = lowest < 0 ? table.levels + 1 : lowest;
    this.cacheCycles = walkerMachine.pageWalkCacheCycles;
    this.nestedTlb = index > 0 && nestedTlb ? resources.walkCache(`${prefix}nested TLB`, nestedTlb) : undefined;
    this.nestedTlbCycles = walkerMachine.nestedTlbCycles;
    this.combined = pointers === 'host-physical';
    this.steps = new Int32Array(contextBase ** (index + 1)).fill(-1);
    this.stepOf = (step) => {
      const label = labelOf(dimensions, index, Math.floor(step / contextBase), step % contextBase);
      return resources.step(label);
    };
  }

  /** Host frame of page `page`, out of the nested TLB or by walking. */
  private translate(page: number, context: number): Frame {
    const { nestedTlb } = this;
    if (nestedTlb === undefined) return this.walk(page, context);
    this.memory.wait(this.nestedTlbCycles);
    const hit = nestedTlb.lookup(page);
    if (hit >= 0) return hit;
    const frame = this.walk(page, context);
    nestedTlb.insert(page, frame);
    return frame;
  }

  /** @param context what this walk is for: the step of the dimension above, its level in the last digit to base 6 */
  walk(page: number, context: number): Frame {
    const { table, next, memory, caches } = this;
    let node = 0;
    let level = this.levels;
    let hostFrame = -1;
    const begin = memory.cycles;
    if (this.prefetch !== undefined) {
      // `fill` is a call that two stores are not.
      for (let level = 1; level <= prefetchedLevels; level++) this.arrivals[level] = 0;
      this.prefetch(page, this.arrivals);
    }
    // The deepest entry wins; shallower caches are not asked any more. A look-up that finds nothing runs beside the root's read.
    for (let cachedLevel = this.lowestCached; cachedLevel <= this.levels; cachedLevel++) {
      const cache = caches[cachedLevel];
      if (cache === undefined) continue;
      const child = cache.lookup(this.keyOf(page, cachedLevel));
      if (child < 0) continue;
      memory.wait(this.cacheCycles);
      node = child;
      level = cachedLevel - 1;
      if (this.combined && next !== undefined) hostFrame = next.known(table.frameOf(node));
      break;
    }
    for (; ; level--) {
      const step = context * contextBase + level;
      if (hostFrame < 0) {
        const tableFrame = table.frameOf(node);
        hostFrame = next === undefined ? tableFrame : next.translate(tableFrame, step);
      }
      const index = indexAt(page, level);
      memory.read(hostFrame, index * entryBytes, this.numberOf(step));
      if (this.prefetch !== undefined && level <= prefetchedLevels) {
        const early = begin + this.arrivals[level]! - memory.cycles;
        if (early > 0) memory.wait(early);
      }
      const cell = table.cell(node, index);
      if (cell >= 0) return this.leaf(page, level, cell, context);
      node = -cell;
      caches[level]?.insert(this.keyOf(page, level), node);
      hostFrame = -1;
    }
  }

  private leaf(page: number, level: number, cell: number, context: number): Frame {
    if (cell === 0) throw new Error(`walk of page ${page.toString(16)} met an absent entry at level ${level}`);
    const frame = cell - 1 + (page & (pagesPerEntry[level]! - 1));
    return this.next === undefined ? frame : this.next.translate(frame, context * contextBase);
  }

  /** Host frame of `page` without reading anything: what an entry with a host-physical pointer already holds. */
  private known(page: number): Frame {
    const frame = this.table.translate(page);
    return this.next === undefined ? frame : this.next.known(frame);
  }

  private numberOf(step: number): number {
    const number = this.steps[step]!;
    if (number >= 0) return number;
    const given = this.stepOf(step);
    this.steps[step] = given;
    return given;
  }

  forget(page: number, level: PageLevel): void {
    for (let cachedLevel = 2; cachedLevel <= this.levels; cachedLevel++)
      this.caches[cachedLevel]?.invalidate(this.keyOf(page, cachedLevel));
    if (level === 1) this.nestedTlb?.invalidate(page);
    else this.nestedTlb?.clear();
  }

  forgetTranslations(): void {
    this.nestedTlb?.clear();
  }

  /** Key in the page-walk caches: the address bits that select an entry of `level`. */
  private keyOf(page: number, level: number): number {
    return Math.floor(page * entriesPerPage[level]!) + this.keyTags[level]!;
  }
}
