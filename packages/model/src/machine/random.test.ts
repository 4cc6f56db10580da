import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from './random.ts';

describe('random', () => {
  it('gives the same numbers for the same seed and others for another', () => {
    const draw = (seed: number) => {
      const random = createRandom(seed);
      return Array.from({ length: 8 }, () => random.uint32());
    };
    expect(draw(42)).toEqual(draw(42));
    expect(draw(42)).not.toEqual(draw(43));
  });

  it('stays below any limit up to 2^53 - 1', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (seed, limit) => {
        const drawn = createRandom(seed).below(limit);
        expect(Number.isSafeInteger(drawn) && drawn >= 0 && drawn < limit).toBe(true);
      }),
    );
  });

  it('is uniform enough that a chi-square over 16 bins stays in its 99.9 % range', () => {
    const random = createRandom(7);
    const bins = new Array<number>(16).fill(0);
    for (let draw = 0; draw < 160_000; draw++) bins[random.below(16)]!++;
    const chiSquare = bins.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chiSquare).toBeLessThan(37.7);
  });
});
