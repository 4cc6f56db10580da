import {
  entriesPerPage,
  entriesPerTable,
  entryBytes,
  type Frame,
  type PageLevel,
  pagesIn,
  type Vpn,
} from '../../machine/address.ts';
import { choice, integer, real } from '../../machine/fields.ts';
import { type DesignResources, defineDesign, type WalkCache } from '../design.ts';
import { allocationFields } from './allocation-costs.ts';
import { childMark, type FlatNode, FlattenedTable, slotOf } from './flattened-table.ts';
import { ownTables } from './own-tables.ts';
import { tableNames } from './radix.ts';
import { StepLabels } from './step-labels.ts';

/** Upper levels of the pairs that share a node. */
const topsOf = { 'L4+L3,L2+L1': [4, 2], 'L3+L2': [3], 'L2+L1': [2] } as const;

/**
 * Flattened page tables (Park, Vougioukas, Sandberg and Black-Schaffer, ASPLOS 2022). Two adjacent levels share one node of 2 MiB whose
 * 18-bit index takes the place of two of 9 bits: 2 references natively, 8 in a VM, 26 in a nested VM instead of 4, 24, 124. The page-walk
 * cache of a pair's lower level, in the machine's size for that level, holds what the flattened node's entries point to.
 *
 * Second technique of the publication: while TLB misses are frequent, the replacement of the shared and private lower caches keeps lines of
 * page tables and evicts data (`prioritise`), since such phases miss in the caches for data anyway.
 *
 * Falls back: where memory has no aligned free 2 MiB block, the two levels stay 4 KiB nodes, for good; such walks are not covered.
 * Maintenance: a 2 MiB node is cleared when it is made, in one go; a request for a block that fails is paid for, and the fall-back's nodes of
 * 4 KiB cost what radix' cost: nothing here; a huge leaf of the upper of two merged levels stands in the 512 slots that it covers, all of
 * which are written when it comes or goes.
 * What is assumed: `assumptions`.
 */
export const fpt = defineDesign({
  name: 'fpt',
  summary: 'merges pairs of table levels into 2 MiB nodes where memory has a free block for them',
  source: 'Park et al., Every Walk’s a Hit, ASPLOS 2022',
  setups: ['native', 'virtualized', 'nested'],
  assumptions: [
    'A huge leaf of the upper of two merged levels is repeated in the 512 slots that it covers.',
    'With five levels the root stays a node of its own.',
    'A node that memory had no 2 MiB block for is not flattened later.',
    'The page-walk cache of a pair’s lower level, in the size that the machine has for it, holds the entries of flattened nodes.',
    'While the caches keep page tables, a line of data of the set goes in any case rather than one of a page table.',
  ],
  spec: {
    flatten: choice(
      ['L4+L3,L2+L1', 'L3+L2', 'L2+L1'],
      'L4+L3,L2+L1',
      'pairs of levels that share a node; L3+L2 keeps 2 MiB pages in one slot each',
      {
        source:
          'ASPLOS 2022: two levels of 4 KiB nodes become one node of 2 MiB; the choice of pairs as in the formulas of DMT',
      },
    ),
    prioritise: choice(
      ['pressure', 'always', 'off'],
      'pressure',
      'when the caches keep page tables rather than data: in periods of many TLB misses, always, or never',
      {
        source: 'ASPLOS 2022, abstract: replacement biased to page-table entries during periods of high TLB miss rates',
      },
    ),
    pressureMisses: real(5, 'TLB misses per thousand accesses from which on misses are frequent', {
      min: 0,
      unit: 'misses per thousand accesses',
      source: 'assumed; the abstract gives no threshold',
    }),
    ...allocationFields,
    repeatCycles: integer(1000, 'cost of storing or removing a huge leaf in all of the 512 slots that it covers', {
      unit: 'cycles',
      source: 'assumed: 4 KiB at 4 bytes per cycle',
    }),
  },
  cacheBias: ({ prioritise, pressureMisses }) =>
    prioritise === 'off'
      ? undefined
      : {
          caches: ['l2', 'llc'],
          keeps: (_line, byWalk) => byWalk,
          attempts: Number.POSITIVE_INFINITY,
          missesPerThousand: prioritise === 'always' ? 0 : pressureMisses,
        },
  keepsGuestTables: true,
  counters: {
    flattened: 'nodes of 2 MiB made',
    repeats: 'huge leaves stored in, or removed from, 512 slots',
    fallbacks: '2 MiB nodes that memory had no block for, made of 4 KiB nodes instead',
    unflattenedWalks: 'walks that met such a node, in whatever dimension',
  },
  create({ flatten, clearCycles, failedCycles, repeatCycles }, resources) {
    const { spaces, count } = resources;
    const own = ownTables(
      resources,
      (dimension, frames) => new FlattenedTable(spaces[dimension]!.table.levels, topsOf[flatten], frames),
    );
    const walker = createFlattenedWalker(
      resources,
      own.map(({ table }) => table),
    );
    const kept = own.filter((dimension) => dimension.kept).map(({ table }) => table);
    const note = () => {
      count.fallbacks = kept.reduce((sum, table) => sum + table.fallbacks, 0);
      count.flattened = kept.reduce((sum, table) => sum + table.flattened, 0);
      count.repeats = kept.reduce((sum, table) => sum + table.repeats, 0);
    };
    let walks = 0;
    /** Whether a table may have nodes without entries. */
    let unsettled = false;
    note();

    function settle(): void {
      unsettled = false;
      for (const table of kept) table.settle();
    }
    return {
      walk(vpn) {
        walks++;
        if (unsettled) settle();
        const frame = walker.walk(vpn);
        if (walker.metFallback()) count.unflattenedWalks++;
        return frame;
      },
      mapped(dimension, vpn, frame, level) {
        if (!own[dimension]!.kept) return;
        own[dimension]!.table.map(vpn, frame, level);
        note();
      },
      unmapped(dimension, vpn, _frame, level) {
        walker.forget(dimension, vpn, level);
        if (!own[dimension]!.kept) return;
        own[dimension]!.table.unmap(vpn, level);
        unsettled = true;
        note();
      },
      tableBytes() {
        settle();
        return kept.reduce((sum, { tableBytes }) => sum + tableBytes, 0);
      },
      maintenanceCycles: () =>
        count.flattened * entriesPerTable * clearCycles + count.fallbacks * failedCycles + count.repeats * repeatCycles,
      allocationFailures: () => count.fallbacks,
      coveredWalks: () => walks - count.unflattenedWalks,
    };
  },
});

