import { describe, expect, it } from 'vitest';
import { HEADER_BYTES, slotBytes } from '../arena/arena.ts';
import { FarMemory, MISS } from '../index.ts';
import { nextTurn, randomOf } from '../testing/small-memory.case.ts';
import type { EvacuationPolicyName } from './policies.ts';

const SEGMENT_BYTES = 8192;
const OBJECT_BYTES = 512 - HEADER_BYTES;
const OBJECTS = 4096;
/** A quarter of the objects fits. */
const LOCAL_BYTES = (OBJECTS / 4) * slotBytes(OBJECT_BYTES);
const ACCESSES = 60_000;
const WARM_UP = 20_000;
/** Less is empty than by default, so that the order of eviction shows and not the reserve. */
const THRESHOLDS = { empty: 0.03, low: 0.06, high: 0.1 };

function zipf(skew: number, random: (below: number) => number): () => number {
  const upTo = new Float64Array(OBJECTS);
  let sum = 0;
  for (let rank = 0; rank < OBJECTS; rank++) upTo[rank] = sum += (rank + 1) ** -skew;
  return () => {
    const wanted = (random(2 ** 32) / 2 ** 32) * sum;
    let low = 0;
    let high = OBJECTS - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (upTo[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

const traces = {
  skewed() {
    const draw = zipf(0.85, randomOf(12_345));
    return Uint32Array.from({ length: ACCESSES }, draw);
  },
  'skewed with a scan in between'() {
    const draw = zipf(0.99, randomOf(7));
    let at = 0;
    return Uint32Array.from({ length: ACCESSES }, (_, step) => (step % 4 === 0 ? at++ % OBJECTS : draw()));
  },
  /** What is popular changes every 20,000 accesses. */
  moving() {
    const draw = zipf(0.85, randomOf(99));
    return Uint32Array.from(
      { length: ACCESSES },
      (_, step) => (draw() * 1597 + Math.floor(step / 20_000) * 911) % OBJECTS,
    );
  },
};

/** The oracle: misses of exact LRU with as many objects as fit the same bytes. */
function missesOfLru(trace: Uint32Array): number {
  const room = Math.floor(LOCAL_BYTES / slotBytes(OBJECT_BYTES));
  const recent = new Set<number>();
  let misses = 0;
  for (const [step, object] of trace.entries()) {
    if (recent.delete(object)) recent.add(object);
    else {
      if (step >= WARM_UP) misses++;
      if (recent.size >= room) for (const oldest of recent.keys()) if (recent.delete(oldest)) break;
      recent.add(object);
    }
  }
  return misses;
}

async function missesOf(trace: Uint32Array, policy: EvacuationPolicyName): Promise<number> {
  const options = { localBytes: LOCAL_BYTES, segmentBytes: SEGMENT_BYTES, thresholds: THRESHOLDS };
  const far = await FarMemory.open({ ...options, evacuation: { policy } });
  const handles = Array.from({ length: OBJECTS }, () => far.alloc(OBJECT_BYTES));
  for (const handle of handles) if (far.tryMut(handle) === MISS) await far.mut(handle);
  let misses = 0;
  for (const [step, object] of trace.entries()) {
    const handle = handles[object]!;
    if (far.tryGet(handle) === MISS) {
      if (step >= WARM_UP) misses++;
      await far.get(handle);
    }
    if (step % 16 === 0) await nextTurn();
  }
  await far.close();
  return misses;
}

describe('misses under the default policy', () => {
  it.each([
    ['skewed', 1],
    ['skewed with a scan in between', 1],
    // Until the survivors of before are gone: what resisting scans costs.
    ['moving', 1.06],
  ] as const)(
    'are, when accesses are %s, at most %f times those of exact LRU with the same bytes',
    async (name, most) => {
      const trace = traces[name]();
      const [twoQueue, clock2, lru] = [
        await missesOf(trace, 'two-queue'),
        await missesOf(trace, 'clock2'),
        missesOfLru(trace),
      ];
      expect(twoQueue / lru).toBeLessThanOrEqual(most);
      expect(twoQueue).toBeLessThan(clock2);
    },
  );
});
