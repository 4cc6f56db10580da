import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

/**
 * One agent in a process of its own, from the build, over loopback (specs/far-memory.md A2.5b): latency of one 8 KiB miss against an echo of
 * the same bytes by two bare sockets, pipelined fetches per second, and an offloaded sum of 128 MiB against fetching and adding it.
 * Targets: miss p50 at most 80 us, 60,000 pipelined fetches per second, the offloaded sum at least 1.5 times faster.
 */
const smoke = process.env.STRATA_BENCH_SMOKE === '1';
const root = process.cwd();
const built = (path: string) => pathToFileURL(join(root, 'packages/far-memory/dist', path)).href;
const { connectAgents }: typeof import('../cluster/index.ts') = await import(built('cluster/index.js'));
const { pack, unpack, doublesOf }: typeof import('../operators/index.ts') = await import(built('operators/index.js'));

const objectBytes = 8192;
const objects = smoke ? 1024 : 16_384;

const agent = spawn(
  process.execPath,
  [join(root, 'packages/lab/bin/strata.mjs'), 'far', 'agent', '--listen', '127.0.0.1:0', '--memory', '512MiB'],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
const address = await new Promise<string>((resolve) =>
  agent.stdout.once('data', (text) => resolve(String(text).trim())),
);
const store = await connectAgents({ agents: [address], sync: 'auto' });

const values = new Float64Array(objectBytes / 8);
for (let id = 0; id < objects; id++) {
  values.fill(id);
  const write = store.write(1, id, new Uint8Array(values.buffer));
  if (id % 512 === 511) await write;
}
await store.flush();

const percentile = (times: readonly number[], share: number) =>
  times.toSorted((a, b) => a - b)[Math.floor(times.length * share)]! * 1000;

async function latencies(count: number, once: (at: number) => Promise<void> | void): Promise<number[]> {
  const times: number[] = [];
  for (let at = 0; at < count; at++) {
    const start = performance.now();
    await once(at);
    times.push(performance.now() - start);
  }
  return times;
}

/** 8 KiB for 22 bytes, by a thread with a bare socket: what the sockets alone cost. */
async function bareSockets(count: number): Promise<number[]> {
  const program = `const { createServer } = require('node:net'); const { parentPort } = require('node:worker_threads');
    const answer = Buffer.alloc(${objectBytes}, 7);
    const server = createServer({ noDelay: true }, (socket) => socket.on('data', () => socket.write(answer)));
    server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`;
  const worker = new Worker(program, { eval: true });
  const port = await new Promise<number>((resolve) => worker.once('message', resolve));
  let got = 0;
  let done: () => void = () => undefined;
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.on('data', (chunk) => {
    got += chunk.length;
    if (got < objectBytes) return;
    got = 0;
    done();
  });
  const request = Buffer.alloc(22);
  const times = await latencies(
    count,
    () =>
      new Promise<void>((resolve) => {
        done = resolve;
        socket.write(request);
      }),
  );
  socket.destroy();
  await worker.terminate();
  return times;
}

const count = smoke ? 500 : 5000;
const into = new Uint8Array(objectBytes);
await latencies(count, (at) => store.read(1, at % objects, into, 'demand'));
const bare = await bareSockets(count);
const miss = await latencies(count, (at) => store.read(1, (at * 7919) % objects, into, 'demand'));
const bareAgain = await bareSockets(count);
const yardstick = Math.min(percentile(bare, 0.5), percentile(bareAgain, 0.5));
const p50 = percentile(miss, 0.5);
console.log(
  `8 KiB miss            p50 ${p50.toFixed(1)} us, p90 ${percentile(miss, 0.9).toFixed(1)} us; bare sockets p50 ${yardstick.toFixed(1)} us; ratio ${(p50 / yardstick).toFixed(2)}`,
);
const sync = await latencies(count, (at) => store.readSync?.(1, (at * 7919) % objects, into));
console.log(
  `8 KiB miss, blocking  p50 ${percentile(sync, 0.5).toFixed(1)} us; ratio to bare sockets ${(percentile(sync, 0.5) / yardstick).toFixed(2)}`,
);

const lanes = Array.from({ length: 256 }, () => new Uint8Array(objectBytes));
const fetches = smoke ? 5000 : 120_000;
let best = 0;
for (let round = 0; round < 3; round++) {
  const start = performance.now();
  const processor = process.cpuUsage();
  await Promise.all(
    lanes.map(async (buffer, lane) => {
      for (let at = lane; at < fetches; at += lanes.length)
        await store.read(1, (at * 7919) % objects, buffer, 'demand');
    }),
  );
  const { user, system } = process.cpuUsage(processor);
  const rate = (fetches / (performance.now() - start)) * 1000;
  best = Math.max(best, rate);
  console.log(
    `8 KiB pipelined       ${(rate / 1000).toFixed(1)} k fetches/s, ${((user + system) / fetches).toFixed(1)} us of this processor each`,
  );
}
console.log(
  `8 KiB pipelined, best ${(best / 1000).toFixed(1)} k fetches/s; one at a time ${(1000 / p50).toFixed(1)} k; ratio ${((best * p50) / 1e6).toFixed(1)}`,
);

const ids = Float64Array.from({ length: objects }, (_, id) => id);
const relation = { rows: objects * values.length, rowsPerObject: values.length, columns: { x: { type: 'f64' } } };
const argument = pack({ relation });
for (let round = 0; round < 3; round++) {
  const start = performance.now();
  const sum = doublesOf(unpack(await store.call('sum', 1, 1, ids, argument)), 'sum')[0]!;
  const offloaded = performance.now() - start;
  const fetchStart = performance.now();
  let plain = 0;
  await Promise.all(
    lanes.map(async (buffer, lane) => {
      const column = new Float64Array(buffer.buffer);
      for (let id = lane; id < objects; id += lanes.length) {
        await store.read(1, id, buffer, 'demand');
        for (let row = 0; row < column.length; row++) plain += column[row]!;
      }
    }),
  );
  const fetched = performance.now() - fetchStart;
  if (sum !== plain) throw new Error(`the sums differ: ${sum} and ${plain}`);
  console.log(
    `sum of ${(objects * objectBytes) / 2 ** 20} MiB        offloaded ${offloaded.toFixed(0)} ms, fetched and added ${fetched.toFixed(0)} ms; ${(fetched / offloaded).toFixed(2)} x faster`,
  );
}
await store.close();
agent.kill('SIGTERM');
