import { parentPort } from 'node:worker_threads';
import { StrataError } from '@strata/model/machine';
import { pointStudies } from '../studies/registry.ts';
import type { PointAnswer, PointFailure, PointRequest } from './pool.ts';

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
    return { index, error: describe(error) };
  }
}

function describe(error: unknown): PointFailure {
  if (!(error instanceof StrataError)) return { message: error instanceof Error ? error.message : String(error) };
  const { message, code, exitCode, what, where, expected, found, mend } = error;
  return {
    message,
    parts: {
      code,
      what,
      exitCode,
      ...(where === undefined ? {} : { where }),
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
      ...(mend === undefined ? {} : { mend }),
    },
  };
}

parentPort?.on('message', (request: PointRequest) => {
  void answer(request).then((reply) => parentPort?.postMessage(reply));
});
