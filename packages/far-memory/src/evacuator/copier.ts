import { Worker } from 'node:worker_threads';
import { HEADER_BYTES } from '../arena/arena.ts';
import type { Views } from '../arena/views.ts';
import type { Handle, Location } from '../handles/words.ts';

/** Objects to copy, as parallel arrays; the worker sees the first three. */
export interface MovePlan {
  readonly from: Uint32Array<SharedArrayBuffer>;
  readonly to: Uint32Array<SharedArrayBuffer>;
  readonly sizes: Uint32Array<SharedArrayBuffer>;
  readonly handles: Uint32Array;
  count: number;
  bytes: number;
}

/** Most objects of one plan: flipping their words takes well below the tick budget. */
export const PLAN_OBJECTS = 8192;

export function createMovePlan(): MovePlan {
  const shared = () => new Uint32Array(new SharedArrayBuffer(PLAN_OBJECTS * 4));
  return {
    from: shared(),
    to: shared(),
    sizes: shared(),
    handles: new Uint32Array(PLAN_OBJECTS),
    count: 0,
    bytes: 0,
  };
}

export function addMove(plan: MovePlan, handle: Handle, from: Location, to: Location, size: number): void {
  plan.from[plan.count] = from;
  plan.to[plan.count] = to;
  plan.sizes[plan.count] = size;
  plan.handles[plan.count] = handle;
  plan.count++;
  plan.bytes += size;
}

/** Who copies: `auto` gives plans from `WORKER_PAYS_BYTES` on to the worker. */
export type CopierChoice = 'auto' | 'owner' | 'worker';

/**
 * From here on the owner thread is freed by more than the two messages cost it (evacuator.bench.ts: 0.25 ms of copying per MiB against
 * 0.03 ms per message).
 */
export const WORKER_PAYS_BYTES: number = 256 * 1024;

/** Below this a loop over words is faster than the call of copyWithin. */
const SHORT_COPY_BYTES = 256;

export interface Copier {
  /** Copies headers and data; calls back in this turn, or later from the event loop. */
  run(plan: MovePlan, done: () => void): void;
  /** A copy under way is completed and called back first. */
  close(): Promise<void>;
}

/**
 * The worker's whole program. It is text because a file beside this one is what bundlers lose. It only ever reads places that no one frees
 * and writes places that no one reads before the plan comes back.
 */
const workerProgram = `
const { parentPort, workerData } = require('node:worker_threads');
const { buffer, from, to, sizes, headerBytes, shortBytes } = workerData;
const u8 = new Uint8Array(buffer);
const u32 = new Uint32Array(buffer);
parentPort.on('message', (count) => {
  for (let index = 0; index < count; index++) {
    let source = from[index] - headerBytes / 4;
    let target = to[index] - headerBytes / 4;
    const bytes = sizes[index] + headerBytes;
    if (bytes > shortBytes) {
      u8.copyWithin(target * 4, source * 4, source * 4 + bytes);
      continue;
    }
    for (const end = source + ((bytes + 3) >>> 2); source < end; ) u32[target++] = u32[source++];
  }
  parentPort.postMessage(count);
});
`;

export function copyOnOwner({ u8, u32 }: Views, { from, to, sizes, count }: MovePlan): void {
  for (let index = 0; index < count; index++) {
    let source = from[index]! - HEADER_BYTES / 4;
    let target = to[index]! - HEADER_BYTES / 4;
    const bytes = sizes[index]! + HEADER_BYTES;
    if (bytes > SHORT_COPY_BYTES) {
      u8.copyWithin(target * 4, source * 4, source * 4 + bytes);
      continue;
    }
    for (const end = source + ((bytes + 3) >>> 2); source < end; ) u32[target++] = u32[source++]!;
  }
}

export function createCopier(views: Views, choice: CopierChoice): Copier {
  let worker: Worker | undefined;
  let workerFailed = false;
  let finish: (() => void) | undefined;
  let underWay: { readonly plan: MovePlan; readonly done: () => void } | undefined;

  function start({ from, to, sizes }: MovePlan): Worker {
    const started = new Worker(workerProgram, {
      eval: true,
      // A program's own flags (loaders, inspectors) are not for this worker.
      execArgv: [],
      workerData: {
        buffer: views.buffer,
        from,
        to,
        sizes,
        headerBytes: HEADER_BYTES,
        shortBytes: SHORT_COPY_BYTES,
      },
    });
    started.on('message', () => finish?.());
    return started;
  }

  return {
    run(plan, done) {
      if (choice === 'owner' || workerFailed || (choice === 'auto' && plan.bytes < WORKER_PAYS_BYTES)) {
        copyOnOwner(views, plan);
        done();
        return;
      }
      if (worker === undefined) {
        worker = start(plan);
        worker.on('error', () => {
          workerFailed = true;
          copyOnOwner(views, plan);
          finish?.();
        });
      }
      const working = worker;
      underWay = { plan, done };
      finish = () => {
        finish = undefined;
        underWay = undefined;
        working.unref();
        done();
      };
      working.ref();
      working.postMessage(plan.count);
    },
    async close() {
      const last = worker;
      worker = undefined;
      workerFailed = true;
      // A copy that ends now would let go of the thread, and with it of the process that waits here for the thread's end.
      finish = undefined;
      await last?.terminate();
      if (underWay === undefined) return;
      // Whoever waits for these objects would wait for ever.
      const { plan, done } = underWay;
      underWay = undefined;
      copyOnOwner(views, plan);
      done();
    },
  };
}
