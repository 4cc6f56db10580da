import { Worker } from 'node:worker_threads';
import { errorOf, type PointFailure } from '../sweep/failure.ts';
import type { SweepInput, SweepPoint } from './sweep.ts';

export interface PointRequest {
  readonly index: number;
  readonly design: string;
  readonly tenants: number;
  /** Values on the axes: `walkers=4`. */
  readonly settings: readonly string[];
  readonly input: SweepInput;
}

export type PointAnswer =
  | { readonly index: number; readonly point: SweepPoint }
  | { readonly index: number; readonly error: PointFailure };

export interface SweepPoolOptions {
  readonly workers: number;
  readonly signal: AbortSignal;
  readonly onDone: (done: number) => void;
}

// Workers are started from the build, also when this file runs as source under the tests: without the flags that make Node find sources.
const isSource = import.meta.url.endsWith('.ts');
const workerFile = new URL(isSource ? '../../dist/io/sweep-worker.js' : './sweep-worker.js', import.meta.url);
const workerOptions = isSource ? { execArgv: [] } : {};

/**
 * Simulates points on worker threads, those of most tenants first. The result is in the order of the requests whatever the number of
 * workers. No worker outlives the call.
 * @throws what the first failing point throws, with the point's place; the signal's reason
 */
export async function sweepOnThreads(
  requests: readonly PointRequest[],
  { workers, signal, onDone }: SweepPoolOptions,
): Promise<SweepPoint[]> {
  const points = new Map<number, SweepPoint>();
  const threads: Worker[] = [];
  const waiting = [...requests].sort((a, b) => a.tenants - b.tenants);

  function serve(worker: Worker): Promise<void> {
    return new Promise((resolve, reject) => {
      const give = () => {
        const request = waiting.pop();
        if (request === undefined) resolve();
        else worker.postMessage(request);
      };
      worker.on('message', (answer: PointAnswer) => {
        if ('error' in answer) return reject(errorOf(answer.error, placeOf(requests[answer.index]!)));
        points.set(answer.index, answer.point);
        onDone(points.size);
        give();
      });
      worker.on('error', reject);
      worker.on('exit', (code) => reject(new Error(`a worker of the sweep ended early with code ${code}`)));
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      give();
    });
  }

  signal.throwIfAborted();
  try {
    const count = Math.min(workers, requests.length);
    for (let at = 0; at < count; at++) threads.push(new Worker(workerFile, workerOptions));
    await Promise.all(threads.map(serve));
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
  return requests.map(({ index }) => points.get(index)!);
}

function placeOf({ design, tenants, settings }: PointRequest): string {
  return [`design=${design}`, `tenants=${tenants}`, ...settings].join(', ');
}
