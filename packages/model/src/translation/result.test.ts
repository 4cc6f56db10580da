import { describe, expect, it } from 'vitest';
import { hitCounts, latencyDistribution, ratio } from './result.ts';
import { type DesignFigures, withBaseline } from './speedup.ts';

const figures: DesignFigures = {
  options: {},
  walks: 10,
  walkCycles: 1000,
  cyclesPerWalk: 100,
  references: 20,
  probes: 0,
  referencesPerWalk: 2,
  coverage: 1,
  tableBytes: 4096,
  maintenanceCycles: 0,
  bytesMigrated: 0,
  allocationFailures: 0,
  walkLatency: null,
  steps: [],
  walkCaches: { L2: hitCounts(3, 1) },
  caches: {
    l1i: { data: hitCounts(0, 0), walk: hitCounts(0, 0) },
    l1d: { data: hitCounts(0, 0), walk: hitCounts(0, 0) },
    l2: { data: hitCounts(0, 0), walk: hitCounts(0, 0) },
    llc: { data: hitCounts(0, 0), walk: hitCounts(0, 0) },
  },
  counters: {},
};

describe('derived figures', () => {
  it('are null where there is nothing to divide by, never NaN', () => {
    expect(ratio(0, 0)).toBeNull();
    expect(hitCounts(0, 0).hitRate).toBeNull();
    expect(hitCounts(3, 1).hitRate).toBe(0.75);
    expect(latencyDistribution([])).toBeNull();
  });

  it('describe a latency distribution by nearest-rank quantiles', () => {
    const distribution = latencyDistribution([
      [200, 9],
      [4, 90],
      [5000, 1],
    ]);
    expect(distribution).toMatchObject({ min: 4, p50: 4, p90: 4, p99: 200, max: 5000 });
    expect(distribution?.mean).toBeCloseTo((4 * 90 + 200 * 9 + 5000) / 100, 12);
    expect(distribution?.distribution.map(({ cycles }) => cycles)).toEqual([4, 200, 5000]);
  });

  it('put the quality of the baseline beside every speedup, and charge maintenance apart', () => {
    const faster = { ...figures, walkCycles: 500, maintenanceCycles: 1500 };
    const { radix, other } = withBaseline(
      [
        ['radix', figures],
        ['other', faster],
      ],
      'radix',
    );
    expect(radix).toMatchObject({ speedup: 1, speedupWithMaintenance: 1 });
    expect(other).toMatchObject({ speedup: 2, speedupWithMaintenance: 0.5 });
    expect(other?.baseline).toEqual({
      design: 'radix',
      cyclesPerWalk: 100,
      referencesPerWalk: 2,
      walkCacheHitRates: { L2: 0.75 },
    });
  });
});
