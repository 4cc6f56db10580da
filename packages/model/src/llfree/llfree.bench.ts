// What an order-0 get and put cost, alone and with two threads at once. Each variant runs in a fresh isolate, as in a program that uses one. Yardsticks: a
// stack of free frames in a plain array, which can do nothing else, and the original in C on the machine of the specification (55.7 ns a pair; the ratio
// means something on a comparable, quiet machine only). Processor time, so that other work on the machine counts little.
import { Worker } from 'node:worker_threads';
import { createExclusive, createShared, type LLFreeMemory, type LLFreeVersion, llfreeVersions } from './index.ts';

const smoke = process.env.STRATA_BENCH_SMOKE === '1';
const batch = 4096;
const rounds = smoke ? 50 : 500;
const repeats = smoke ? 1 : 5;
const frames = 2 ** 18;
const originalPairNs = 55.7;
/** The benchmark is bundled elsewhere, but always started in the clone. */
const built = new URL(`file://${process.cwd()}/packages/model/dist/llfree/index.js`).href;

/** Takes a batch of frames and gives it back, `rounds` times for every message. */
const worker = `
const { workerData: { built, memory, core, rounds, batch }, parentPort } = require('node:worker_threads');
const held = new Int32Array(batch);
function stackOf(frames) {
  const stack = Int32Array.from({ length: frames }, (_, index) => index);
  let top = frames;
  return { get: () => stack[--top], put: (core, frame) => { stack[top++] = frame; } };
}
import(built).then(({ attachLLFree }) => {
  const allocator = memory ? attachLLFree(memory) : stackOf(2 ** 18);
  const run = (rounds) => {
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < batch; i++) held[i] = allocator.get(core, 0);
      for (let i = 0; i < batch; i++) allocator.put(core, held[i], 0);
    }
  };
  run(100);
  parentPort.on('message', () => { run(rounds); parentPort.postMessage('done'); });
  parentPort.postMessage('ready');
});`;

function next(thread: Worker): Promise<unknown> {
  return new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject));
}

/** Nanoseconds of processor time per get and put, the best of the repeats. */
async function pairNs(memory: LLFreeMemory | undefined, threads: number): Promise<number> {
  const workers = Array.from(
    { length: threads },
    (_, core) => new Worker(worker, { eval: true, workerData: { built, memory, core, rounds, batch } }),
  );
  await Promise.all(workers.map(next));
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < repeats; repeat++) {
    const done = workers.map(next);
    const start = process.cpuUsage();
    for (const thread of workers) thread.postMessage('go');
    await Promise.all(done);
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, ((user + system) * 1000) / (threads * rounds * batch));
  }
  await Promise.all(workers.map((thread) => thread.terminate()));
  return best;
}

const stack = await pairNs(undefined, 1);
function print(name: string, ns: number, note = ''): void {
  const original = `${(ns / originalPairNs).toFixed(2)}x the C original's`;
  console.log(
    `${name.padEnd(26)} ${ns.toFixed(1).padStart(7)} ns/pair ${(ns / stack).toFixed(1).padStart(6)}x the stack  ${original}${note}`,
  );
}
async function measure(version: LLFreeVersion): Promise<void> {
  const options = { frames, cores: 2, version };
  print(`exclusive, ${version}`, await pairNs(createExclusive(options).memory, 1), '; promised: at most 20 ns');
  const one = await pairNs(createShared(options).memory, 1);
  print(`shared, ${version}`, one, '; promised: at most 110 ns');
  const two = await pairNs(createShared(options).memory, 2);
  print(`shared, ${version}, two threads`, two, `; each ${Math.round((one / two) * 100)} % of one, promised: 80 %`);
}
print('stack of free frames', stack);
for (const version of llfreeVersions) await measure(version);
