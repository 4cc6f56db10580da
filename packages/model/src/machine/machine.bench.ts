// What one look-up costs: TLB and caches, printed against interpreted, with an LRU over plain JavaScript Maps as the yardstick.
import { type CacheHierarchy, createHierarchy } from './cache-hierarchy.ts';
import { resolveMachine } from './machine-file.ts';
import { createPrintedHierarchy } from './print/hierarchy.ts';
import { createPrintedTlb } from './print/tlb.ts';
import { createRandom } from './random.ts';
import { createTlb, type Tlb } from './tlb.ts';

const smoke = process.env.STRATA_BENCH_SMOKE === '1';
const accesses = smoke ? 300_000 : 5_000_000;
const machine = resolveMachine({ cores: 20, prefetcher: 'none' });
const streamMask = 2 ** 20 - 1;

/** Page numbers: 16 hot pages, or uniform over 16 GiB. Of each page 4 lines are used, and they spread over the sets of L1D. */
function stream(pages: number): Float64Array {
  const random = createRandom(7);
  return Float64Array.from({ length: streamMask + 1 }, () => random.below(pages));
}
function lineOf(frame: number, i: number): number {
  return frame * 64 + ((frame * 4 + (i & 3)) & 63);
}
const hot = stream(16);
const uniform = stream(2 ** 22);

/** LRU over Maps, which keep the order of insertion: what one writes first. */
function mapYardstick(): CacheHierarchy['access'] {
  const shapes = [machine.l1d, machine.l2, machine.llc];
  const levels = shapes.map(({ sizeBytes, ways }) => ({
    ways,
    sets: Array.from({ length: sizeBytes / 64 / ways }, () => new Map<number, true>()),
  }));
  return (_core, line) => {
    for (const [index, { ways, sets }] of levels.entries()) {
      const set = sets[line % sets.length]!;
      const hit = set.delete(line);
      set.set(line, true);
      if (hit) return (index + 1) as 1 | 2 | 3;
      if (set.size > ways) set.delete(set.keys().next().value!);
    }
    return 0;
  };
}

function rate(run: (count: number) => number): number {
  run(accesses >> 2);
  const start = performance.now();
  const sum = run(accesses);
  const seconds = (performance.now() - start) / 1000;
  if (!Number.isFinite(sum)) throw new Error('the loop must not be optimised away');
  return accesses / seconds / 1e6;
}

function throughCaches(access: CacheHierarchy['access'], pages: Float64Array): number {
  return rate((count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += access(0, lineOf(pages[i & streamMask]!, i), false);
    return sum;
  });
}

function throughTlb(tlb: Tlb, pages: Float64Array): number {
  return rate((count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const vpn = pages[i & streamMask]!;
      const frame = tlb.lookup(0, vpn, false, 0);
      if (frame < 0) tlb.fill(0, vpn, false, 0, vpn, 1);
      sum += frame;
    }
    return sum;
  });
}

function throughBoth(tlb: Tlb, access: CacheHierarchy['access'], pages: Float64Array): number {
  return rate((count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const vpn = pages[i & streamMask]!;
      let frame = tlb.lookup(0, vpn, false, 0);
      if (frame < 0) {
        frame = vpn;
        tlb.fill(0, vpn, false, 0, vpn, 1);
      }
      sum += access(0, lineOf(frame, i), false);
    }
    return sum;
  });
}

const tlbOptions = { cores: machine.cores, tlb: machine.tlb, pageNumberBits: 36 } as const;
const random = createRandom(1);

function report(name: string, million: number, yardstick: number, what: string): void {
  console.log(
    `${name.padEnd(34)} ${million.toFixed(1).padStart(7)} M/s   ${(million / yardstick).toFixed(1)}x ${what}`,
  );
}

for (const [name, pages] of [
  ['hot', hot],
  ['uniform', uniform],
] as const) {
  const maps = throughCaches(mapYardstick(), pages);
  report(`${name}: caches, Maps`, maps, maps, '(yardstick: LRU over Maps)');
  const interpreted = createHierarchy(machine, random);
  report(`${name}: caches, interpreted`, throughCaches(interpreted.access, pages), maps, 'Maps');
  const printed = createPrintedHierarchy(machine, random);
  report(`${name}: caches, printed`, throughCaches(printed.access, pages), maps, 'Maps');
  const tlbInterpreted = throughTlb(createTlb(tlbOptions, random), pages);
  report(`${name}: TLB, interpreted`, tlbInterpreted, tlbInterpreted, '(yardstick: interpreted TLB)');
  report(
    `${name}: TLB, printed`,
    throughTlb(createPrintedTlb(tlbOptions, random), pages),
    tlbInterpreted,
    'interpreted',
  );
  const both = throughBoth(createPrintedTlb(tlbOptions, random), createPrintedHierarchy(machine, random).access, pages);
  report(
    `${name}: TLB and caches, printed`,
    both,
    maps,
    `Maps, which do the caches only; ${(1000 / both).toFixed(1)} ns`,
  );
}
