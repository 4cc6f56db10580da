// What each design adds to one pass over a walk-heavy trace in a VM, and all of them together. Yardstick: the same pass with radix alone.
import { type AccessBlock, AccessKind, blockCapacity, createBlock } from '../../machine/accesses.ts';
import { createRandom } from '../../machine/random.ts';
import { resolveTranslationConfig } from '../config.ts';
import { demandSpaces } from '../demand-spaces.ts';
import { createSimulation } from '../simulate.ts';
import { designs } from './index.ts';

const smoke = process.env.STRATA_BENCH_SMOKE === '1';
const blocks = smoke ? 2 : 160;
/** Blocks before the clock starts: the compiler is done with most of every design by then, as in all but the shortest traces. */
const warmupBlocks = smoke ? 1 : 64;
const pages = smoke ? 2 ** 14 : 2 ** 16;
const base = 0x7f00_0000_0000;

/** Updates of random words of a table, with the six instruction fetches that a compiled loop needs for each: one access in eight walks. */
function trace(): AccessBlock[] {
  const random = createRandom(1);
  return Array.from({ length: blocks }, () => {
    const block = createBlock();
    const put = (address: number, kind: AccessKind): void => {
      const at = block.length++;
      block.lo[at] = address % 2 ** 32;
      block.hi[at] = Math.floor(address / 2 ** 32);
      block.kind[at] = kind;
      block.size[at] = 8;
    };
    while (block.length + 8 <= blockCapacity) {
      for (let fetch = 0; fetch < 6; fetch++) put(0x40_0000 + 4 * fetch, AccessKind.fetch);
      const word = base + 8 * random.below(pages * 512);
      put(word, AccessKind.load);
      put(word, AccessKind.store);
    }
    return block;
  });
}

const blocksOfTrace = trace();
const accesses = blocks * blocksOfTrace[0]!.length;

/** Processor seconds per access of a pass in which every page has been touched before. */
function secondsPerAccess(names: readonly string[]): number {
  const config = resolveTranslationConfig({ setup: 'virtualized', designs: names, cores: 1 });
  const spaces = demandSpaces(config)(0);
  for (let page = 0; page < pages; page++) spaces.reduce((at: number, space) => space.ensure(at), base / 4096 + page);
  const simulation = createSimulation(config, spaces);
  for (const block of blocksOfTrace.slice(0, warmupBlocks)) simulation.feed(block);
  // Ends the turn under way, here and below: designs may walk for several blocks at once.
  simulation.restartCounts();
  const start = process.cpuUsage();
  for (const block of blocksOfTrace) simulation.feed(block);
  simulation.finish();
  return process.cpuUsage(start).user / 1e6 / accesses;
}

const names = [...designs].filter(({ setups }) => setups.includes('virtualized')).map(({ name }) => name);
const radix = secondsPerAccess(['radix']);
const show = (name: string, seconds: number, added: number) =>
  console.log(
    `${name.padEnd(20)} ${(1e-6 / seconds).toFixed(2).padStart(7)} M accesses/s, adds ${(added * 1e9).toFixed(0).padStart(6)} ns per access ${(added / radix).toFixed(2).padStart(6)} x radix alone`,
  );
show('radix', radix, radix);
for (const name of smoke ? ['fpt', 'ecpt'] : names.filter((other) => other !== 'radix')) {
  const together = secondsPerAccess(['radix', name]);
  show(name, together, together - radix);
}
const all = secondsPerAccess(names);
show(`all ${names.length}`, all, all - radix);
