import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { FarMemory, type Handle, MISS } from '@strata/far-memory';
import { createXorshift } from '@strata/model/paging';
import type { Bench, BenchRow, Workload } from './bench.ts';
import { farObjects } from './stores.ts';

const objectBytes = 8192;
/** An eighth of them is local: below this the reads in flight alone would fill it. */
const fewestObjects = 8192;

function row(system: string, measure: string, unit: string, value: number): BenchRow {
  return { workload: 'micro', system, measure, unit, value, localShare: null, missRatio: null, inFlight: 1 };
}

/** Hit, miss, pipelined fetches and the memory of records (specification A2.1, A2.5b). */
export const micro: Workload = { name: 'micro', steps: () => 3, run };

async function run({ shrink, against, signal, step, record }: Bench): Promise<void> {
  step('micro: hits');
  for (const one of await hits()) record(one);
  signal.throwIfAborted();
  step('micro: misses');
  for (const one of await misses(Math.max(fewestObjects, 16_384 / shrink), signal)) record(one);
  signal.throwIfAborted();
  step('micro: records');
  const records = shrink === 1 ? 4e6 : 4e5;
  const label = `resident of ${records / 1e6} M records`;
  record(row('far', label, 'MB', await resident(farRecords(records))));
  if (against.has('map')) record(row('map', label, 'MB', await resident(mapRecords(records))));
}

/** Accesses of one measurement; the best of several counts. */
const accesses = 4e6;
const repeats = 7;

async function hits(): Promise<BenchRow[]> {
  const count = 4096;
  const far = await FarMemory.open({ localBytes: 16 * 2 ** 20 });
  const handles = Uint32Array.from({ length: count }, () => far.alloc(64));
  // Placed, and touched as often as makes an object hot.
  for (let touch = 0; touch < 3; touch++) for (const handle of handles) await far.mut(handle as Handle);
  const raw = far.views.u32;
  const stride = 20;
  const random = createXorshift(12_345);
  const sequence = Uint32Array.from({ length: 2 ** 16 }, () => random() % count);
  const mask = sequence.length - 1;
  // Two functions, so that the compiler sees one loop in each.
  const touchFar = () => {
    let sum = 0;
    for (let step = 0; step < accesses; step++) {
      const location = far.tryGet(handles[sequence[step & mask]!] as Handle);
      if (location !== MISS) sum += raw[location]!;
    }
    return sum;
  };
  const touchRaw = () => {
    let sum = 0;
    for (let step = 0; step < accesses; step++) sum += raw[handles[sequence[step & mask]!]! * stride]!;
    return sum;
  };
  let sum = 0;
  const nanoseconds = (touch: () => number) => {
    const start = performance.now();
    sum += touch();
    return ((performance.now() - start) * 1e6) / accesses;
  };
  let farNs = Number.POSITIVE_INFINITY;
  let rawNs = Number.POSITIVE_INFINITY;
  // In turns, so that whatever else the machine does meets both.
  for (let repeat = 0; repeat < repeats; repeat++) {
    farNs = Math.min(farNs, nanoseconds(touchFar));
    rawNs = Math.min(rawNs, nanoseconds(touchRaw));
  }
  await far.close();
  if (!Number.isFinite(sum)) throw new Error('the objects hold no numbers');
  return [row('far', 'hit', 'ns', farNs), row('typed array', 'hit', 'ns', rawNs)];
}

async function misses(count: number, signal: AbortSignal): Promise<BenchRow[]> {
  const store = await farObjects(objectBytes, count, (count * objectBytes) / 8);
  try {
    await store.load(count, () => new Uint8Array(objectBytes));
    // Minimal standard generator: an even stride would be prefetched, and leave only what prefetching misses.
    let place = 1;
    const anywhere = () => {
      place = (place * 48_271) % 2_147_483_647;
      return place % count;
    };
    const timed = async () => {
      const times: number[] = [];
      for (let at = 0; at < 2000; at++) {
        if (at % 256 === 0) signal.throwIfAborted();
        const start = performance.now();
        const found = store.get(anywhere());
        if (found instanceof Uint8Array) continue;
        await found;
        times.push((performance.now() - start) * 1000);
      }
      return times;
    };
    // For caches and the compiler, which takes some thousands of misses to settle.
    for (let round = 0; round < 3; round++) await timed();
    const times = await timed();
    times.sort((a, b) => a - b);
    const depth = 256;
    const pipelined = async () => {
      let next = 0;
      let fetches = 0;
      const start = performance.now();
      const lane = async () => {
        while (next++ < 20_000) {
          const found = store.get(anywhere());
          if (found instanceof Uint8Array) continue;
          await found;
          fetches++;
        }
      };
      await Promise.all(Array.from({ length: depth }, lane));
      return fetches / (performance.now() - start);
    };
    await pipelined();
    const kiloPerSecond = await pipelined();
    return [
      row('far', 'miss p50', 'us', times[times.length >>> 1]!),
      row('far', 'miss p90', 'us', times[Math.floor(times.length * 0.9)]!),
      { ...row('far', 'pipelined fetches', 'k/s', kiloPerSecond), inFlight: depth },
    ];
  } finally {
    await store.close();
  }
}

/** What a process of its own holds with the records in it, less the same process without. */
async function resident(program: string): Promise<number> {
  const execute = promisify(execFile);
  const words = ['--expose-gc', '--max-old-space-size=4096', '--input-type=module', '-e', program];
  // The program's imports are resolved from here.
  const { stdout } = await execute(process.execPath, words, { cwd: fileURLToPath(new URL('.', import.meta.url)) });
  return Number(stdout) / 1e6;
}

const report = 'globalThis.gc(); process.stdout.write(String(process.memoryUsage.rss()));';

function farRecords(count: number): string {
  return `import { FarMemory, struct, u32, f64 } from '@strata/far-memory';
const far = await FarMemory.open({ localBytes: ${Math.ceil((count * 24 * 1.5) / 2 ** 20 + 16)} * 2 ** 20 });
const rows = far.vector(struct({ a: u32, b: u32, c: f64, d: u32 }));
await rows.push((function* () { for (let i = 0; i < ${count}; i++) yield { a: i, b: i, c: i, d: i }; })());
${report} await far.close();`;
}

function mapRecords(count: number): string {
  return `const map = new Map();
for (let i = 0; i < ${count}; i++) map.set(i, { a: i, b: i, c: i + 0.5, d: i });
${report} if (map.size < 0) process.exit(1);`;
}
