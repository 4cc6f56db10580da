import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFramePool } from './frame-pool.ts';

describe('the pool of answer buffers', () => {
  it('never has one buffer out twice, and always gives enough', () => {
    const step = fc.record({ bytes: fc.integer({ min: 1, max: 3 * 2 ** 20 }), gives: fc.boolean(), which: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const pool = createFramePool();
        const out: Buffer[] = [];
        for (const { bytes, gives, which } of steps) {
          if (gives && out.length > 0) pool.give(out.splice(which % out.length, 1)[0]!);
          const taken = pool.take(bytes);
          expect(taken.byteLength).toBeGreaterThanOrEqual(bytes);
          const overlaps = out.some(
            (other) =>
              other.buffer === taken.buffer &&
              other.byteOffset < taken.byteOffset + taken.byteLength &&
              taken.byteOffset < other.byteOffset + other.byteLength,
          );
          expect(overlaps).toBe(false);
          out.push(taken);
        }
      }),
      { numRuns: 100, seed: 3 },
    );
  });

  it('uses a buffer again, and keeps no more than it should', () => {
    const pool = createFramePool();
    const first = pool.take(9000);
    pool.give(first);
    expect(pool.take(8500)).toBe(first);
    const many = Array.from({ length: 32 }, () => pool.take(2 ** 20));
    for (const buffer of many) pool.give(buffer);
    const kept = many.filter((buffer) => many.includes(pool.take(2 ** 20)) && buffer.byteLength > 0);
    expect(kept.length).toBe(8);
  });
});
