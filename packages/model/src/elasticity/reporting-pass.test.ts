import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reportPasses } from './techniques/reporting-pass.ts';

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe('passes of free page reporting', () => {
  it('H13: a guest of 10 GiB that frees 8 GiB reports 1.00 GiB per pass at first, then 0.625, and is done after 11', () => {
    const passes = reportPasses([
      { freeBlocks: 746, pendingBlocks: 356 },
      { freeBlocks: 1750, pendingBlocks: 1682 },
    ]);
    expect(passes.slice(0, 3)).toEqual([1, 1, 1]);
    expect(passes.slice(4, 10)).toEqual([0.625, 0.625, 0.625, 0.625, 0.625, 0.625]);
    expect(passes).toHaveLength(11);
  });

  it('predicts the steps of a Linux 6.1 guest of 4 GiB within 0.02 GiB', () => {
    const measured = [0.607, 0.621, 0.625, 0.465, 0.117];
    const passes = reportPasses([
      { freeBlocks: 744, pendingBlocks: 411 },
      { freeBlocks: 215, pendingBlocks: 212 },
    ]);
    expect(passes).toHaveLength(measured.length);
    passes.forEach((gib, pass) => {
      expect(Math.abs(gib - measured[pass]!), `pass ${pass + 1}`).toBeLessThan(0.02);
    });
  });

  it('predicts the steps of another guest, of one zone and 2 GiB, that freed 886 MiB', () => {
    const measuredKib = [1_153_848 - 901_944, 901_944 - 639_800, 639_800 - 377_656, 377_656 - 246_584];
    const passes = reportPasses([{ freeBlocks: 450, pendingBlocks: Math.round(sum(measuredKib) / 4096) }]);
    expect(passes).toHaveLength(4);
    passes.forEach((gib, pass) => {
      expect(Math.abs(gib - measuredKib[pass]! / 2 ** 20)).toBeLessThan(0.02);
    });
  });

  it('reports everything exactly once, at most a sixteenth and one batch of a zone at a time', () => {
    const zone = fc
      .record({ freeBlocks: fc.integer({ min: 1, max: 5000 }), share: fc.double({ min: 0, max: 1, noNaN: true }) })
      .map(({ freeBlocks, share }) => ({ freeBlocks, pendingBlocks: Math.floor(freeBlocks * share) }));
    fc.assert(
      fc.property(fc.array(zone, { minLength: 1, maxLength: 3 }), fc.constantFrom(1, 32, 512), (zones, capacity) => {
        const passes = reportPasses(zones, capacity);
        expect(sum(passes)).toBeCloseTo(sum(zones.map(({ pendingBlocks }) => pendingBlocks)) / 256, 6);
        expect(passes.length).toBeLessThanOrEqual(17);
      }),
    );
  });
});
