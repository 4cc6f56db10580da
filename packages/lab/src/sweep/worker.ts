import { parentPort } from 'node:worker_threads';
import { pointStudies } from '../studies/registry.ts';
import { Interrupted } from '../terminal/interrupt.ts';
import type { Progress } from '../terminal/progress.ts';
import { failureOf } from './failure.ts';
import type { PointAnswer, PointProgress, PointRequest, Stop } from './pool.ts';

const tellMilliseconds = 250;

/** Tells the pool, now and then, where the point stands. */
function progressOf(index: number): Progress {
  let last = performance.now();
  return {
    update({ done, total, share = total ? done / total : 0, label }) {
      const now = performance.now();
      // What has a label of its own (skipping) is not yet the work.
      if (label !== undefined || now - last < tellMilliseconds) return;
      last = now;
      parentPort?.postMessage({ index, units: done, share: Math.min(1, share) } satisfies PointProgress);
    },
    note: () => {},
    end: () => {},
  };
}

const stopped = new AbortController();

async function answer({ study, index, configuration }: PointRequest): Promise<PointAnswer> {
  try {
    const chosen = pointStudies.get(study);
    await chosen.prepare?.(configuration);
    const outcome = await chosen.execute(chosen.resolve(configuration), {
      signal: stopped.signal,
      progress: progressOf(index),
      workers: 1,
      note: () => {},
    });
    return { index, outcome };
  } catch (error) {
    return { index, error: failureOf(error) };
  }
}

parentPort?.on('message', (request: PointRequest | Stop) => {
  if (request === 'stop') stopped.abort(new Interrupted());
  else void answer(request).then((reply) => parentPort?.postMessage(reply));
});