/** Numbers of reads: 1 to 5 for a level of its own, 6 to 9 for a pair by its upper level. */
const reads = ['', 'L1', 'L2', 'L3', 'L4', 'L5', 'L2+L1', 'L3+L2', 'L4+L3', 'L5+L4'];

function readOf({ top, bottom }: FlatNode): number {
  return top === bottom ? top : top + 4;
}

interface FlattenedWalker {
  walk(vpn: Vpn): Frame;
  /** Whether the last walk read a node that should have been flattened. */
  metFallback(): boolean;
  forget(dimension: number, vpn: Vpn, level: PageLevel): void;
}

/** The two-dimensional walk of `walker.ts` over nodes that cover one level or two. */
function createFlattenedWalker(resources: DesignResources, tables: readonly FlattenedTable[]): FlattenedWalker {
  const labels = new StepLabels(resources, tableNames[resources.setup], reads);
  const trail = { fallback: false };
  const dimensions: FlattenedDimension[] = [];
  for (let index = tables.length - 1; index >= 0; index--)
    dimensions.unshift(new FlattenedDimension(resources, tables[index]!, index, labels, trail, dimensions[0]));
  return {
    walk(vpn) {
      trail.fallback = false;
      return dimensions[0]!.walk(vpn, 0);
    },
    metFallback: () => trail.fallback,
    forget(dimension, vpn, level) {
      dimensions[dimension]!.forget(vpn, level);
      for (let above = 1; above < dimension; above++) dimensions[above]!.forgetTranslations();
    },
  };
}

class FlattenedDimension {
  private readonly resources: DesignResources;
  private readonly table: FlattenedTable;
  private readonly index: number;
  private readonly labels: StepLabels;
  private readonly trail: { fallback: boolean };
  private readonly next: FlattenedDimension | undefined;
  /** Deepest first. */
  private readonly caches: readonly LevelCache[];
  private readonly nestedTlb: WalkCache | undefined;

