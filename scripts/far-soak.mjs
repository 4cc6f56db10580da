// `npm run soak [-- --minutes 10] [--seed N] [--json]`: mixed load on every structure of far memory over two agents of their own processes,
// every answer held against plain arrays and Maps, with the resident memory of all three processes sampled on the way. Exit code 1 when an
// answer is wrong or memory grows. `--seconds` for a short run, with more `--slack BYTES` since it ends before all has found its size; `--built` to take the build as it is, `--leak BYTES` to see it fail.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { root, setup } from './setup.mjs';

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: '7' },
    leak: { type: 'string', default: '0' },
    slack: { type: 'string', default: String(8 * 2 ** 20) },
    built: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
if (!options.built) setup();
const { bytes, f64, FarMemory, struct, u32, varbytes } = await import('../packages/far-memory/dist/index.js');

const seconds = options.seconds === undefined ? Number(options.minutes) * 60 : Number(options.seconds);
const leakBytes = Number(options.leak);
if (!(seconds > 0) || !(leakBytes >= 0) || !(Number(options.slack) >= 0)) {
  console.error('far-soak: --minutes, --seconds, --leak and --slack take positive numbers');
  process.exit(2);
}
const samples = 40;
/** Part of the run in which the heap, the allocator and the agents' logs find their size. */
const warmUp = 0.3;
/** Growth from the first to the last third after that, beyond which memory is not flat: noise of an allocator over minutes. */
const mostGrowth = 0.05;
const mostGrowthBytes = Number(options.slack);

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

let state = Number(options.seed) >>> 0 || 1;
function random(below) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

