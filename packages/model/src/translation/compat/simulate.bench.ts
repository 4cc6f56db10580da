// Accesses per second of processor time of the original-compatible simulator on one core. Yardstick: a pass over the same blocks that sums their addresses.
// Promised on an idle core: 3 M/s for GUPS 1 GiB virtualized (12.4 % of references walk), 15 M/s for a hot set. The original simulators,
// compiled with optimization, reach 1.74 M/s and 11.8 M/s (specification, translation, section 7).
import { type AccessBlock, AccessKind, createBlock, createRandom } from '@strata/model/machine';
import { type CompatTable, compatTableBuilder, simulateCompat } from '@strata/model/translation/compat';

const smoke = process.env.STRATA_BENCH_SMOKE === '1';
const accesses = smoke ? 1_000_000 : 8_000_000;
const code = 0x401;
const heap = 0x7f92c0000;

function guestTables(pages: number): CompatTable {
  const builder = compatTableBuilder(pages + 1);
  const node = (number: number) => 0x2000_0000 + number * 4096;
  builder.add(code, node(0), node(1), node(2), node(3), 0x3000_0000);
  for (let page = 0; page < pages; page++) {
    const region = Math.floor((heap + page) / 512) % 2 ** 18;
    builder.add(
      heap + page,
      node(0),
      node(4),
      node(5 + (Math.floor(region / 512) % 512)),
      node(600 + (region % 2 ** 16)),
      0x3000_1000 + page * 4096,
    );
  }
  return builder.build();
}

function hostTables(bytes: number): CompatTable {
  const builder = compatTableBuilder(bytes / 4096);
  const node = (number: number) => 0x40_0000_0000 + number * 4096;
  for (let page = 0; page < bytes / 4096; page++)
    builder.add(
      page,
      node(0),
      node(1),
      node(2 + Math.floor(page / 2 ** 18)),
      node(100 + Math.floor(page / 512)),
      0x50_0720_0000 + page * 4096,
    );
  return builder.build();
}

/** Six instruction fetches, one read, one write per update. */
function updates(pages: number): AccessBlock[] {
  const random = createRandom(1);
  const blocks: AccessBlock[] = [];
  for (let done = 0; done < accesses; ) {
    const block = createBlock();
    let word = 0;
    for (let i = 0; i < block.lo.length; i++, done++) {
      const step = done % 8;
      if (step === 6) word = random.below(pages * 512);
      const address = step < 6 ? code * 4096 + step * 4 : heap * 4096 + word * 8;
      block.lo[i] = address >>> 0;
      block.hi[i] = Math.floor(address / 2 ** 32);
      block.kind[i] = step < 6 ? AccessKind.fetch : step === 6 ? AccessKind.load : AccessKind.store;
      block.size[i] = step < 6 ? 4 : 8;
    }
    block.length = block.lo.length;
    blocks.push(block);
  }
  return blocks;
}

function megaPerSecond(blocks: readonly AccessBlock[], feed: (block: AccessBlock) => void): number {
  const start = process.cpuUsage().user;
  let count = 0;
  for (const block of blocks) {
    feed(block);
    count += block.length;
  }
  return count / (process.cpuUsage().user - start);
}

function yardstick(blocks: readonly AccessBlock[]): number {
  let sum = 0;
  return megaPerSecond(blocks, ({ length, lo, hi, kind, size }) => {
    for (let i = 0; i < length; i++) sum = (sum + lo[i]! + hi[i]! + kind[i]! + size[i]!) % 65_521;
  });
}

const gibibyte = 2 ** 30;
const cases = [
  { name: 'GUPS 1 GiB, virtualized', pages: gibibyte / 4096, setup: 'virtualized' },
  { name: 'GUPS 1 GiB, native', pages: gibibyte / 4096, setup: 'native' },
  { name: 'hot set of 32 pages, virtualized', pages: 32, setup: 'virtualized' },
] as const;

for (const { name, pages, setup } of cases) {
  const blocks = updates(pages);
  const tables = guestTables(pages);
  const host = hostTables(2 * gibibyte);
  const simulation = simulateCompat({ config: { setup }, tables, hostTables: host });
  simulation.feed(blocks[0]!);
  const rate = megaPerSecond(blocks.slice(1), (block) => simulation.feed(block));
  const { walks, references } = simulation.finish();
  console.log(
    `${name}: ${rate.toFixed(2)} M accesses/s, ${((100 * walks) / references).toFixed(1)} % walk, ` +
      `${(rate / yardstick(blocks)).toFixed(3)} of the yardstick`,
  );
}
