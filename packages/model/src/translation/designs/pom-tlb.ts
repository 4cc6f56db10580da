import {
  type Frame,
  lineBytes,
  linesPerPage,
  type PageLevel,
  pageBytes,
  pagesIn,
  type Vpn,
} from '../../machine/address.ts';
import { integer } from '../../machine/fields.ts';
import type { AddressSpace } from '../../machine/page-table.ts';
import { RecencyStore } from '../../machine/payload-store.ts';
import { type DesignResources, defineDesign } from '../design.ts';
import { createRadixWalker } from '../walker.ts';
import { walkDimensions } from './radix.ts';

const remembered = 'assumed: from memory of the publication, not verified';
/** A set of four entries of 16 bytes is one line, fetched at once. */
const setWays = 4;
/** Regions of 2 MiB whose page size one entry of the predictor remembers; a power of two. */
const predictorEntries = 512;

/**
 * POM-TLB (Ryoo, Gulur, Song and John, ISCA 2017): a very large TLB that is part of memory, shared by all cores and processes. It holds whole
 * translations, virtual page to host frame; a miss of the last-level TLB reads one line of it, through the data caches: one reference in
 * whatever dimension. One half is for 4 KiB pages, the other for 2 MiB; a predictor says which to read first.
 *
 * Falls back: to the radix walk, when neither half has the page; for good, when memory has no contiguous range for the structure.
 * What is assumed: `assumptions`.
 * Maintenance: a page that goes away is removed by its key. A fork takes rights away from every page of a process: its entries are removed
 * one by one, as its table is protected entry by entry, or by going through all sets, whichever costs less. When a mapping goes away in a
 * VM's own memory nobody knows which guest-virtual pages came through it, so all sets are gone through, once per burst of such changes, and
 * the structure is empty, as the TLBs are. Of 16 MiB that is 4.2 M cycles: the time to stream it. It is made once, at boot, cleared for free.
 * Not modelled: the predictor that bypasses the data caches; die-stacked memory that is faster than the rest.
 */
export const pomTlb = defineDesign({
  name: 'pomtlb',
  summary: 'a TLB of many megabytes in memory, read through the data caches before any walk',
  source: 'Ryoo et al., Rethinking TLB Designs in Virtualized Environments, ISCA 2017',
  setups: ['native', 'virtualized', 'nested'],
  assumptions: [
    'Four ways of entries of 16 bytes and a predictor of 512 regions: from memory of the publication, not verified.',
    'A 1 GiB page is held in pieces of 2 MiB; least recently used entries give way; writes of entries are free.',
    'The structure lies in ordinary memory: no die-stacked memory that is faster, and no predictor that bypasses the data caches.',
    'It is made once, at boot, and cleared for free. What each event removes from it follows the header of its file.',
  ],
  spec: {
    sizeMiB: integer(16, 'size of the structure, both halves', {
      unit: 'MiB',
      min: 1,
      max: 65_536,
      source: remembered,
    }),
    dropCycles: integer(200, 'cost of removing one entry: its set is read and written', {
      unit: 'cycles',
      source: 'assumed: one reference to memory',
    }),
    scanLineCycles: integer(16, 'cost, per set, of removing all entries of a process or of a VM', {
      unit: 'cycles',
      source: 'assumed: 64 bytes streamed at 4 bytes per cycle, as other designs’ tables are cleared',
    }),
    predictorCycles: integer(1, 'asking the predictor of the page size', { unit: 'cycles', source: 'assumed' }),
  },
  counters: {
    hits: 'walks that found their translation',
    misses: 'walks that did not',
    secondReads: 'walks that read both halves',
    dropped: 'entries removed one by one because a mapping went away or lost rights',
    flushes: 'times that the structure was emptied, with something in it',
    scans: 'times that all of its sets were gone through: flushes, and forks of a process that has many entries',
    unavailable: '1 when memory had no contiguous range for it',
  },
  create({ sizeMiB, predictorCycles, dropCycles, scanLineCycles }, resources) {
    const { spaces, memory, process, count } = resources;
    const walker = createRadixWalker(resources, walkDimensions(resources));
    const { frames } = spaces.at(-1)!;
    let isFirst = false;
    const scanCycles = ((sizeMiB * 2 ** 20) / lineBytes) * scanLineCycles;
    const tlb = resources.shared(frames, () => {
      isFirst = true;
      return createTlbInMemory(resources, sizeMiB);
    });
    const processTag = process * 2 ** 46;
    const keyOf = (vpn: Vpn, half: Half): number =>
      below45Bits(half === 0 ? vpn : Math.floor(vpn / pagesIn[2])) + processTag;
    if (isFirst && tlb.first < 0) count.unavailable++;

    /** Reads a half; host frame of the page, or -1. */
    function ask(vpn: Vpn, half: Half): Frame | -1 {
      const key = keyOf(vpn, half);
      const set = (half === 0 ? 0 : tlb.sets) + key - Math.floor(key / tlb.sets) * tlb.sets;
      memory.read(tlb.first + Math.floor(set / linesPerPage), (set % linesPerPage) * lineBytes, tlb.steps[half]);
      const held = tlb.stores[half].get(0, key);
      return held < 0 || half === 0 ? held : held + (vpn % pagesIn[2]);
    }

    function fill(vpn: Vpn, frame: Frame): void {
      const half: Half = smallestLeaf(spaces, vpn) === 1 ? 0 : 1;
      tlb.stores[half].set(0, keyOf(vpn, half), half === 0 ? frame : frame - (vpn % pagesIn[2]));
      tlb.predictor[regionOf(vpn)] = half;
      tlb.isEmpty = false;
    }

    function drop(vpn: Vpn, level: PageLevel): void {
      if (level === 3) {
        flush();
        return;
      }
      for (let page = vpn; page < vpn + pagesIn[level]; page++)
        if (tlb.stores[0].remove(0, keyOf(page, 0))) count.dropped++;
      if (tlb.stores[1].remove(0, keyOf(vpn, 1))) count.dropped++;
    }

    /** All translations of the process, whose rights have changed. */
    function dropAll(): void {
      if (tlb.isEmpty) return;
      const removed = tlb.stores.reduce(
        (sum, store) => sum + store.removeRange(0, processTag, processTag + 2 ** 46),
        0,
      );
      if (removed * dropCycles < scanCycles) count.dropped += removed;
      else count.scans++;
    }

    function flush(): void {
      // Changes come in bursts: the second finds nothing.
      if (tlb.isEmpty) return;
      tlb.isEmpty = true;
      for (const store of tlb.stores) store.clear();
      count.flushes++;
      count.scans++;
    }

    return {
      walk(vpn) {
        if (tlb.first >= 0) {
          memory.wait(predictorCycles);
          const predicted = tlb.predictor[regionOf(vpn)] as Half;
          let frame = ask(vpn, predicted);
          if (frame < 0) {
            count.secondReads++;
            frame = ask(vpn, predicted === 0 ? 1 : 0);
          }
          if (frame >= 0) {
            tlb.predictor[regionOf(vpn)] = smallestLeaf(spaces, vpn) === 1 ? 0 : 1;
            count.hits++;
            return frame;
          }
          count.misses++;
        }
        const frame = walker.walk(vpn);
        if (tlb.first >= 0) fill(vpn, frame);
        return frame;
      },
      unmapped(dimension, vpn, _frame, level) {
        walker.forget(dimension, vpn, level);
        if (dimension === 0) drop(vpn, level);
        else flush();
      },
      rewritten(dimension, vpn, _frame, level) {
        if (dimension === 0) drop(vpn, level);
      },
      writeProtected(dimension) {
        if (dimension === 0) dropAll();
      },
      maintenanceCycles: () => count.dropped * dropCycles + count.scans * scanCycles,
      tableBytes: () =>
        spaces.reduce((sum, { table }) => sum + table.nodes * pageBytes, 0) +
        (isFirst && tlb.first >= 0 ? sizeMiB * 2 ** 20 : 0),
      allocationFailures: () => count.unavailable,
      coveredWalks: () => count.hits,
    };
  },
});

