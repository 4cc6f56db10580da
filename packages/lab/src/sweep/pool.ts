import { Worker } from 'node:worker_threads';
import type { Outcome } from '../studies/study.ts';
import { errorOf, type PointFailure } from './failure.ts';
import type { Point } from './points.ts';

/** What a worker is asked: one point. */
export interface PointRequest {
  readonly study: string;
  readonly index: number;
  readonly configuration: Readonly<Record<string, unknown>>;
}

/** Tells a worker to finish its block and to answer with what is complete, marked so. */
export type Stop = 'stop';

/** What it answers. Errors travel as their parts. */
export type PointAnswer =
  | { readonly index: number; readonly outcome: Outcome }
  | { readonly index: number; readonly error: PointFailure };

export interface PoolOptions {
  readonly workers: number;
  readonly signal: AbortSignal;
  readonly onDone?: (done: number) => void;
}

// Workers are started from the build, also when this file runs as source under the tests: without the flags that make Node find sources.
const isSource = import.meta.url.endsWith('.ts');
const workerFile = new URL(isSource ? '../../dist/sweep/worker.js' : './worker.js', import.meta.url);
const workerOptions = isSource ? { execArgv: [] } : {};

/**
 * Simulates points on worker threads. The result is in the order of the points whatever the number of workers; at an interrupt it
 * holds those that were complete, and those under way as far as they went, marked so. No worker outlives the call.
 */
export async function simulatePoints(
  study: string,
  points: readonly Point[],
  { workers, signal, onDone }: PoolOptions,
): Promise<(Outcome | undefined)[]> {
  const outcomes: (Outcome | undefined)[] = points.map(() => undefined);
  const threads: Worker[] = [];
  let next = 0;
  let done = 0;

  function serve(worker: Worker): Promise<void> {
    return new Promise((resolve, reject) => {
      const give = () => {
        const point = points[next++];
        if (point === undefined || signal.aborted) resolve();
        else
          worker.postMessage({ study, index: point.index, configuration: point.configuration } satisfies PointRequest);
      };
      worker.on('message', (answer: PointAnswer) => {
        if ('error' in answer) return reject(errorOf(answer.error, placeOf(points[answer.index]!)));
        outcomes[answer.index] = answer.outcome;
        onDone?.(++done);
        give();
      });
      worker.on('error', reject);
      worker.on('exit', () => resolve());
      signal.addEventListener('abort', () => worker.postMessage('stop' satisfies Stop), { once: true });
      give();
    });
  }

  try {
    const count = Math.max(1, Math.min(workers, points.length));
    for (let at = 0; at < count; at++) threads.push(new Worker(workerFile, workerOptions));
    await Promise.all(threads.map(serve));
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
  return outcomes;
}

function placeOf(point: Point): string {
  return Object.entries(point.coordinates)
    .map(([path, value]) => `${path}=${String(value)}`)
    .join(', ');
}
