import {
  type Frame,
  lineBytes,
  linesPerPage,
  type PageLevel,
  pageBytes,
  pagesIn,
  type Vpn,
} from '../../machine/address.ts';
import { choice, integer, real } from '../../machine/fields.ts';
import { type DesignResources, defineDesign } from '../design.ts';
import { arenaStartOf } from '../design-memory.ts';
import { createRadixWalker } from '../walker.ts';
import { smallestLeaf } from './pom-tlb.ts';
import { walkDimensions } from './radix.ts';
import { blockPages, TlbBlocks } from './tlb-blocks.ts';

/**
 * Victima (Kanellopoulos et al., MICRO 2023): blocks of the second-level cache hold clusters of TLB entries and back up the last-level TLB. A
 * predictor of walk cost admits only pages whose walks are frequent and costly; a TLB-aware replacement keeps blocks in the cache while TLB
 * misses are frequent. A translation that is found costs what the cache takes, and no walk.
 *
 * Each block has a line of its own in this design's caches, where it competes with data and page tables; it counts as lost as soon as the
 * line is further away than the second-level cache. Natively a block takes in all mapped pages of its cluster at once, since the walk has
 * read all their entries; in VMs only the page that was walked for.
 * Predictor: two saturating counters per cluster, of walks and of costly walks, both at their thresholds. Replacement: under pressure, when
 * the cache's policy names a block as victim, the block counts as used and the policy is asked once more.
 * Falls back: to the radix walk. Covered: walks answered by a block.
 * What is assumed: `assumptions`.
 */
export const victima = defineDesign({
  name: 'victima',
  summary: 'blocks of the second-level cache hold TLB entries of pages whose walks are costly',
  source: 'Kanellopoulos et al., Victima, MICRO 2023',
  setups: ['native', 'virtualized'],
  assumptions: [
    'The abstract names frequency, cost, pressure and reuse only: widths of the counters, and that they belong to clusters of pages rather than pages, are ours.',
    'A lost block leaves a dead line in the last-level cache; a block that the first-level cache happens to hold is as fast as that.',
    'Natively the 8 translations of a block come with one walk, since it has read the line of their entries; in a VM only the page that was walked for.',
    'No blocks are made of entries that the TLB evicts, and none for the nested TLB.',
  ],
  spec: {
    costlyCycles: integer(100, 'a walk of at least so many cycles makes its cluster of pages costly', {
      unit: 'cycles',
      source: 'assumed: half an access to memory, so one that no cache answered',
    }),
    costlyWalks: integer(1, 'costly walks of a cluster, from which on it may get a block', {
      min: 0,
      max: 15,
      unit: 'walks',
      source: 'assumed: a counter of 4 bits; the abstract predicts from frequency and cost',
    }),
    frequentWalks: integer(1, 'walks of a cluster, from which on it may get a block', {
      min: 0,
      max: 7,
      unit: 'walks',
      source: 'assumed: a counter of 3 bits; the abstract predicts from frequency and cost',
    }),
    replacement: choice(
      ['tlb-aware', 'unaware'],
      'tlb-aware',
      'whether the second-level cache spares blocks under pressure',
      {
        source: 'MICRO 2023, abstract',
      },
    ),
    pressureMisses: real(5, 'TLB misses per thousand accesses from which on translation is under pressure', {
      min: 0,
      unit: 'misses per thousand accesses',
      source: 'assumed; the abstract gives no threshold',
    }),
    dropCycles: integer(20, 'cost of removing one translation from its block', {
      unit: 'cycles',
      source: 'assumed: one access to the second-level cache; the shootdown itself is every design’s',
    }),
    nearCycles: integer(20, 'an answer within so many cycles came from the second-level cache or nearer', {
      unit: 'cycles',
      source: 'between the latencies of second and last level of every machine preset',
    }),
  },
  // Of its own this design has nothing but blocks.
  cacheBias: ({ replacement, pressureMisses }) =>
    replacement === 'unaware'
      ? undefined
      : {
          caches: ['l2'],
          keeps: (line) => line >= ownLines,
          attempts: 1,
          missesPerThousand: pressureMisses,
        },
  counters: {
    hits: 'walks answered by a TLB block',
    misses: 'walks without a block for their page',
    unpredicted: 'misses that the predictor did not hold worth a block',
    lost: 'walks whose block had been evicted from the second-level cache',
    blocks: 'TLB blocks made',
    dropped: 'translations removed because a mapping went away',
  },
  create({ costlyCycles, costlyWalks, frequentWalks, dropCycles, nearCycles }, resources) {
    const { spaces, memory, count, setup } = resources;
    const walker = createRadixWalker(resources, walkDimensions(resources));
    const lines = createLines(resources);
    /** Clusters are numbered when the predictor first wants a block for them. */
    const blocks = new TlbBlocks();
    const predictor = createPredictor(frequentWalks, costlyWalks);
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
      if (!predictor.walked(key, cycles >= costlyCycles)) {
        count.unpredicted++;
        return;
      }
      let cluster = blocks.find(key);
      if (cluster < 0) cluster = blocks.number(key);
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
      rewritten(dimension, vpn, _frame, level) {
        if (dimension === 0) drop(vpn, level);
      },
      writeProtected(dimension) {
        if (dimension === 0) clear();
      },
      maintenanceCycles: () => count.dropped * dropCycles,
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

/** Lines of the host's memory from here on are designs' own. */
const ownLines = arenaStartOf(5) * linesPerPage;

const mostFrequent = 7;
const mostCostly = 15;

const keysPerChunk = 4096;

export interface CostPredictor {
  /** Notes a walk for a cluster; whether the cluster is worth a block. */
  walked(key: number, costly: boolean): boolean;
}

export function createPredictor(frequentWalks: number, costlyWalks: number): CostPredictor {
  /** By cluster, in chunks: walks, and 16 for each costly one. */
  const chunks = new Map<number, Uint8Array>();
  return {
    walked(key, costly) {
      const number = Math.floor(key / keysPerChunk);
      let chunk = chunks.get(number);
      if (chunk === undefined) {
        chunk = new Uint8Array(keysPerChunk);
        chunks.set(number, chunk);
      }
      const known = chunk[key & (keysPerChunk - 1)]!;
      const frequency = Math.min(mostFrequent, (known & 15) + 1);
      const cost = Math.min(mostCostly, (known >>> 4) + (costly ? 1 : 0));
      chunk[key & (keysPerChunk - 1)] = cost * 16 + frequency;
      return frequency >= frequentWalks && cost >= costlyWalks;
    },
  };
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
