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
import { type DesignResources, defineDesign } from '../design.ts';
import { createRadixWalker } from '../walker.ts';
import { smallestLeaf } from './pom-tlb.ts';
import { walkDimensions } from './radix.ts';
import { blockPages, TlbBlocks } from './tlb-blocks.ts';

/**
 * Victima (Kanellopoulos et al., MICRO 2023): blocks of the second-level cache hold clusters of TLB entries and back up the last-level TLB. A
 * predictor of walk cost admits only pages whose walks are costly. A translation that is found costs what the cache takes, and no walk.
 *
 * Each block has a line of its own in this design's caches, where it competes with data and page tables; it counts as lost as soon as the
 * line is further away than the second-level cache. Natively a block takes in all mapped pages of its cluster at once, since the walk has
 * read all their entries; in VMs only the page that was walked for.
 * Falls back: to the radix walk. Covered: walks answered by a block.
 * Assumed: a walk is costly when one of that cluster took `costlyCycles`, for good; a lost block leaves a dead line in the last-level
 * cache; a block that the first-level cache happens to hold is as fast as that.
 * Not modelled: the replacement policy that prefers TLB blocks; blocks made of entries that the TLB evicts; blocks for the nested TLB.
 */
export const victima = defineDesign({
  name: 'victima',
  summary: 'blocks of the second-level cache hold TLB entries of pages whose walks are costly',
  source: 'Kanellopoulos et al., Victima, MICRO 2023',
  setups: ['native', 'virtualized'],
  spec: {
    costlyCycles: integer(100, 'a walk of at least so many cycles makes its cluster of pages costly', {
      unit: 'cycles',
      source: 'assumed: one access to memory; the publication predicts from frequency and cost of walks',
    }),
    nearCycles: integer(20, 'an answer within so many cycles came from the second-level cache or nearer', {
      unit: 'cycles',
      source: 'between the latencies of second and last level of every machine preset',
    }),
  },
  counters: {
    hits: 'walks answered by a TLB block',
    misses: 'walks without a block for their page',
    lost: 'walks whose block had been evicted from the second-level cache',
    blocks: 'TLB blocks made',
    dropped: 'translations removed because a mapping went away',
  },
  create({ costlyCycles, nearCycles }, resources) {
    const { spaces, memory, count, setup } = resources;
    const walker = createRadixWalker(resources, walkDimensions(resources));
    const lines = createLines(resources);
    /** Clusters are numbered when they become costly, and get a block at once. */
    const blocks = new TlbBlocks();
    const step = resources.step('TLB block');

    /** Host frame if a block has the page, and it is near; -1 otherwise. */
    function ask(vpn: Vpn, large: boolean): Frame | -1 {
      const cluster = blocks.find(keyOf(vpn, large));
      const stored = cluster < 0 ? 0 : blocks.stored(cluster, indexOf(vpn, large));
      if (stored === 0) return -1;
      const latency = memory.probe(lines.frameOf(cluster), byteOffsetOf(cluster), step);
      if (latency > nearCycles) {
        blocks.drop(cluster);
        count.lost++;
        return -1;
      }
      memory.wait(latency);
      return stored - 1 + (large ? vpn % pagesIn[2] : 0);
    }

    function admit(vpn: Vpn, frame: Frame, cycles: number): void {
      const large = smallestLeaf(spaces, vpn) > 1;
      const key = keyOf(vpn, large);
      let cluster = blocks.find(key);
      if (cluster < 0) {
        if (cycles < costlyCycles) return;
        cluster = blocks.number(key);
      }
      if (blocks.make(cluster)) {
        count.blocks++;
        memory.probe(lines.frameOf(cluster), byteOffsetOf(cluster), step);
      }
      if (setup === 'native') fillCluster(cluster, vpn, large);
      else blocks.store(cluster, indexOf(vpn, large), frame - (large ? vpn % pagesIn[2] : 0) + 1);
    }

    /** Enters every page of the cluster that one table of the process maps in the same size. */
    function fillCluster(cluster: number, vpn: Vpn, large: boolean): void {
      const { table } = spaces[0]!;
      const size = large ? pagesIn[2] : 1;
      const first = vpn - (vpn % (size * blockPages));
      for (let index = 0; index < blockPages; index++) {
        const page = first + index * size;
        const level = table.leafLevel(page);
        blocks.store(cluster, index, level === 0 || level > 1 !== large ? 0 : table.translate(page) + 1);
      }
    }

    function drop(vpn: Vpn, level: PageLevel): void {
      if (level === 3) {
        clear();
        return;
      }
      for (let page = vpn; page < vpn + pagesIn[level]; page++) dropPage(page, false);
      dropPage(vpn, true);
    }

    function dropPage(vpn: Vpn, large: boolean): void {
      const cluster = blocks.find(keyOf(vpn, large));
      if (cluster < 0 || blocks.stored(cluster, indexOf(vpn, large)) === 0) return;
      blocks.store(cluster, indexOf(vpn, large), 0);
      count.dropped++;
    }

    function clear(): void {
      count.dropped += blocks.clear();
    }

    return {
      walk(vpn) {
        const small = ask(vpn, false);
        const found = small >= 0 ? small : ask(vpn, true);
        if (found >= 0) {
          count.hits++;
          return found;
        }
        count.misses++;
        const before = memory.cycles;
        const frame = walker.walk(vpn);
        admit(vpn, frame, memory.cycles - before);
        return frame;
      },
      unmapped(dimension, vpn, _frame, level) {
        walker.forget(dimension, vpn, level);
        if (dimension === 0) drop(vpn, level);
        else clear();
      },
      tableBytes: () => spaces.reduce((sum, { table }) => sum + table.nodes * pageBytes, 0),
      coveredWalks: () => count.hits,
    };
  },
});

/** Clusters of small and of large pages are told apart by the lowest bit. */
function keyOf(vpn: Vpn, large: boolean): number {
  return Math.floor(vpn / (blockPages * (large ? pagesIn[2] : 1))) * 2 + (large ? 1 : 0);
}

function indexOf(vpn: Vpn, large: boolean): number {
  // `&` truncates the quotient.
  return (large ? vpn / pagesIn[2] : vpn) & (blockPages - 1);
}

/** The lines that blocks take in the caches, by number of the cluster: at addresses that nothing else uses. */
function createLines({ spaces }: DesignResources): { frameOf(cluster: number): Frame } {
  const { frames } = spaces.at(-1)!;
  const pages: Frame[] = [];
  return {
    frameOf(cluster) {
      const page = Math.floor(cluster / linesPerPage);
      while (pages.length <= page) pages.push(frames.allocate());
      return pages[page]!;
    },
  };
}

function byteOffsetOf(cluster: number): number {
  return (cluster % linesPerPage) * lineBytes;
}
