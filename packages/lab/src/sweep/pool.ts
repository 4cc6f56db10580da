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

/** Where a worker stands with its point: units of the study (accesses) done, and the share of the whole, 0 to 1. */
export interface PointProgress {
  readonly index: number;
  readonly units: number;
  readonly share: number;
}

/** What it answers. Errors travel as their parts. */
export type PointAnswer =
  | { readonly index: number; readonly outcome: Outcome }
  | { readonly index: number; readonly error: PointFailure };

/** Where all workers together stand. */
export interface PoolProgress {
  /** Points that are done. */
  readonly done: number;
  /** Units of the study in all points, as far as they went. */
  readonly units: number;
  /** Share of the whole, 0 to 1, points counting alike. */
  readonly share: number;
}

export interface PoolOptions {
  readonly workers: number;
  readonly signal: AbortSignal;
  /** Called some times a second for every worker. */
  readonly onProgress?: (progress: PoolProgress) => void;
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
  { workers, signal, onProgress }: PoolOptions,
): Promise<(Outcome | undefined)[]> {
  const outcomes: (Outcome | undefined)[] = points.map(() => undefined);
  const threads: Worker[] = [];
  const units = new Float64Array(points.length);
  const shares = new Float64Array(points.length);
  let next = 0;
  let done = 0;

  function tell(): void {
    onProgress?.({ done, units: sum(units), share: sum(shares) / points.length });
  }

  function serve(worker: Worker): Promise<void> {
    return new Promise((resolve, reject) => {
      const give = () => {
        const point = points[next++];
        if (point === undefined || signal.aborted) resolve();
        else
          worker.postMessage({ study, index: point.index, configuration: point.configuration } satisfies PointRequest);
      };
      worker.on('message', (answer: PointAnswer | PointProgress) => {
        if ('error' in answer) return reject(errorOf(answer.error, placeOf(points[answer.index]!)));
        if ('units' in answer) {
          // A study of several steps counts each from 0.
          units[answer.index] = Math.max(units[answer.index]!, answer.units);
          shares[answer.index] = Math.max(shares[answer.index]!, answer.share);
          return tell();
        }
        outcomes[answer.index] = answer.outcome;
        shares[answer.index] = 1;
        done++;
        tell();
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

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function placeOf(point: Point): string {
  return Object.entries(point.coordinates)
    .map(([path, value]) => `${path}=${String(value)}`)
    .join(', ');
}
