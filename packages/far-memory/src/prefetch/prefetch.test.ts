import { describe, expect, it } from 'vitest';
import { u32 } from '../index.ts';
import { openSmall, unreliable } from '../testing/small-memory.case.ts';
import { createLink } from './link.ts';
import { createStrideDetector } from './stride.ts';
import { createPrefetchWindow } from './window.ts';

function detectorOf(window: number) {
  const fetched: number[] = [];
  const detector = createStrideDetector({
    threshold: 8,
    window: () => window,
    length: () => 1000,
    prefetch: (index) => {
      fetched.push(index);
      return true;
    },
  });
  return { detector, fetched };
}

describe('the stride detector', () => {
  it('believes a pattern after eight equal strides, and then stays one window ahead', () => {
    const { detector, fetched } = detectorOf(4);
    for (let index = 0; index <= 8; index++) detector.record(index * 3);
    expect(fetched).toEqual([]);
    detector.record(27);
    expect(fetched).toEqual([30, 33, 36, 39]);
    detector.record(30);
    expect(fetched).toEqual([30, 33, 36, 39, 42]);
  });

  it('goes backwards, ends at the ends, ignores repeats, and forgets a pattern that breaks', () => {
    const { detector, fetched } = detectorOf(100);
    for (let index = 12; index >= 3; index--) {
      detector.record(index);
      detector.record(index);
    }
    expect(fetched).toEqual([2, 1, 0]);
    detector.record(500);
    for (let index = 501; index < 508; index++) detector.record(index);
    expect(fetched).toEqual([2, 1, 0]);
  });
});

describe('the adaptive window', () => {
  const busyLink = createLink();
  // 1 ms round trips that carry 1 MB each.
  for (let time = 0; time < 100; time += 4) busyLink.observe(time, time + 1, 1e6);

  it('doubles on late fetches and halves on wasted ones', () => {
    const window = createPrefetchWindow({ choice: 'adaptive', objectBytes: 1024, link: busyLink, localBytes: 2 ** 30 });
    expect(window.objects()).toBe(4);
    window.onLate();
    window.onLate();
    expect(window.objects()).toBe(16);
    window.onWasted();
    expect(window.objects()).toBe(8);
    for (let time = 0; time < 20; time++) window.onWasted();
    expect(window.objects()).toBe(1);
  });

  it('asks for no more than the link carries in two round trips, nor for much of local memory', () => {
    const link = createLink();
    for (let time = 0; time < 100; time += 4) link.observe(time, time + 1, 4096);
    const window = createPrefetchWindow({ choice: 'adaptive', objectBytes: 1024, link, localBytes: 2 ** 30 });
    for (let time = 0; time < 20; time++) window.onLate();
    expect(window.objects()).toBeLessThanOrEqual(8);
    const small = createPrefetchWindow({ choice: 2 ** 20, objectBytes: 1024, link, localBytes: 2 ** 16 });
    expect(small.objects()).toBe(8);
  });
});

describe('a sequential reader', () => {
  it('finds most of what it reads fetched ahead, and a random one is not prefetched for', async () => {
    const far = await openSmall({ localBytes: 64 * 4096, store: unreliable({ seed: 2 }) });
    const numbers = far.vector(u32, { chunkBytes: 256 });
    await numbers.push(Uint32Array.from({ length: 64 * 2000 }, (_, index) => index));
    for (let index = 0; index < numbers.length; index += 64 * 7 + 64 * (index % 3)) await numbers.at(index);
    const random = far.stats().prefetch.issued;
    const before = far.stats();
    let sum = 0;
    for (let index = 0; index < numbers.length; index++) sum += numbers.tryAt(index) ?? (await numbers.at(index));
    expect(sum).toBe((numbers.length * (numbers.length - 1)) / 2);
    const { useful, late } = far.stats().prefetch;
    expect(random).toBeLessThan(10);
    expect(useful + late).toBeGreaterThan(1500);
    expect(far.stats().misses - before.misses).toBeLessThan(1500);
  });

  it('with an iterator has the next chunks on their way', async () => {
    const far = await openSmall({ localBytes: 64 * 4096, store: unreliable({ seed: 2 }) });
    const numbers = far.vector(u32, { chunkBytes: 256 });
    await numbers.push(Uint32Array.from({ length: 64 * 2000 }, (_, index) => index));
    let next = 0;
    for await (const chunk of numbers.chunks()) {
      let wrong = 0;
      for (let row = 0; row < chunk.length; row++) if (chunk.valueAt(row) !== next++) wrong++;
      expect(wrong).toBe(0);
    }
    expect(next).toBe(64 * 2000);
    const { useful, late, wasted } = far.stats().prefetch;
    expect(useful + late).toBeGreaterThan(1500);
    expect(wasted).toBeLessThan(100);
  });
});
