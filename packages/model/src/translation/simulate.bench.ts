// Million accesses per second through the whole engine, one thread. Yardstick: the least that a simulator written with a Map would do, one
// look-up of the page per access in `Map<number, number>`, over the same trace in the same run.
import { type AccessBlock, AccessKind, blockCapacity, createBlock } from '../machine/accesses.ts';
import { createRandom, type Random } from '../machine/random.ts';
import { createRegistry } from '../machine/registry.ts';
import { resolveTranslationConfig } from './config.ts';
import { demandSpaces } from './demand-spaces.ts';
import type { Design } from './design.ts';
import { designs } from './designs/index.ts';
import { radix } from './designs/radix.ts';
import { createSimulation } from './simulate.ts';

const smoke = process.env.STRATA_BENCH_SMOKE === '1';
const blocks = smoke ? 24 : 240;

interface Workload {
  readonly name: string;
  fill(block: AccessBlock, random: Random): void;
}

const base = 0x7f00_0000_0000;

function put(block: AccessBlock, address: number, kind: AccessKind): void {
  const at = block.length++;
  block.lo[at] = address % 2 ** 32;
  block.hi[at] = Math.floor(address / 2 ** 32);
  block.kind[at] = kind;
  block.size[at] = 8;
}

/** Updates of random words of a table, with the six instruction fetches that a compiled loop needs for each. */
const gups: Workload = {
  name: 'GUPS 1 GiB, virtualized',
  fill(block, random) {
    block.length = 0;
    while (block.length + 8 <= blockCapacity) {
      for (let fetch = 0; fetch < 6; fetch++) put(block, 0x400000 + 4 * fetch, AccessKind.fetch);
      const word = base + 8 * random.below(2 ** 27);
      put(block, word, AccessKind.load);
      put(block, word, AccessKind.store);
    }
  },
};

const hotSet: Workload = {
  name: 'hot set of 16 KiB, virtualized',
  fill(block, random) {
    block.length = 0;
    while (block.length < blockCapacity) put(block, base + 8 * random.below(2048), AccessKind.load);
  },
};

function traceOf(workload: Workload): AccessBlock[] {
  const random = createRandom(1);
  return Array.from({ length: 64 }, () => {
    const block = createBlock();
    workload.fill(block, random);
    return block;
  });
}

interface Runner {
  feed(block: AccessBlock): void;
  /** Does what was put off. */
  settle(): void;
}

/** Processor seconds for `blocks` blocks after one round to warm up, demand faults included in the round. */
function seconds(trace: readonly AccessBlock[], { feed, settle }: Runner): number {
  for (const block of trace) feed(block);
  settle();
  const start = process.cpuUsage();
  for (let done = 0; done < blocks; done++) feed(trace[done % trace.length]!);
  settle();
  return process.cpuUsage(start).user / 1e6;
}

/** The same design under two names: what a second design costs in a pass, whatever it does. */
const twice = createRegistry<Design>('design', [{ ...radix, name: 'radix again' }, ...designs]);
const offered = [...designs].filter(({ setups }) => setups.includes('virtualized')).map(({ name }) => name);

function simulation(names: readonly string[], engine = 'printed'): Runner {
  const config = resolveTranslationConfig({ setup: 'virtualized', designs: names, cores: 1, engine }, twice);
  const running = createSimulation(config, demandSpaces(config), twice);
  return { feed: running.feed, settle: running.finish };
}

function mapLookups(): Runner {
  const frames = new Map<number, number>();
  const feed = (block: AccessBlock): void => {
    for (let index = 0; index < block.length; index++) {
      const page = block.hi[index]! * 1_048_576 + (block.lo[index]! >>> 12);
      if (!frames.has(page)) frames.set(page, frames.size);
    }
  };
  return { feed, settle: () => {} };
}

for (const workload of [gups, hotSet]) {
  const trace = traceOf(workload);
  const accesses = blocks * trace[0]!.length;
  const rate = (run: Runner) => accesses / seconds(trace, run);
  const yardstick = rate(mapLookups());
  const show = (name: string, measured: number) =>
    console.log(
      `${workload.name.padEnd(32)} ${name.padEnd(28)} ${(measured / 1e6).toFixed(2).padStart(7)} M accesses/s ${(measured / yardstick).toFixed(2).padStart(6)} x yardstick`,
    );
  show('Map look-up (yardstick)', yardstick);
  const one = rate(simulation(['radix']));
  show('radix', one);
  const two = rate(simulation(['radix', 'radix again']));
  show('radix twice, one pass', two);
  show('radix twice, two passes', one / 2);
  for (const design of offered) {
    if (design === 'radix') continue;
    const both = rate(simulation(['radix', design]));
    show(`radix and ${design}, one pass`, both);
    const marginal = 1e9 / both - 1e9 / one;
    console.log(
      `${' '.repeat(33)}${design} adds ${marginal.toFixed(0)} ns per access, radix alone takes ${(1e9 / one).toFixed(0)}`,
    );
  }
  show(`all ${offered.length} designs, one pass`, rate(simulation(offered)));
  if (!smoke) show('radix, interpreted', rate(simulation(['radix'], 'interpreted')));
}
