import { type Frame, lineBytes, type PageLevel, pageBytes, pagesIn, type Vpn } from '../../machine/address.ts';
import type { FrameSource } from '../../machine/page-table.ts';
import type { Random } from '../../machine/random.ts';
import { type ElasticCuckooCounts, ElasticCuckooTable } from './elastic-cuckoo.ts';
import type { OwnTable } from './own-tables.ts';

export interface CuckooPageTableOptions {
  /** Of the tables of 4 KiB, 2 MiB and 1 GiB pages. */
  readonly ways: readonly [number, number, number];
  readonly initialSlots: number;
  /** Of a walk table, which has 2 ways. */
  readonly walkTableSlots: number;
  readonly upsizeAbove: number;
  readonly downsizeBelow: number;
  readonly maxKicks: number;
  readonly random: Random;
  readonly frames: FrameSource;
}

/** Memory of one way: one line of 64 bytes per slot. */
export interface WayMemory {
  readonly pages: number;
  /** First of `pages` contiguous frames; -1 when there were none, and the frames lie scattered. */
  readonly first: Frame | -1;
  readonly scattered: readonly Frame[];
  /** Frames of the list of scattered frames, which a walk reads first; none when contiguous. */
  readonly list: readonly Frame[];
}

/** Consecutive pages whose entries share a slot: 8 entries of 8 bytes, and the tag in their unused bits. */
export const clusterPages = 8;
/** Pages of a size whose state stands in one line of its walk table: 64 clusters. */
export const walkLinePages = 512;
/** Entries of the list of scattered frames, of 8 bytes, that a frame holds. */
const listEntries = pageBytes / 8;

export type CuckooTable = ElasticCuckooTable<WayMemory>;

/**
 * Elastic cuckoo page tables of one address space: a table per page size, made when the first page of that size is mapped, and the cuckoo
 * walk tables that say which of them to look into: one of lines per GiB (what the 2 MiB ranges hold), one of lines per 512 GiB.
 */
export class CuckooPageTable implements OwnTable {
  /** Ways whose memory is not contiguous, when they were made. */
  scatteredWays = 0;
  /** 4 KiB pages of all ways made. */
  clearedPages = 0;
  tableBytes = 0;
  /** What `locate` found. */
  locatedFrame: Frame = 0;
  private readonly options: CuckooPageTableOptions;
  /** By level. */
  private readonly sizes: (CuckooTable | undefined)[] = [];
  /** By the level of the pages that a section stands for: 2 and 3. The value of a line is the number of leaves that it knows of. */
  private readonly walkTables: (CuckooTable | undefined)[] = [];
  /** By level and GiB: leaves of that size in it. */
  private readonly leaves = [new Map<number, number>(), new Map<number, number>(), new Map<number, number>()];
  /** Frame + 1 by cluster and index; 0 = absent. */
  private entries = new Float64Array(1024 * clusterPages);
  private clusters = 0;
  private readonly used: number[] = [];
  private readonly unused: number[] = [];

  constructor(options: CuckooPageTableOptions) {
    this.options = options;
  }

  /** The table for pages of `level`, if there are such pages. */
  size(level: PageLevel): CuckooTable | undefined {
    return this.sizes[level];
  }

  walkTable(level: 2 | 3): CuckooTable | undefined {
    return this.walkTables[level];
  }

  /**
   * Level of the leaf that maps `vpn`, as the tables say; 0 when none does. `locatedFrame` is its frame then, and the tables of all sizes
   * have been asked for the cluster of `vpn`: their `slotAt` and `regionAt` are about it.
   */
  locate(vpn: Vpn): PageLevel | 0 {
    let found: PageLevel | 0 = 0;
    for (let size = 1; size < this.sizes.length; size++) {
      const level = size as PageLevel;
      const cluster = this.sizes[level]?.get(clusterKey(vpn, level)) ?? -1;
      if (cluster < 0 || found !== 0) continue;
      const stored = this.entries[cluster * clusterPages + indexInCluster(vpn, level)]!;
      if (stored === 0) continue;
      found = level;
      this.locatedFrame = stored - 1 + (vpn & (pagesIn[level] - 1));
    }
    return found;
  }

  /** Whether the GiB of `vpn` has leaves of that size. */
  mayHold(vpn: Vpn, level: PageLevel): boolean {
    return this.leaves[level - 1]!.has(Math.floor(vpn / pagesIn[3]));
  }

