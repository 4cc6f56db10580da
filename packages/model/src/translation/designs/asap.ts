import { entryBytes, indexAt, pageBytes } from '../../machine/address.ts';
import { flag, integer, real } from '../../machine/fields.ts';
import { type DesignInstance, defineDesign } from '../design.ts';
import { createRadixWalker } from '../walker.ts';
import { failedCycles } from './allocation-costs.ts';
import { walkDimensions } from './radix.ts';
import { type TeaMemory, TeaSet, teaCounters, unitOf } from './tea.ts';
import { plainMemory } from './tea-memory.ts';

const prefetched = [1, 2] as const;

export interface AsapInstance extends DesignInstance {
  /** The areas of each dimension. */
  readonly sets: readonly TeaSet[];
}

/**
 * Address translation with prefetching. The operating system keeps the tables of the two lowest levels of a VMA side by side, so the place
 * of an entry follows from a range register; on a TLB miss both are prefetched while the ordinary walk goes on, which then finds them in
 * the cache, and which decides. In a VM each dimension has ranges of its own.
 * Falls back: outside of the ranges the walk is radix'; such walks are not covered. What is assumed: `assumptions`.
 */
export const asap = defineDesign({
  name: 'asap',
  summary: 'the two lowest levels side by side per VMA and prefetched while the ordinary walk goes on',
  source: 'ASAP, MICRO 2019, abstract; DMT artifact, processor/Formula.cs',
  setups: ['native', 'virtualized'],
  assumptions: [
    'The tables of a guest are contiguous in host memory as well, by hypercall, so that its prefetches need no translation; the formulas of the DMT artifact translate them first.',
    'A prefetch takes a slot of the walk in which nothing else is issued, and a line of the caches; that it takes bandwidth from other accesses is not modelled.',
    'A range register serves both levels; those of the process are loaded at a context switch, in the order of the ranges.',
    'Ranges are made, merged, grown and moved as the areas of DMT are; the flush after a move is charged, what it empties is not simulated.',
  ],
  spec: {
    ranges: integer(10, 'range registers per dimension', {
      min: 1,
      unit: 'registers',
      source: "num_ranges of the simulators that stem from ASAP's; unverified for the paper",
    }),
    minVmaMiB: real(2, 'VMAs below this get no range', {
      min: 0,
      unit: 'MiB',
      source: 'assumed: what one table covers',
    }),
    mergePercent: integer(98, 'two ranges become one when they fill at least this much of it', {
      min: 1,
      max: 100,
      unit: '%',
      source: "assumed: as DMT's",
    }),
    issueCycles: integer(1, 'time that issuing one prefetch takes from the walk', {
      unit: 'cycles',
      source: 'assumed; the artifact has 0',
    }),
    hostRanges: flag(true, "whether the VM's own table has ranges as well", { source: 'DMT artifact, Formula.cs' }),
    moveTableCycles: integer(1500, 'cost of copying one table of 4 KiB into its place', {
      unit: 'cycles',
      source: "assumed: as DMT's",
    }),
    flushCycles: integer(4000, 'cost of the flush after a range has moved', {
      unit: 'cycles',
      source: "assumed: as DMT's",
    }),
    failedCycles,
    rangeLoadCycles: integer(100, 'cost of loading one range register at a context switch', {
      unit: 'cycles',
      source: "assumed: as DMT's registers",
    }),
    hypercallCycles: integer(2500, 'cost of one hypercall for contiguous memory of a guest', {
      unit: 'cycles',
      source: "assumed: as pvDMT's",
    }),
  },
  counters: {
    ...teaCounters,
    prefetches: 'entries prefetched',
    uncovered: 'walks, of a page in one dimension, without a range',
    rangeLoads: 'range registers loaded at context switches',
    hypercalls: 'hypercalls for contiguous memory of a guest, those that failed included',
  },
  keepsGuestTables: true,
  create(spec, resources): AsapInstance {
    const { spaces, count, memory } = resources;
    const last = spaces.length - 1;
    const owned = spaces.map(() => false);
    const sets = spaces.map((space, dimension) =>
      resources.shared(space, () => {
        owned[dimension] = true;
        return new TeaSet(
          space,
          dimension === last ? plainMemory(resources, dimension) : contiguousMemory(dimension),
          {
            levels: dimension === 0 || spec.hostRanges ? prefetched : [],
            minVmaPages: (spec.minVmaMiB * 2 ** 20) / pageBytes,
            limit: spec.ranges * prefetched.length,
            mergePercent: spec.mergePercent,
            reserve: dimension === 0,
          },
          count,
        );
      }),
    );
    for (const [dimension, set] of sets.entries())
      if (owned[dimension])
        spaces[dimension]!.table.forEachLeaf((vpn, _frame, level) => {
          if (level === 1) set.mapped(vpn, 2);
        });

    function contiguousMemory(dimension: number): TeaMemory {
      return {
        allocate(tables) {
          count.hypercalls++;
          return resources.contiguous(dimension, tables);
        },
        extend: () => false,
        release({ frame, hostFrame }, length) {
          count.hypercalls++;
          resources.releaseContiguous(dimension, { frame, hostFrame: hostFrame as number }, length);
        },
      };
    }

    let direct = true;
    const walked = walkDimensions(resources).map((one, dimension) => {
      const set = sets[dimension]!;
      const step = resources.step(one.name === '' ? 'prefetch' : `${one.name} prefetch`);
      return {
        ...one,
        table: set.table,
        prefetch(page: number, arrivals: Float64Array) {
          let issued = 0;
          for (const level of prefetched) {
            const unit = unitOf(page, level);
            const tea = set.find(level, unit);
            if (tea === undefined || tea.frames.hostFrame < 0) continue;
            memory.wait(spec.issueCycles);
            const frame = tea.frames.hostFrame + unit - tea.start;
            issued++;
            arrivals[level] = issued * spec.issueCycles + memory.probe(frame, indexAt(page, level) * entryBytes, step);
          }
          count.prefetches += issued;
          if (issued > 0 || set.table.leafLevel(page) > prefetched.length) return;
          count.uncovered++;
          direct = false;
        },
      };
    });
    const walker = createRadixWalker(resources, walked);
    let covered = 0;

    return {
      sets,
      walk(vpn) {
        direct = true;
        const frame = walker.walk(vpn);
        if (direct) covered++;
        return frame;
      },
      switchedIn() {
        const { teas } = sets[0]!;
        count.rangeLoads += Math.max(...prefetched.map((level) => teas.filter((tea) => tea.level === level).length));
      },
      mapped(dimension, vpn, _frame, level) {
        if (!owned[dimension] || level === 3) return;
        sets[dimension]!.mapped(vpn, ...(level === 1 ? prefetched : [level]));
      },
      unmapped: (dimension, vpn, _frame, level) => walker.forget(dimension, vpn, level),
      nodeAllocated(dimension, level, vpn) {
        if (owned[dimension]) sets[dimension]!.nodeAllocated(level, vpn);
      },
      nodeFreed(dimension, level, vpn) {
        if (owned[dimension]) sets[dimension]!.nodeFreed(level, vpn);
      },
      tableBytes: () => sets.reduce((sum, set, dimension) => sum + (owned[dimension] ? set.tableBytes : 0), 0),
      maintenanceCycles: () =>
        count.movedTables * spec.moveTableCycles +
        count.migrated * spec.flushCycles +
        count.allocationFailures * spec.failedCycles +
        count.rangeLoads * spec.rangeLoadCycles +
        count.hypercalls * spec.hypercallCycles,
      bytesMigrated: () => count.movedTables * pageBytes,
      allocationFailures: () => count.allocationFailures,
      coveredWalks: () => covered,
    };
  },
});
