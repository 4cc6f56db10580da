import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { createRandom } from '../machine/index.ts';
import { createShared, llfreeVersions } from './index.ts';

/** What `npm test` builds first: Node 20 runs no TypeScript in a worker. */
const built = new URL('../../dist/llfree/index.js', import.meta.url).href;
const slotsPerWorker = 256;
/** Gets and puts that each thread must have made: a busy machine takes longer, and tests as much. */
const leastOperations = 5000;
const orders = [0, 0, 0, 1, 3, 6, 7, 9];

/**
 * Takes and gives back at random until told to stop or killed. Each slot holds an allocation (frame + 1) and is named in `busy` while it changes. Every
 * frame taken is marked with its owner, and must have had none.
 */
const worker = `
const { workerData: { built, memory, slots, busy, owners, stop, done, core, orders, slotsPerWorker }, parentPort } = require('node:worker_threads');
import(built).then(({ attachLLFree }) => {
  const allocator = attachLLFree(memory);
  let seed = core + 1;
  const random = (limit) => { seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0; return Math.floor(seed / 4294967296 * limit); };
  const fail = (text) => { parentPort.postMessage({ error: text }); throw new Error(text); };
  parentPort.postMessage({ started: true });
  while (Atomics.load(stop, 0) === 0) {
    const slot = random(slotsPerWorker);
    const at = core * slotsPerWorker + slot;
    const order = orders[slot % orders.length];
    Atomics.store(busy, core, slot + 1);
    const held = Atomics.load(slots, at);
    if (held === 0) {
      const frame = allocator.get(core, order, slot % 2 === 1);
      if (frame >= 0) {
        for (let i = 0; i < 2 ** order; i++) if (Atomics.exchange(owners, frame + i, core + 1) !== 0) fail('frame ' + (frame + i) + ' has two owners');
        Atomics.store(slots, at, frame + 1);
      }
    } else {
      Atomics.store(slots, at, 0);
      for (let i = 0; i < 2 ** order; i++) if (Atomics.exchange(owners, held - 1 + i, 0) !== core + 1) fail('frame ' + (held - 1 + i) + ' changed its owner');
      allocator.put(core, held - 1, order, slot % 2 === 1);
    }
    Atomics.store(busy, core, 0);
    Atomics.add(done, core, 1);
  }
  parentPort.postMessage({ ended: true });
}).catch((error) => parentPort.postMessage({ error: String(error) }));
`;

const shared = (words: number) => new Int32Array(new SharedArrayBuffer(words * 4));
const running: Worker[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((thread) => thread.terminate()));
});

async function hammer(version: (typeof llfreeVersions)[number], threads: number, frames: number) {
  const allocator = createShared({ frames, cores: threads, version });
  const slots = shared(threads * slotsPerWorker);
  const busy = shared(threads);
  const owners = shared(frames);
  const stop = shared(1);
  const done = shared(threads);
  const errors: string[] = [];
  const ends: Promise<unknown>[] = [];
  const starts: Promise<unknown>[] = [];
  for (let core = 0; core < threads; core++) {
    const workerData = {
      built,
      memory: allocator.memory,
      slots,
      busy,
      owners,
      stop,
      done,
      core,
      orders,
      slotsPerWorker,
    };
    const thread = new Worker(worker, { eval: true, workerData });
    running.push(thread);
    thread.on('message', (message: { error?: string }) => {
      if (message.error) errors.push(message.error);
    });
    starts.push(new Promise((resolve) => thread.once('message', resolve)));
    ends.push(new Promise((resolve) => thread.once('exit', resolve)));
  }
  await Promise.all(starts);
  return { allocator, slots, busy, stop, done, errors, ends };
}

describe.each(llfreeVersions)('threads that share an LLFree %s', (version) => {
  test.each([2, 4])('%d of them never hold a frame twice and lose none', async (threads) => {
    const run = await hammer(version, threads, 5 * 4096 + 700);
    while (run.errors.length === 0 && Math.min(...run.done) < leastOperations) await setTimeout(10);
    Atomics.store(run.stop, 0, 1);
    await Promise.all(run.ends);
    expect(run.errors).toEqual([]);
    expect(Math.min(...run.done)).toBeGreaterThanOrEqual(leastOperations);
    run.allocator.validate();
    for (const [at, held] of run.slots.entries())
      if (held > 0) run.allocator.put(0, held - 1, orders[(at % slotsPerWorker) % orders.length] as number);
    run.allocator.validate();
    expect(run.allocator.freeFrames()).toBe(run.allocator.frames);
  });

  test('killed at random times they leave at most the allocation each was at', async () => {
    const random = createRandom(5);
    for (let round = 0; round < 3; round++) {
      const run = await hammer(version, 2, 3 * 4096);
      await setTimeout(20 + random.below(60));
      await Promise.all(running.splice(0).map((thread) => thread.terminate()));
      expect(run.errors).toEqual([]);
      run.allocator.recover();
      run.allocator.validate();
      let lost = 0;
      for (const [at, held] of run.slots.entries()) {
        const slot = at % slotsPerWorker;
        const order = orders[slot % orders.length] as number;
        if (run.busy[Math.floor(at / slotsPerWorker)] === slot + 1) lost += 2 ** order;
        else if (held > 0) run.allocator.put(0, held - 1, order);
      }
      run.allocator.validate();
      expect(run.allocator.frames - run.allocator.freeFrames()).toBeLessThanOrEqual(lost);
    }
  });
});
