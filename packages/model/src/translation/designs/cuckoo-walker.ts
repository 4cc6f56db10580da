import { type Frame, lineBytes, linesPerPage, type PageLevel, type Vpn } from '../../machine/address.ts';
import type { DesignResources, WalkCache } from '../design.ts';
import { type CuckooPageTable, type CuckooTable, type WayMemory, walkLineKey } from './cuckoo-page-table.ts';
import { tableNames } from './radix.ts';
import { StepLabels } from './step-labels.ts';

export interface CuckooWalkerOptions {
  readonly pmdCacheEntries: number;
  readonly pudCacheEntries: number;
  readonly hashCycles: number;
  readonly walkCacheCycles: number;
  readonly waitForAll: boolean;
  readonly nestedTlb: boolean;
}

export interface CuckooWalker {
  walk(vpn: Vpn): Frame;
  /** Whether the last walk read the list of a way's scattered frames. */
  metScattered(): boolean;
  /** The leaf at `vpn` of that dimension is gone. */
  forget(dimension: number, vpn: Vpn, level: PageLevel): void;
}

/** Numbers of reads: an entry by its level, the other ways probed with it, a line of a walk table, the list of scattered frames. */
const reads = ['', '4 KiB entry', '2 MiB entry', '1 GiB entry', 'other ways', 'walk table', 'frame list'];
const otherWays = 4;
const walkTable = 5;
const frameList = 6;

const lineIndexBits = Math.log2(linesPerPage);

/** Look-ups in the cuckoo page tables of every dimension, each address of a table translated by the dimension below. */
export function createCuckooWalker(
  resources: DesignResources,
  tables: readonly CuckooPageTable[],
  options: CuckooWalkerOptions,
): CuckooWalker {
  const labels = new StepLabels(resources, tableNames[resources.setup], reads);
  const trail = { scattered: false };
  const dimensions: CuckooDimension[] = [];
  for (let index = tables.length - 1; index >= 0; index--)
    dimensions.unshift(
      new CuckooDimension(resources, { table: tables[index]!, index, labels, trail, options }, dimensions[0]),
    );
  return {
    walk(vpn) {
      trail.scattered = false;
      return dimensions[0]!.locate(vpn, 0, true);
    },
    metScattered: () => trail.scattered,
    forget(dimension, vpn, level) {
      for (let above = 1; above < dimension; above++) dimensions[above]!.forgetTranslations();
      dimensions[dimension]!.forget(vpn, level);
    },
  };
}

interface DimensionParts {
  readonly table: CuckooPageTable;
  readonly index: number;
  readonly labels: StepLabels;
  readonly trail: { scattered: boolean };
  readonly options: CuckooWalkerOptions;
}

class CuckooDimension {
  /** What the last look-up or read took from beginning to end, whether or not the walk waited for it. */
  cycles = 0;
  private readonly resources: DesignResources;
  private readonly parts: DimensionParts;
  private readonly next: CuckooDimension | undefined;
  private readonly pmdCache: WalkCache;
  private readonly pudCache: WalkCache;
  private readonly nestedTlb: WalkCache | undefined;

  constructor(resources: DesignResources, parts: DimensionParts, next: CuckooDimension | undefined) {
    this.resources = resources;
    this.parts = parts;
    this.next = next;
    const { setup, walkerMachine } = resources;
    const { index, options } = parts;
    const name = tableNames[setup][index]!;
    const cache = (what: string, entries: number) =>
      resources.walkCache(`${name} ${what}`.trimStart(), { sets: 1, ways: entries, policy: 'lru' });
    this.pmdCache = cache('PMD-CWC', options.pmdCacheEntries);
    this.pudCache = cache('PUD-CWC', options.pudCacheEntries);
    const { nestedTlb } = walkerMachine;
    this.nestedTlb =
      index > 0 && nestedTlb && options.nestedTlb ? resources.walkCache(`${name} nested TLB`, nestedTlb) : undefined;
  }

  /** Host frame of a page of the dimension above. @param awaited whether the walk waits for this look-up, or it runs beside another one */
  private translate(page: number, context: number, awaited: boolean): Frame {
    const { nestedTlb, resources } = this;
    if (nestedTlb === undefined) return this.locate(page, context, awaited);
    const { nestedTlbCycles } = resources.walkerMachine;
    if (awaited) resources.memory.wait(nestedTlbCycles);
    const hit = nestedTlb.lookup(page);
    if (hit >= 0) {
      this.cycles = nestedTlbCycles;
      return hit;
    }
    const frame = this.locate(page, context, awaited);
    this.cycles += nestedTlbCycles;
    nestedTlb.insert(page, frame);
    return frame;
  }