async function startAgent() {
  const child = spawn(
    process.execPath,
    [join(root, 'packages/lab/bin/strata.mjs'), 'far', 'agent', '--listen', '127.0.0.1:0', '--memory', '256MiB'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  process.once('exit', () => child.kill('SIGKILL'));
  const address = await new Promise((resolve, reject) => {
    child.stdout.once('data', (text) => resolve(String(text).trim()));
    child.once('exit', () => reject(new Error('an agent ended before it was ready')));
  });
  return { child, address };
}

const agents = [await startAgent(), await startAgent()];
const far = await FarMemory.open({
  localBytes: 4 * 2 ** 20,
  segmentBytes: 2 ** 16,
  agents: agents.map(({ address }) => address),
  replicas: 2,
  integrity: 'crc32',
});

const endsAt = performance.now() + seconds * 1000;
const counts = {};
/** Counts an operation; every so many the other lanes, timers and sockets get a turn, which hits alone would never give them. */
async function count(kind) {
  counts[kind] = (counts[kind] ?? 0) + 1;
  if (counts[kind] % 32 === 0) await new Promise((resolve) => setImmediate(resolve));
}
function same(found, expected, what) {
  if (!Object.is(found, expected)) throw new Error(`${what}: found ${found}, expected ${expected}`);
}
const isOver = () => performance.now() >= endsAt;

async function vectorLane() {
  const rows = 200_000;
  const weights = new Float64Array(rows);
  const vector = far.vector(struct({ id: u32, weight: f64 }), { name: 'soak vector' });
  await vector.push(Array.from({ length: rows }, (_, id) => ({ id, weight: 0 })));
  while (!isOver()) {
    const at = random(3) === 0 ? random(rows) : random(rows / 20);
    if (random(2) === 0) {
      weights[at] = random(1e6) / 7;
      await vector.set(at, { id: at, weight: weights[at] });
    } else same((await vector.at(at)).weight, weights[at], `row ${at} of the vector`);
    await count('vector');
    if (random(20_000) === 0) {
      let row = 0;
      for await (const chunk of vector.chunks({ nt: true }))
        for (let i = 0; i < chunk.length; i++) same(chunk.at(i).weight, weights[row], `row ${row++} of the vector`);
      await count('vector scan');
    }
  }
}

async function mapLane() {
  const keys = 40_000;
  const model = new Float64Array(keys).fill(-1);
  const map = far.map({ key: bytes(8), value: u32, name: 'soak map' });
  const key = Buffer.alloc(8);
  while (!isOver()) {
    const at = random(keys);
    key.writeDoubleLE(at);
    const choice = random(5);
    if (choice < 2) {
      model[at] = random(2 ** 31);
      await map.set(key, model[at]);
    } else if (choice === 2) {
      same(await map.delete(key), model[at] >= 0, `deleting key ${at}`);
      model[at] = -1;
    } else same((await map.get(key)) ?? -1, model[at], `key ${at} of the map`);
    await count('map');
  }
}

async function sortedLane() {
  const keys = 20_000;
  const model = new Float64Array(keys).fill(-1);
  const sorted = far.sortedMap({ key: u32, value: f64 });
  while (!isOver()) {
    const at = random(keys);
    const choice = random(5);
    if (choice < 2) {
      model[at] = random(2 ** 31);
      await sorted.set(at, model[at]);
    } else if (choice === 2) {
      same(await sorted.delete(at), model[at] >= 0, `deleting sorted key ${at}`);
      model[at] = -1;
    } else same((await sorted.get(at)) ?? -1, model[at], `sorted key ${at}`);
    await count('sorted map');
  }
}

async function queueLane() {
  const queue = far.queue(struct({ at: f64, also: f64 }));
  let first = 0;
  let next = 0;
  let grows = true;
  while (!isOver()) {
    if (queue.length > 30_000) grows = false;
    if (queue.length === 0) grows = true;
    if (random(3) < (grows ? 2 : 1)) await queue.push({ at: next, also: -next++ });
    else {
      const row = await queue.pop();
      if (row !== undefined) same(row.at, first++, 'the front of the queue');
    }
    await count('queue');
  }
}

async function objectLane() {
  const live = [];
  while (!isOver()) {
    if (live.length > 400 || (live.length > 0 && random(2) === 0)) {
      const index = random(live.length);
      const { handle, size, fill } = live[index];
      live[index] = live.at(-1);
      live.pop();
      await far.pinned([handle], (view) => {
        same(view[0], fill, 'the first byte of an object');
        same(view[size - 1], fill, 'the last byte of an object');
      });
      far.free(handle);
    } else {
      const size = 16 + random(16_384);
      const fill = random(256);
      const handle = far.alloc(size);
      await far.pinned([handle], (view) => void view.fill(fill), { write: true });
      live.push({ handle, size, fill });
    }
    await count('objects');
  }
}

/** Structures that come and go, with operators run where their rows are. */
async function analysisLane() {
  while (!isOver()) {
    const rows = 2000 + random(8000);
    const key = Uint32Array.from({ length: rows }, () => random(7));
    const value = Float64Array.from({ length: rows }, () => random(1e6));
    const frame = far.dataFrame({ key: u32, value: f64 }, { chunkRows: 512 });
    await frame.append({ key, value });
    const { sum } = await frame.run('sum', { column: 'value' });
    let total = 0;
    for (const one of value) total += one;
    same(sum[0], total, 'the sum of a frame');
    await frame.derive('twice', f64, ['value'], (one) => one * 2);
    const { max } = await frame.run('max', { column: 'twice' });
    same(max[0], value.reduce((most, one) => Math.max(most, one)) * 2, 'the maximum of a derived column');
    await frame.drop();
    const list = far.list(varbytes(64));
    for (let i = 0; i < 300; i++) await list.pushBack(Buffer.alloc(i % 60, i));
    same((await list.at(299)).length, 299 % 60, 'the last of a list');
    await list.drop();
    await count('analysis');
  }
}

const taken = [];
const leaked = [];
async function sampleLane() {
  for (let at = 1; at <= samples; at++) {
    const due = endsAt - ((samples - at) / samples) * seconds * 1000;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
    if (leakBytes > 0) leaked.push(Buffer.alloc(leakBytes, 1));
    collectGarbage();
    const one = [process.memoryUsage().rss, ...agents.map(({ child }) => residentBytes(child.pid))];
    taken.push(one);
    console.error(
      `far-soak: ${(seconds - Math.max(0, endsAt - performance.now()) / 1000).toFixed(0)} s, resident ${one.map(inMebibytes).join(', ')} MiB`,
    );
  }
}

function residentBytes(pid) {
  const [, kibibytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(kibibytes) * 1024;
}

const inMebibytes = (amount) => (amount / 2 ** 20).toFixed(1);
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];

const processor = process.cpuUsage();
try {
  await Promise.all([vectorLane(), mapLane(), sortedLane(), queueLane(), objectLane(), analysisLane(), sampleLane()]);
} catch (error) {
  console.error(`far-soak: wrong or failed: ${error instanceof Error ? error.stack : error}`);
  process.exit(1);
}
const { misses, dirtyWritten, evacuated, cleanDropped } = far.stats();
const { user, system } = process.cpuUsage(processor);
await far.close();
for (const { child } of agents) child.kill('SIGKILL');

const settled = taken.slice(Math.floor(samples * warmUp));
const third = Math.floor(settled.length / 3);
const processes = ['client', 'agent 1', 'agent 2'].map((name, index) => {
  const of = (list) => median(list.map((one) => one[index]));
  const from = of(settled.slice(0, third));
  const to = of(settled.slice(-third));
  return { name, fromBytes: from, toBytes: to, isFlat: to - from <= from * mostGrowth + mostGrowthBytes };
});
const isFlat = processes.every((one) => one.isFlat);
const report = {
  seconds,
  operations: counts,
  processorSeconds: (user + system) / 1e6,
  misses,
  dirtyWritten,
  evacuated,
  cleanDropped,
  processes,
  isFlat,
};
if (options.json) console.log(JSON.stringify(report));
else {
  console.log(
    `${seconds} s: ${Object.entries(counts)
      .map(([kind, number]) => `${number} ${kind}`)
      .join(', ')}; ${misses} misses, ${dirtyWritten} objects written back, ${evacuated} moved`,
  );
  for (const { name, fromBytes, toBytes, isFlat: flat } of processes)
    console.log(
      `${name}: resident ${inMebibytes(fromBytes)} MiB in the first third after the warm-up, ${inMebibytes(toBytes)} in the last: ${flat ? 'flat' : 'NOT FLAT'}`,
    );
}
process.exit(isFlat ? 0 : 1);
