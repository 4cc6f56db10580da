import { lineBytes, pageBytes } from '../../machine/address.ts';
import { flag, integer, real } from '../../machine/fields.ts';
import { createRandom } from '../../machine/random.ts';
import { defineDesign } from '../design.ts';
import { allocationFields } from './allocation-costs.ts';
import { CuckooPageTable } from './cuckoo-page-table.ts';
import { createCuckooWalker } from './cuckoo-walker.ts';
import { ownTables } from './own-tables.ts';

const sister = 'ECPT walker of the simulator xlab-uiuc/dynamorio (EMT, OSDI 2025)';
const remembered = 'assumed: from memory of the publication, not verified';

/**
 * Elastic cuckoo page tables (Skarlatos, Kokolis, Xu and Torrellas, ASPLOS 2020) and nested ones (Stojkovic et al., ASPLOS 2022). Per page size a
 * d-ary cuckoo hash table of lines of 8 entries. A look-up probes in parallel what the cuckoo walk caches (CWC) do not rule out: all ways of
 * the 4 KiB table, the one way that holds a 2 MiB or 1 GiB page; everything when both caches miss, and then the walk tables are read beside.
 * Three steps in a VM: the host's look-ups for the guest's lines, the guest's lines, the host's look-up for the page; seven in a nested VM.
 *
 * Counted as a reference: the line that holds the entry, once per step, since the ways of a step are read at once; the others are probes.
 * Kept up to date: inserts, displacements and gradual resizing are done for real, one element moved on with each change of a table; ways
 * are cleared when they are made.
 * Falls back: a way whose memory cannot be contiguous lies in scattered frames, and a walk reads their list first; not covered.
 * What is assumed: `assumptions`.
 */
export const ecpt = defineDesign({
  name: 'ecpt',
  summary: 'elastic cuckoo hash tables per page size, probed in parallel; nested ones in VMs',
  source: 'Skarlatos et al., Elastic Cuckoo Page Tables, ASPLOS 2020; Stojkovic et al., ASPLOS 2022',
  setups: ['native', 'virtualized', 'nested'],
  assumptions: [
    'A way whose memory cannot be contiguous lies in scattered frames, whose list a walk reads first.',
    'Both walk caches are asked at once, and always show the current state of the walk tables.',
    'The machine’s nested TLB stands before each host look-up; the publication has caches of its own there, of sizes that are not verified.',
    'The lines that say which ways to look into are fetched beside the walk: they cost bandwidth, not time.',
    'A resize moves one element with each change of the table, by the operating system, not by walks.',
  ],
  spec: {
    ways4k: integer(3, 'ways of the table of 4 KiB pages', { min: 2, max: 16, source: sister }),
    ways2m: integer(3, 'ways of the table of 2 MiB pages', { min: 2, max: 16, source: sister }),
    ways1g: integer(2, 'ways of the table of 1 GiB pages', {
      min: 2,
      max: 16,
      source: 'assumed; the simulator has none',
    }),
    initialSlots: integer(16384, 'lines of a way at first, a power of two', {
      unit: 'lines',
      min: pageBytes / lineBytes,
      source: remembered,
    }),
    walkTableSlots: integer(1024, 'lines of a way of the walk tables at first, a power of two', {
      unit: 'lines',
      min: pageBytes / lineBytes,
      source: 'assumed',
    }),
    upsizeAbove: real(0.6, 'share of lines in use above which a table doubles', {
      min: 0.1,
      max: 0.9,
      source: remembered,
    }),
    downsizeBelow: real(0.2, 'share below which it halves', { min: 0, max: 0.4, source: remembered }),
    maxKicks: integer(32, 'displacements of one insertion before the table is built anew', { source: remembered }),
    pmdCacheEntries: integer(16, 'walk cache of lines that describe 1 GiB', {
      min: 1,
      unit: 'entries',
      source: sister,
    }),
    pudCacheEntries: integer(2, 'walk cache of lines that describe 512 GiB', {
      min: 1,
      unit: 'entries',
      source: sister,
    }),
    hashCycles: integer(2, 'hashing, once per look-up', { unit: 'cycles', source: sister }),
    walkCacheCycles: integer(4, 'look-up in the walk caches, once per look-up', { unit: 'cycles', source: sister }),
    waitForAll: flag(false, 'whether a step waits for all ways that it probes, not just for the right one', {
      source: sister,
    }),
    nestedTlb: flag(true, 'whether a nested TLB is asked before a host look-up', { source: 'assumed' }),
    moveCycles: integer(200, 'one line displaced by an insertion or moved by resizing', {
      unit: 'cycles',
      source: 'assumed: one access to memory',
    }),
    ...allocationFields,
  },
  keepsGuestTables: true,
  counters: {
    kicks: 'lines displaced by insertions',
    moves: 'lines moved by resizing',
    resizes: 'resizes begun',
    rebuilds: 'tables built anew because an insertion found no place',
    clearedPages: '4 KiB of ways that were cleared when they were made',
    scatteredWays: 'ways that no contiguous memory could be found for',
    scatteredWalks: 'walks that had to read where such a way lies',
  },
  create(spec, resources) {
    const { count } = resources;
    const own = ownTables(
      resources,
      (dimension, frames) =>
        new CuckooPageTable({
          ways: [spec.ways4k, spec.ways2m, spec.ways1g],
          initialSlots: powerOfTwo(spec.initialSlots),
          walkTableSlots: powerOfTwo(spec.walkTableSlots),
          upsizeAbove: spec.upsizeAbove,
          downsizeBelow: Math.min(spec.downsizeBelow, spec.upsizeAbove / 2.5),
          maxKicks: spec.maxKicks,
          random: createRandom(dimension),
          frames,
        }),
    );
    const kept = own.filter((dimension) => dimension.kept).map(({ table }) => table);
    const tables = own.map(({ table }) => table);
    const walker = createCuckooWalker(resources, tables, spec);
    let walks = 0;

    function note(): void {
      const totals = { kicks: 0, moves: 0, resizes: 0, rebuilds: 0, clearedPages: 0, scatteredWays: 0 };
      for (const table of kept) {
        const counts = table.counts();
        totals.kicks += counts.kicks;
        totals.moves += counts.moves;
        totals.resizes += counts.resizes;
        totals.rebuilds += counts.rebuilds;
        totals.clearedPages += table.clearedPages;
        totals.scatteredWays += table.scatteredWays;
      }
      Object.assign(count, totals);
    }
    note();

    return {
      walk(vpn) {
        walks++;
        const frame = walker.walk(vpn);
        if (walker.metScattered()) count.scatteredWalks++;
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
        note();
      },
      tableBytes: () => kept.reduce((sum, { tableBytes }) => sum + tableBytes, 0),
      maintenanceCycles: () =>
        (count.kicks + count.moves) * spec.moveCycles +
        count.clearedPages * spec.clearCycles +
        count.scatteredWays * spec.failedCycles,
      bytesMigrated: () => (count.kicks + count.moves) * lineBytes,
      allocationFailures: () => count.scatteredWays,
      coveredWalks: () => walks - count.scatteredWalks,
    };
  },
});

/** The next one that is not smaller. */
function powerOfTwo(value: number): number {
  return 2 ** Math.ceil(Math.log2(value));
}
