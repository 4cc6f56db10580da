import { afterEach } from 'vitest';
import { FarMemory, type FarMemoryOptions, MISS } from '../index.ts';
import { createLocalStore, createUnreliableStore, type UnreliableStoreOptions } from '../local-store/index.ts';

const opened: FarMemory[] = [];

/** Local memory of 16 pages of 4 KiB with poison and checks: nothing stays where it is for long. Closed after the test. */
export async function openSmall(options: Partial<FarMemoryOptions> = {}): Promise<FarMemory> {
  const far = await FarMemory.open({ localBytes: 16 * 4096, segmentBytes: 4096, debug: true, ...options });
  opened.push(far);
  return far;
}

export function unreliable(options: UnreliableStoreOptions) {
  return createUnreliableStore(createLocalStore(), options);
}

afterEach(async () => {
  for (const far of opened.splice(0)) await far.close();
});

/** xorshift32: the tests' own, so that a failure names a seed. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const CHURN_OBJECTS = 120;
const CHURN_BYTES = 1000;

/** Something else that fills local memory: after a call nothing that was there before is left, or it has moved. */
export function churnOf(far: FarMemory): () => Promise<void> {
  const handles = Array.from({ length: CHURN_OBJECTS }, () => far.alloc(CHURN_BYTES));
  return async () => {
    for (const handle of handles) if (far.tryMut(handle) === MISS) await far.mut(handle);
    await new Promise<void>((resolve) => setImmediate(resolve));
  };
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
