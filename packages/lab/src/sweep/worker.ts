import { parentPort } from 'node:worker_threads';
import { pointStudies } from '../studies/registry.ts';
import { Interrupted } from '../terminal/interrupt.ts';
import { failureOf } from './failure.ts';
import type { PointAnswer, PointRequest, Stop } from './pool.ts';

const silent = { update: () => {}, note: () => {}, end: () => {} };

const stopped = new AbortController();

async function answer({ study, index, configuration }: PointRequest): Promise<PointAnswer> {
  try {
    const chosen = pointStudies.get(study);
    await chosen.prepare?.(configuration);
    const outcome = await chosen.execute(chosen.resolve(configuration), {
      signal: stopped.signal,
      progress: silent,
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
