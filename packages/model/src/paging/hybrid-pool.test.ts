import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createHybridPool } from './hybrid-pool.ts';
import { simulatePaging } from './simulate.ts';

interface Access {
  readonly object: number;
  readonly isWrite: boolean;
}

const accesses = fc.array(fc.record({ object: fc.nat(40), isWrite: fc.boolean() }), { maxLength: 200 });
const sizes = fc.constantFrom(256, 512, 1000, 1024, 2048, 3000, 5000);

/** The rules word for word, on a list that is searched and summed anew each time. */
function obvious(trace: readonly Access[], objectBytes: number, capacity: number) {
  type Entry = { kind: 'page' | 'object'; name: number; page: number; bytes: number; dirty: boolean; used: number[] };
  let list: Entry[] = [];
  let objectsAlone: number[] = [];
  const counts = { misses: 0, bytesIn: 0, bytesOut: 0, writeBacks: 0 };
  for (const { object, isWrite } of trace) {
    const page = Math.floor((object * objectBytes) / 4096);
    const local =
      list.find((one) => one.name === object && one.kind === 'object') ??
      list.find((one) => one.kind === 'page' && one.page === page && objectBytes <= 2048);
    if (local !== undefined) {
      list = [local, ...list.filter((one) => one !== local)];
      local.dirty ||= isWrite;
      local.used = [...new Set([...local.used, object])];
      continue;
    }
    const neighbours = list.filter((one) => one.kind === 'object' && one.page === page);
    const dense = (neighbours.length + 1) * objectBytes >= 0.8 * 4096;
    const asPage = objectBytes <= 2048 && (!objectsAlone.includes(page) || dense);
    let entry: Entry = { kind: 'object', name: object, page, bytes: objectBytes, dirty: isWrite, used: [object] };
    if (asPage) {
      objectsAlone = objectsAlone.filter((one) => one !== page);
      list = list.filter((one) => !neighbours.includes(one));
      const used = [...neighbours.map(({ name }) => name), object];
      entry = { ...entry, kind: 'page', bytes: 4096, used, dirty: isWrite || neighbours.some(({ dirty }) => dirty) };
    }
    counts.misses++;
    counts.bytesIn += entry.bytes;
    while (list.reduce((sum, { bytes }) => sum + bytes, entry.bytes) > capacity) {
      const oldest = list.pop()!;
      if (oldest.dirty) counts.writeBacks++;
      if (oldest.dirty) counts.bytesOut += oldest.bytes;
      if (oldest.kind === 'page' && oldest.used.length * objectBytes < 0.8 * 4096) objectsAlone.push(oldest.page);
    }
    list.unshift(entry);
  }
  return counts;
}

function run(trace: readonly Access[], objectBytes: number, capacity: number) {
  const pool = createHybridPool(capacity);
  for (const { object, isWrite } of trace)
    pool.touch(object, objectBytes, Math.floor((object * objectBytes) / 4096), isWrite);
  const { misses, bytesIn, bytesOut, writeBacks } = pool;
  return { misses, bytesIn, bytesOut, writeBacks };
}

describe('hybrid granularity', () => {
  test('is what its rules say, word for word', () => {
    fc.assert(
      fc.property(accesses, sizes, fc.integer({ min: 5000, max: 30_000 }), (trace, objectBytes, capacity) => {
        expect(run(trace, objectBytes, capacity)).toEqual(obvious(trace, objectBytes, capacity));
      }),
      { numRuns: 500 },
    );
  });

  test('reads a sequence as cheaply as pages do (E11) and random small objects nearly as objects (E9)', () => {
    const base = { objects: 65_536, objectBytes: 64, localBytes: 2 ** 20, accesses: 1e6, writes: false, seed: 12_345 };
    const config = { ...base, granularity: 'hybrid' as const };
    const sequence = simulatePaging({ ...config, pattern: { kind: 'sequential' } });
    expect(sequence).toMatchObject({ fetches: 15_625, bytesIn: 64_000_000 });
    const random = simulatePaging({ ...config, pattern: { kind: 'uniform' } });
    expect(random.bytesIn).toBeLessThan(1.15 * 48_152_256);
  });
});
