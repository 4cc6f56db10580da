import { type Frame, type PageLevel, pagesIn, type Vpn } from './address.ts';
import { StrataError } from './errors.ts';
import { type MachineConfig, type TlbArray, tlbArraysOf } from './machine-config.ts';
import type { Random } from './random.ts';
import { createTagStore } from './set-associative.ts';
import type { TagStore } from './tag-store.ts';

/** What the TLBs of all cores have counted since the last reset. A miss is a miss in both levels. */
export interface TlbCounts {
  readonly l1iHits: number;
  readonly l1iMisses: number;
  readonly l1dHits: number;
  readonly l1dMisses: number;
  /** Look-ups that missed in L1I or L1D. */
  readonly l2Hits: number;
  readonly l2Misses: number;
}

/**
 * Two levels of page-size-aware TLBs for every core, tagged with the process. Looked up by 4 KiB page number, whatever the size of the
 * page. Both levels are filled on a miss, the second is not inclusive, and a hit in the second fills the first.
 */
export interface Tlb {
  /** Frame of the 4 KiB page, or -1 on a miss in both levels. */
  lookup(core: number, vpn: Vpn, isFetch: boolean, process: number): Frame | -1;
  /** 1 or 2: the level that answered the last look-up; 0 when it missed. */
  lastLevel(): 0 | 1 | 2;
  /** After a walk: `frame` is the frame of the 4 KiB page `vpn`, `level` the size of the page that maps it in all dimensions. */
  fill(core: number, vpn: Vpn, isFetch: boolean, process: number, frame: Frame, level: PageLevel): void;
  /** Drops every translation of the `pages` 4 KiB pages from `vpn` on, on all cores. Returns the number of entries dropped. */
  invalidate(process: number, vpn: Vpn, pages: number): number;
  /** Drops every translation of the process on all cores. Returns the number of entries dropped. */
  invalidateProcess(process: number): number;
  /** Drops everything on all cores, at no cost where nothing was filled since the last time: hypervisors' changes come in bursts. */
  invalidateAll(): number;
  counts(): TlbCounts;
  /** Counters to zero; what the TLBs hold stays. */
  resetCounts(): void;
  /** Empties the TLBs; counters stay. */
  clear(): void;
}

export interface TlbOptions {
  readonly cores: number;
  readonly tlb: MachineConfig['tlb'];
  /**
   * Bits of a page number that count: 36 under 4-level tables, 45 under 5-level tables (sign extension dropped). It bounds the number of
   * processes told apart: 65,536 or 255.
   */
  readonly pageNumberBits: 36 | 45;
}

export const tlbNames = ['l1i', 'l1d', 'l2'] as const;
export type TlbName = (typeof tlbNames)[number];

/**
 * How an array folds process, page size and page number into one key below 2^53: `process * perProcess + offsets[level] + page number`.
 * All offsets are multiples of the number of sets, so the set of an entry is its page number mod sets, as in the original.
 */
export interface KeySpace {
  readonly offsets: readonly [number, number, number, number];
  readonly perProcess: number;
  /** Processes that can be told apart. */
  readonly processes: number;
}

export function keySpaceOf(sets: number, pageNumberBits: number): KeySpace {
  const wholeSets = (keys: number) => Math.ceil(keys / sets) * sets;
  const large = wholeSets(2 ** pageNumberBits);
  const giant = large + wholeSets(2 ** (pageNumberBits - 9));
  const perProcess = giant + wholeSets(2 ** (pageNumberBits - 18));
  return { offsets: [0, 0, large, giant], perProcess, processes: Math.min(65_536, Math.floor(2 ** 53 / perProcess)) };
}

/** One array of one of the TLBs, for all cores, with what both versions of the TLB need to know about it. */
export interface TlbArrayShape extends TlbArray {
  readonly keySpace: KeySpace;
}

export interface TlbShape {
  readonly name: TlbName;
  readonly arrays: readonly TlbArrayShape[];
  /** By level of a page: the level as which this TLB holds it (the next smaller size that has an array), and in which array. */
  readonly heldAs: readonly { readonly level: PageLevel; readonly array: number }[];
}