  /** One look-up: probes what the walk caches leave of the tables, then translates what the entry says. */
  locate(page: number, context: number, awaited: boolean): Frame {
    const { table, options, labels } = this.parts;
    const { memory } = this.resources;
    const level = table.locate(page);
    if (level === 0) throw new Error(`no table has page ${page.toString(16)}`);
    const frame = table.locatedFrame;
    const known = this.knownSection(page, level, context);
    const start = options.hashCycles + options.walkCacheCycles;
    if (awaited) memory.wait(start);

    let right = 0;
    let slowest = 0;
    for (let each = 1; each <= 3; each++) {
      const size = each as PageLevel;
      const ways = table.size(size);
      if (ways === undefined || !isProbed(table, page, size, level, known)) continue;
      const holder = size === level ? ways.holder : -1;
      // The section of a large page says which way to look into; one of 4 KiB pages, or of both, does not.
      const only = size === known ? holder : -1;
      for (let way = 0; way < ways.ways; way++) {
        if (only >= 0 && way !== only) continue;
        if (way === holder) {
          this.readSlot(ways, way, context, size, awaited);
          right = this.cycles;
        } else {
          this.readSlot(ways, way, context, otherWays, false);
          slowest = Math.max(slowest, this.cycles);
        }
      }
    }
    const extra = options.waitForAll ? Math.max(0, slowest - right) : 0;
    if (awaited) memory.wait(extra);

    const total = start + right + extra;
    const { next } = this;
    const hostFrame = next === undefined ? frame : next.translate(frame, labels.below(context, 0), awaited);
    this.cycles = total + (next?.cycles ?? 0);
    return hostFrame;
  }

  /**
   * The smallest section around `page` that a walk cache describes: 2 = its 2 MiB, 3 = its GiB, 0 = none does. What the caches
   * lack is fetched beside the walk.
   */
  private knownSection(page: number, level: PageLevel, context: number): 0 | 2 | 3 {
    const pud = this.describedBy(this.pudCache, page, 3, context);
    const pmd = level < 3 && this.describedBy(this.pmdCache, page, 2, context);
    return pmd ? 2 : pud ? 3 : 0;
  }

  private describedBy(cache: WalkCache, page: number, level: 2 | 3, context: number): boolean {
    const key = walkLineKey(page, level);
    if (cache.lookup(key) >= 0) return true;
    const lines = this.parts.table.walkTable(level);
    lines?.find(key);
    for (let way = 0; way < (lines?.ways ?? 0); way++) this.readSlot(lines!, way, context, walkTable, false);
    cache.insert(key, 0);
    return false;
  }

  /** Reads the line where the table looked last in `way`; `cycles` says how long it took, the translation of its address included. */
  private readSlot(table: CuckooTable, way: number, context: number, read: number, awaited: boolean): void {
    const memory: WayMemory = table.regionAt(way);
    const slot = table.slotAt(way);
    const page = slot >>> lineIndexBits;
    let before = 0;
    if (memory.first < 0) {
      this.parts.trail.scattered ||= awaited;
      this.readLine(memory.list[page >>> 9]!, (page & 511) * 8, context, frameList, awaited);
      before = this.cycles;
    }
    const frame = memory.first < 0 ? memory.scattered[page]! : memory.first + page;
    this.readLine(frame, (slot & (linesPerPage - 1)) * lineBytes, context, read, awaited);
    this.cycles += before;
  }

  private readLine(frame: Frame, byteOffset: number, context: number, read: number, awaited: boolean): void {
    const { next, resources } = this;
    const { labels, index } = this.parts;
    const hostFrame = next === undefined ? frame : next.translate(frame, labels.below(context, read), awaited);
    const step = labels.number(index, context, read);
    const { memory } = resources;
    const latency = awaited ? memory.read(hostFrame, byteOffset, step) : memory.probe(hostFrame, byteOffset, step);
    this.cycles = latency + (next?.cycles ?? 0);
  }

  forget(page: number, level: PageLevel): void {
    if (level === 1) this.nestedTlb?.invalidate(page);
    else this.nestedTlb?.clear();
  }

  forgetTranslations(): void {
    this.nestedTlb?.clear();
  }
}

/** Whether a look-up must probe the table of `size`, given the section that is known; the page has `level`. */
function isProbed(table: CuckooPageTable, page: number, size: PageLevel, level: PageLevel, known: 0 | 2 | 3): boolean {
  if (known === 2) return size === level;
  if (known === 3) return level === 3 ? size === 3 : size < 3 && table.mayHold(page, size);
  return true;
}
