import { describe, expect, it, vi } from 'vitest';
import { applicationSpeedup, type ClaimRun, resultsOf, skewed64, uniform1, uniform64 } from './claims-workloads.ts';

// Millions of accesses each, and a machine may be busy.
vi.setConfig({ testTimeout: 300_000 });

/** Walk speedup over radix and application speedup, with two decimals. */
function gains(run: ClaimRun, design: string): string {
  return `${resultsOf(run)[design]!.speedup!.toFixed(2)} ${applicationSpeedup(run, design).toFixed(2)}`;
}

const ecpt = (run: Omit<ClaimRun, 'designs'>, options = {}) => gains({ ...run, designs: { ecpt: options } }, 'ecpt');
const victima = (run: Omit<ClaimRun, 'designs'>, options = {}) =>
  gains({ ...run, designs: { victima: options } }, 'victima');

const skewedHalf = { ...skewed64, name: '512 MiB, skewed', footprintGiB: 0.5 };
const entries32 = { entries: 32, ways: 4 };
const walkCaches32 = { level4: entries32, level3: entries32, level2: entries32 };

/** The figures that the claims of `claims-tables.ts` give as reasons: one thing changed at a time. */
describe('what the gain of elastic cuckoo page tables depends on, natively', () => {
  it('is the footprint: the longer the walk of radix, the more a single step saves', () => {
    const runs = [uniform1, uniform64].map(
      (workload): ClaimRun => ({ setup: 'native', workload, designs: { ecpt: {} } }),
    );
    expect(runs.map((run) => resultsOf(run).radix!.referencesPerWalk!.toFixed(1))).toEqual(['1.9', '2.9']);
    expect(runs.map((run) => gains(run, 'ecpt'))).toEqual(['1.10 1.02', '1.31 1.13']);
  });

  it('is whether a step waits for all ways, not the size of the walk caches of either', () => {
    const run = { setup: 'native', workload: uniform64 } as const;
    expect(ecpt(run, { waitForAll: true })).toBe('1.11 1.05');
    expect(ecpt(run, { pmdCacheEntries: 64 })).toBe('1.31 1.13');
    expect(ecpt({ ...run, machine: { pageWalkCaches: walkCaches32 } })).toBe('1.30 1.13');
  });
});

describe('what the gain of nested elastic cuckoo page tables depends on', () => {
  it('is the footprint, and whether a step waits for all ways', () => {
    const run = { setup: 'virtualized', workload: uniform64 } as const;
    expect(ecpt({ ...run, workload: uniform1 })).toBe('1.12 1.05');
    expect(ecpt(run)).toBe('1.20 1.11');
    expect(ecpt(run, { waitForAll: true })).toBe('0.96 0.98');
  });
});

describe('what caches that keep page tables add to flattening', () => {
  it.each([
    ['native', 1, '1.32 1.08', '1.59 1.13', '0.32'],
    ['virtualized', 1, '1.12 1.05', '1.14 1.05', '0.06'],
    ['virtualized', 4, '1.15 1.05', '1.19 1.06', '0.12'],
  ] as const)(
    '%s: as many reads per walk as move up to a second-level cache of %i MiB',
    (setup, mebibytes, ...rest) => {
      const [without, prioritised, moved] = rest;
      const machine = { l2: { sizeBytes: mebibytes * 2 ** 20 } };
      const run = (prioritise: string): ClaimRun => ({
        setup,
        workload: skewed64,
        machine,
        designs: { fpt: { prioritise } },
      });
      const near = (prioritise: string) => {
        const { caches, walks } = resultsOf(run(prioritise)).fpt!;
        return caches.l2.walk.hits / walks;
      };
      expect(gains(run('off'), 'fpt')).toBe(without);
      expect(gains(run('pressure'), 'fpt')).toBe(prioritised);
      expect((near('pressure') - near('off')).toFixed(2)).toBe(moved);
    },
  );
});

describe('what the gain of TLB blocks depends on, natively', () => {
  it('is the length of the walks that they save, and that pages are used again', () => {
    expect(victima({ setup: 'native', workload: skewedHalf })).toBe('1.04 1.00');
    expect(victima({ setup: 'native', workload: skewed64 })).toBe('1.23 1.06');
    expect(victima({ setup: 'native', workload: uniform64 })).toBe('0.96 0.98');
  });

  it('is that the cache spares them', () => {
    expect(victima({ setup: 'native', workload: skewed64 }, { replacement: 'unaware' })).toBe('1.06 1.02');
  });
});