/** @throws StrataError `machine.impossible-geometry` */
export function tlbShapesOf({ tlb, pageNumberBits }: TlbOptions): TlbShape[] {
  return tlbNames.map((name) => {
    const arrays = tlbArraysOf(tlb[name], `machine.tlb.${name}`).map((array) => ({
      ...array,
      keySpace: keySpaceOf(array.geometry.sets, pageNumberBits),
    }));
    const holderOf = (level: PageLevel) => arrays.findIndex(({ levels }) => levels.includes(level));
    const heldAs = [1, 1, 2, 3].map((wanted) => {
      let level = wanted as PageLevel;
      while (holderOf(level) < 0) level = (level - 1) as PageLevel;
      return { level, array: holderOf(level) };
    });
    return { name, arrays, heldAs };
  });
}

/** The draws of each core in each array of each TLB, in a fixed order, so that interpreted and printed TLBs draw alike. */
export function tlbRandoms(shapes: readonly TlbShape[], cores: number, random: Random): Random[][][] {
  return shapes.map(({ arrays }) => arrays.map(() => Array.from({ length: cores }, () => random.fork())));
}

export const tlbCounterCount = 6;

export function namedTlbCounts(counters: Float64Array): TlbCounts {
  const at = (index: number) => counters[index]!;
  return { l1iHits: at(0), l1iMisses: at(1), l1dHits: at(2), l1dMisses: at(3), l2Hits: at(4), l2Misses: at(5) };
}

/** The entries of one core in one array, as far as invalidation sees them. */
export interface InvalidatedArray {
  readonly shape: TlbArrayShape;
  readonly slots: number;
  remove(key: number): boolean;
  keyAt(slot: number): number;
}

/** Drops every entry that translates one of the pages; by key where they are few, by looking at every entry where they are many. */
export function dropPages(array: InvalidatedArray, process: number, vpn: number, pages: number): number {
  const { levels, keySpace } = array.shape;
  let dropped = 0;
  for (const level of levels) {
    const base = process * keySpace.perProcess + keySpace.offsets[level];
    const first = base + Math.floor(vpn / pagesIn[level]);
    const last = base + Math.floor((vpn + pages - 1) / pagesIn[level]);
    // A range that reaches beyond the address space must not reach into the keys of larger pages.
    const end = process * keySpace.perProcess + (keySpace.offsets[level + 1] ?? keySpace.perProcess);
    dropped += dropKeys(array, first, Math.min(last, end - 1));
  }
  return dropped;
}

export function dropProcess(array: InvalidatedArray, process: number): number {
  const { perProcess } = array.shape.keySpace;
  return dropKeys(array, process * perProcess, (process + 1) * perProcess - 1);
}

export function dropAll(array: InvalidatedArray): number {
  return dropKeys(array, 0, Number.POSITIVE_INFINITY);
}

function dropKeys(array: InvalidatedArray, first: number, last: number): number {
  let dropped = 0;
  if (last - first < array.slots) {
    for (let key = first; key <= last; key++) if (array.remove(key)) dropped++;
    return dropped;
  }
  for (let slot = 0; slot < array.slots; slot++) {
    const key = array.keyAt(slot);
    if (key >= first && key <= last && array.remove(key)) dropped++;
  }
  return dropped;
}

export function tooManyProcesses(process: number, { processes }: KeySpace): StrataError {
  return new StrataError({
    code: 'tlb.too-many-processes',
    what: 'more processes than the TLB can tell apart',
    expected: `process numbers below ${processes}`,
    found: String(process),
    mend: 'Use 4-level page tables, or split the trace by process.',
  });
}

/**
 * The TLBs, interpreted: written to be read. `createPrintedTlb` does the same faster.
 * @throws StrataError `machine.impossible-geometry`; on `fill` `tlb.too-many-processes`
 */