/** Page numbers of 45 bits, sign extension dropped. `%` is a library call for numbers of that size. */
function below45Bits(page: number): number {
  return page < 2 ** 45 ? page : page % 2 ** 45;
}

/** 0 = for 4 KiB pages, 1 = for 2 MiB pages. */
type Half = 0 | 1;

interface TlbInMemory {
  /** First frame, or -1 when there is no such memory. */
  readonly first: Frame | -1;
  /** Of a half. */
  readonly sets: number;
  /** Host frame of the first 4 KiB by key. */
  readonly stores: readonly [RecencyStore, RecencyStore];
  /** Half that the last access to such a region needed. */
  readonly predictor: Uint8Array;
  readonly steps: readonly [number, number];
  /** Nothing has been entered since it was last emptied. */
  isEmpty: boolean;
}

function createTlbInMemory({ spaces, step }: DesignResources, sizeMiB: number): TlbInMemory {
  const bytes = sizeMiB * 2 ** 20;
  const sets = bytes / 2 / lineBytes;
  const store = () => new RecencyStore({ sets, ways: setWays, policy: 'lru' }, 1);
  return {
    first: spaces.at(-1)!.frames.allocateRange(bytes / pageBytes),
    sets,
    stores: [store(), store()],
    predictor: new Uint8Array(predictorEntries),
    steps: [step('TLB in memory, 4 KiB'), step('TLB in memory, 2 MiB')],
    isEmpty: true,
  };
}

function regionOf(vpn: Vpn): number {
  // `&` truncates the quotient.
  return (vpn / pagesIn[2]) & (predictorEntries - 1);
}

/** Size in which a translation through all dimensions can be held: the smallest of its leaves. */
export function smallestLeaf(spaces: readonly AddressSpace[], vpn: Vpn): PageLevel {
  let level = 3;
  let page: number = vpn;
  for (let dimension = 0; dimension < spaces.length; dimension++) {
    const { table } = spaces[dimension]!;
    level = Math.min(level, table.leafLevel(page));
    // The smallest size is known without the rest of the way.
    if (level <= 1) return level as PageLevel;
    page = table.translate(page);
  }
  return level as PageLevel;
}
