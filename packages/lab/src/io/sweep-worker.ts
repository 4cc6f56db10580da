import { parentPort } from 'node:worker_threads';
import { failureOf } from '../sweep/failure.ts';
import { pointOf } from './sweep.ts';
import type { PointAnswer, PointRequest } from './sweep-pool.ts';

function answer({ index, design, tenants, settings, input }: PointRequest): PointAnswer {
  try {
    return { index, point: pointOf(design, tenants, input, settings) };
  } catch (error) {
    return { index, error: failureOf(error) };
  }
}

parentPort?.on('message', (request: PointRequest) => parentPort?.postMessage(answer(request)));