export function createTlb(options: TlbOptions, random: Random): Tlb {
  const { cores, pageNumberBits } = options;
  const shapes = tlbShapesOf(options);
  const randoms = tlbRandoms(shapes, cores, random);
  const [l1i, l1d, l2] = shapes.map((shape, index) => createLevel(shape, randoms[index]!, cores)) as [
    Level,
    Level,
    Level,
  ];
  const counters = new Float64Array(tlbCounterCount);
  const limit = 2 ** pageNumberBits;
  let last: 0 | 1 | 2 = 0;
  let isEmpty = true;

  const invalidated = [l1i, l1d, l2].flatMap(({ entries }) => entries.flat());
  return {
    lookup(core, page, isFetch, process) {
      const vpn = page % limit;
      const first = isFetch ? l1i : l1d;
      const found = first.find(core, vpn, process);
      counters[(isFetch ? 0 : 2) + (found === undefined ? 1 : 0)]! += 1;
      last = 1;
      if (found !== undefined) return found.frame;
      const second = l2.find(core, vpn, process);
      counters[second === undefined ? 5 : 4]! += 1;
      last = second === undefined ? 0 : 2;
      if (second === undefined) return -1;
      first.fill(core, vpn, process, second.frame, second.level);
      return second.frame;
    },
    lastLevel: () => last,
    fill(core, page, isFetch, process, frame, level) {
      const vpn = page % limit;
      isEmpty = false;
      l2.fill(core, vpn, process, frame, level);
      (isFetch ? l1i : l1d).fill(core, vpn, process, frame, level);
    },
    invalidate: (process, vpn, pages) =>
      invalidated.reduce((sum, array) => sum + dropPages(array, process, vpn % limit, pages), 0),
    invalidateProcess: (process) => invalidated.reduce((sum, array) => sum + dropProcess(array, process), 0),
    invalidateAll() {
      if (isEmpty) return 0;
      isEmpty = true;
      return invalidated.reduce((sum, array) => sum + dropAll(array), 0);
    },
    counts: () => namedTlbCounts(counters),
    resetCounts: () => {
      counters.fill(0);
    },
    clear() {
      for (const { store } of invalidated) store.clear();
      isEmpty = true;
    },
  };
}

interface Entries extends InvalidatedArray {
  readonly store: TagStore;
  /** By slot: frame of the first 4 KiB of the page. */
  readonly frames: Float64Array;
}

interface Level {
  /** By array, then core. */
  readonly entries: readonly (readonly Entries[])[];
  find(core: number, vpn: number, process: number): { frame: Frame; level: PageLevel } | undefined;
  fill(core: number, vpn: number, process: number, frame: Frame, level: PageLevel): void;
}

function createLevel({ arrays, heldAs }: TlbShape, randoms: Random[][], cores: number): Level {
  const entries = arrays.map((shape, array) =>
    Array.from({ length: cores }, (_, core): Entries => {
      const store = createTagStore(shape.geometry, randoms[array]![core]!);
      const { slots, remove, keyAt } = store;
      return { shape, store, slots, remove, keyAt, frames: new Float64Array(slots) };
    }),
  );
  const keyOf = ({ perProcess, offsets }: KeySpace, process: number, level: PageLevel, vpn: number) =>
    process * perProcess + offsets[level] + Math.floor(vpn / pagesIn[level]);

  return {
    entries,
    find(core, vpn, process) {
      for (const array of entries) {
        const { shape, store, frames } = array[core]!;
        for (const level of shape.levels) {
          const slot = store.lookup(keyOf(shape.keySpace, process, level, vpn));
          if (slot >= 0) return { frame: frames[slot]! + (vpn % pagesIn[level]), level };
        }
      }
      return undefined;
    },
    fill(core, vpn, process, frame, pageLevel) {
      const { level, array } = heldAs[pageLevel]!;
      const { shape, store, frames } = entries[array]![core]!;
      if (process >= shape.keySpace.processes) throw tooManyProcesses(process, shape.keySpace);
      const key = keyOf(shape.keySpace, process, level, vpn);
      const present = store.peek(key);
      frames[present >= 0 ? present : store.insert(key)] = frame - (vpn % pagesIn[level]);
    },
  };
}