  constructor(
    resources: DesignResources,
    table: FlattenedTable,
    index: number,
    labels: StepLabels,
    trail: { fallback: boolean },
    next: FlattenedDimension | undefined,
  ) {
    this.resources = resources;
    this.table = table;
    this.index = index;
    this.labels = labels;
    this.trail = trail;
    this.next = next;
    const { walkerMachine, setup, spaces } = resources;
    const name = tableNames[setup][index]!;
    const geometries = index === 0 ? walkerMachine.pageWalkCaches : walkerMachine.hostPageWalkCaches;
    const shapes = geometries.slice(2, spaces[index]!.table.levels + 1);
    const unified = shapes.length > 1 && shapes.every((shape) => shape !== undefined && shape === shapes[0]);
    this.caches = shapes.flatMap((shape, at) => {
      if (shape === undefined) return [];
      const level = at + 2;
      const cache = resources.walkCache(`${name} ${unified ? 'unified' : `L${level}`}`.trimStart(), shape);
      return [{ level, cache, keyTag: unified ? level * prefixUnit : 0 }];
    });
    const { nestedTlb } = walkerMachine;
    this.nestedTlb = index > 0 && nestedTlb ? resources.walkCache(`${name} nested TLB`, nestedTlb) : undefined;
  }

  /** Host frame of a page of the dimension above, out of the nested TLB or by walking. */
  private translate(page: number, context: number): Frame {
    const { nestedTlb, resources } = this;
    if (nestedTlb === undefined) return this.walk(page, context);
    resources.memory.wait(resources.walkerMachine.nestedTlbCycles);
    const hit = nestedTlb.lookup(page);
    if (hit >= 0) return hit;
    const frame = this.walk(page, context);
    nestedTlb.insert(page, frame);
    return frame;
  }

  walk(page: number, context: number): Frame {
    const { table, next, labels, index, resources } = this;
    const { memory } = resources;
    let node = table.node(this.nearest(page));
    for (;;) {
      if (node.isFallback) this.trail.fallback = true;
      const slot = slotOf(node, page);
      const read = readOf(node);
      const at = node.frame + (slot >>> 9);
      const hostFrame = next === undefined ? at : next.translate(at, labels.below(context, read));
      memory.read(hostFrame, (slot & 511) * entryBytes, labels.number(index, context, read));
      const entry = table.entry(node, slot);
      const target = Math.floor(entry / 8);
      if ((entry & 7) !== childMark) return this.leaf(page, target, entry & 7, context);
      this.keep(page, node.bottom, target);
      node = table.node(target);
    }
  }

  /** The node to begin with: below the deepest entry that a page-walk cache holds, else the root. */
  private nearest(page: number): number {
    if (this.caches.length === 0) return 0;
    for (const at of this.caches) {
      const child = at.cache.lookup(keyOf(page, at));
      if (child < 0) continue;
      this.resources.memory.wait(this.resources.walkerMachine.pageWalkCacheCycles);
      return child;
    }
    return 0;
  }

  private keep(page: number, level: number, child: number): void {
    for (const at of this.caches) if (at.level === level) at.cache.insert(keyOf(page, at), child);
  }

  private leaf(page: number, first: Frame, level: number, context: number): Frame {
    if (level === 0) throw new Error(`walk of page ${page.toString(16)} met an absent entry`);
    const frame = first + (page & (pagesIn[level]! - 1));
    return this.next === undefined ? frame : this.next.translate(frame, this.labels.below(context, 0));
  }

  forget(page: number, level: PageLevel): void {
    for (const at of this.caches) at.cache.invalidate(keyOf(page, at));
    if (level === 1) this.nestedTlb?.invalidate(page);
    else this.nestedTlb?.clear();
  }

  forgetTranslations(): void {
    this.nestedTlb?.clear();
  }
}

/** A page-walk cache for entries of one level: the address bits that select them, to the number of the node below. */
interface LevelCache {
  readonly level: number;
  readonly cache: WalkCache;
  /** What tells the levels' keys apart in a unified cache. */
  readonly keyTag: number;
}

/** Address bits that select an entry of level 2 or higher are fewer than this says. */
const prefixUnit = 2 ** 43;

function keyOf(page: number, { level, keyTag }: LevelCache): number {
  return Math.floor(page * entriesPerPage[level]!) + keyTag;
}
