import { parentPort } from 'node:worker_threads';
import { pointStudies } from '../studies/registry.ts';
import { failureOf } from './failure.ts';
import type { PointAnswer, PointRequest } from './pool.ts';

const silent = { update: () => {}, note: () => {}, end: () => {} };

async function answer({ study, index, configuration }: PointRequest): Promise<PointAnswer> {
  try {
    const chosen = pointStudies.get(study);
    const outcome = await chosen.execute(chosen.resolve(configuration), {
      signal: new AbortController().signal,
      progress: silent,
      workers: 1,
      note: () => {},
    });
    return { index, outcome };
  } catch (error) {
    return { index, error: failureOf(error) };
  }
}

parentPort?.on('message', (request: PointRequest) => {
  void answer(request).then((reply) => parentPort?.postMessage(reply));
});
