// Page-table look-ups against reads of a typed array at the same random indices; buddy allocation against counting; demand faults.
import { createBuddy } from './buddy.ts';
import { createDemandSpace } from './operating-system/index.ts';
import { createRandom } from './random.ts';

const isSmoke = process.env.STRATA_BENCH_SMOKE === '1';
const pages = isSmoke ? 2 ** 17 : 2 ** 22;
const lookups = isSmoke ? 1e6 : 2e7;
const base = 0x7f92c0000;

function rateOf(operations: number, work: () => void): number {
  const start = process.cpuUsage().user;
  work();
  return operations / (process.cpuUsage().user - start);
}

function print(what: string, rate: number, yardstick: string, yardstickRate: number): void {
  const ratio = (yardstickRate / rate).toFixed(1);
  console.log(
    `${what.padEnd(34)} ${rate.toFixed(2).padStart(7)} M/s; ${yardstick} ${yardstickRate.toFixed(1)} M/s, ${ratio} times as fast`,
  );
}

const random = createRandom(1);
const indices = new Uint32Array(2 ** 20);
for (let index = 0; index < indices.length; index++) indices[index] = random.below(pages);
const flat = new Float64Array(pages);
let sink = 0;
const flatRate = rateOf(lookups, () => {
  for (let count = 0; count < lookups; count++) sink += flat[indices[count & (indices.length - 1)]!]!;
});

globalThis.gc?.();
const before = process.memoryUsage().rss;
const memory = createBuddy({ frames: pages * 2 });
const space = createDemandSpace({ frames: memory });
const faultRate = rateOf(pages, () => {
  for (let page = 0; page < pages; page++) space.ensure(base + page);
});
globalThis.gc?.();
const bytesPerPage = (process.memoryUsage().rss - before) / pages;
const lookupRate = rateOf(lookups, () => {
  for (let count = 0; count < lookups; count++)
    sink += space.table.translate(base + indices[count & (indices.length - 1)]!);
});
const hitRate = rateOf(lookups, () => {
  for (let count = 0; count < lookups; count++) sink += space.ensure(base + indices[count & (indices.length - 1)]!);
});
print('translate, uniform over the table', lookupRate, 'array reads', flatRate);
print('ensure a mapped page', hitRate, 'array reads', flatRate);
print('demand faults, ascending', faultRate, 'array reads', flatRate);
console.log(`resident memory ${bytesPerPage.toFixed(1)} bytes per page (${pages} pages, table, memory and space)`);

const blocks = isSmoke ? 50_000 : 500_000;
const aged = createBuddy({ frames: 2 ** 22 });
aged.fragment(createRandom(2), 0.5);
const held = new Float64Array(blocks);
const allocateRate = rateOf(blocks, () => {
  for (let block = 0; block < blocks; block++) held[block] = aged.allocateBlock(block % 3);
});
const freeRate = rateOf(blocks, () => {
  for (let block = 0; block < blocks; block++) if (held[block]! >= 0) aged.free(held[block]!, block % 3);
});
print('buddy allocation, half unusable', allocateRate, 'array reads', flatRate);
print('buddy free', freeRate, 'array reads', flatRate);
if (sink === -1) console.log(sink);