  map(vpn: Vpn, frame: Frame, level: PageLevel): void {
    this.sizes[level] ??= this.newTable(this.options.ways[level - 1]!, this.options.initialSlots);
    const table = this.sizes[level]!;
    const key = clusterKey(vpn, level);
    let cluster = table.get(key);
    if (cluster < 0) {
      cluster = this.newCluster();
      table.set(key, cluster);
    }
    const at = cluster * clusterPages + indexInCluster(vpn, level);
    const isNew = this.entries[at] === 0;
    this.entries[at] = frame + 1;
    if (!isNew) return;
    this.used[cluster]!++;
    this.countLeaf(vpn, level, 1);
  }

  unmap(vpn: Vpn, level: PageLevel): void {
    const table = this.sizes[level];
    const key = clusterKey(vpn, level);
    const cluster = table?.get(key) ?? -1;
    const at = cluster * clusterPages + indexInCluster(vpn, level);
    if (cluster < 0 || this.entries[at] === 0) return;
    this.entries[at] = 0;
    this.countLeaf(vpn, level, -1);
    if (--this.used[cluster]! > 0) return;
    this.unused.push(cluster);
    table!.delete(key);
  }

  counts(): ElasticCuckooCounts {
    const sum: ElasticCuckooCounts = { kicks: 0, moves: 0, resizes: 0, rebuilds: 0 };
    for (const table of [...this.sizes, ...this.walkTables]) {
      sum.kicks += table?.counts.kicks ?? 0;
      sum.moves += table?.counts.moves ?? 0;
      sum.resizes += table?.counts.resizes ?? 0;
      sum.rebuilds += table?.counts.rebuilds ?? 0;
    }
    return sum;
  }

  private countLeaf(vpn: Vpn, level: PageLevel, change: 1 | -1): void {
    addTo(this.leaves[level - 1]!, Math.floor(vpn / pagesIn[3]), change);
    for (const of of [2, 3] as const) {
      if (level > of) continue;
      this.walkTables[of] ??= this.newTable(2, this.options.walkTableSlots);
      const lines = this.walkTables[of]!;
      const key = walkLineKey(vpn, of);
      const leaves = Math.max(0, lines.get(key)) + change;
      if (leaves > 0) lines.set(key, leaves);
      else lines.delete(key);
    }
  }

  private newCluster(): number {
    const cluster = this.unused.pop() ?? this.clusters++;
    this.used[cluster] = 0;
    if (this.entries.length < this.clusters * clusterPages) {
      const grown = new Float64Array(2 * this.entries.length);
      grown.set(this.entries);
      this.entries = grown;
    }
    return cluster;
  }

  private newTable(ways: number, initialSlots: number): CuckooTable {
    return new ElasticCuckooTable<WayMemory>({
      ...this.options,
      ways,
      initialSlots,
      allocate: (slots) => this.allocateWay(slots),
      free: (memory) => this.freeWay(memory),
    });
  }

  private allocateWay(slots: number): WayMemory {
    const { frames } = this.options;
    const pages = Math.max(1, (slots * lineBytes) / pageBytes);
    this.tableBytes += pages * pageBytes;
    this.clearedPages += pages;
    const first = frames.allocateRange(pages);
    if (first >= 0) return { pages, first, scattered: [], list: [] };
    this.scatteredWays++;
    const single = (count: number) => Array.from({ length: count }, () => frames.allocate());
    const list = single(Math.ceil(pages / listEntries));
    this.tableBytes += list.length * pageBytes;
    return { pages, first: -1, scattered: single(pages), list };
  }

  private freeWay({ pages, first, scattered, list }: WayMemory): void {
    this.tableBytes -= (pages + list.length) * pageBytes;
    const { frames } = this.options;
    for (const frame of [...scattered, ...list]) frames.free(frame, 0);
    if (first >= 0) for (let page = 0; page < pages; page++) frames.free(first + page, 0);
  }
}

export function clusterKey(vpn: Vpn, level: PageLevel): number {
  return Math.floor(vpn / (pagesIn[level] * clusterPages));
}

function indexInCluster(vpn: Vpn, level: PageLevel): number {
  // `&` truncates the quotient.
  return (vpn / pagesIn[level]) & (clusterPages - 1);
}

/** Line of the walk table of that level. */
export function walkLineKey(vpn: Vpn, level: 2 | 3): number {
  return Math.floor(vpn / (pagesIn[level] * walkLinePages));
}

function addTo(counts: Map<number, number>, key: number, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
