import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolve } from '../machine/fields.ts';
import { elasticityFields } from './config.ts';
import { xeon6252 } from './costs.ts';
import { cutDemand, type Demand, demandUnder } from './demand.ts';
import { footprintOf, summaryOf } from './footprint.ts';
import { demandGenerators, generateDemand } from './generators.ts';
import { packVms } from './pack.ts';
import { techniques } from './techniques/index.ts';
import { nextSizeMib } from './techniques/policy.ts';

const config = resolve(elasticityFields);

function demandOf(usedHuge: readonly number[], given: Partial<Demand> = {}): Demand {
  return {
    name: 'test',
    seconds: Float64Array.from(usedHuge, (_, at) => at * 10),
    usedMib: Float64Array.from(usedHuge, (mib) => mib / 2),
    usedHugeMib: Float64Array.from(usedHuge),
    totalMib: 16_384,
    allocator: undefined,
    recorded: undefined,
    ...given,
  };
}

function footprint(technique: string, demand: Demand, settings = config, vfio = false) {
  return footprintOf({ demand, technique: techniques.get(technique), vfio, profile: xeon6252, config: settings });
}

const anyDemand = fc
  .array(fc.integer({ min: 100, max: 16_000 }), { minLength: 2, maxLength: 30 })
  .map((values) => demandOf(values));

describe('every technique', () => {
  it.each(techniques.names)('%s: what the guest needs is resident, and never more than the VM', (name) => {
    fc.assert(
      fc.property(anyDemand, (demand) => {
        const { resident, usedHugeMib, limitMib } = footprint(name, demand);
        resident.mib.forEach((mib, at) => {
          expect(mib).toBeLessThanOrEqual(demand.totalMib + 200);
          // A balloon of single pages takes parts of frames; a policy may be late by a step.
          if (!name.startsWith('virtio')) expect(mib).toBeGreaterThanOrEqual(usedHugeMib[at]!);
          expect(limitMib[at]).toBeLessThanOrEqual(demand.totalMib);
        });
      }),
      { numRuns: 40 },
    );
  });

  it.each(techniques.names)('%s: needs no more than static memory', (name) => {
    fc.assert(
      fc.property(anyDemand, (demand) => {
        expect(footprint(name, demand).gibMinutes).toBeLessThanOrEqual(
          footprint('static', demand).gibMinutes * 1.01 + 0.02,
        );
      }),
      { numRuns: 30 },
    );
  });
});

describe('followers against plain loops', () => {
  it('static memory under the buddy is the running maximum', () => {
    fc.assert(
      fc.property(anyDemand, (demand) => {
        const { resident, usedHugeMib } = footprint('static', demand);
        let most = 0;
        usedHugeMib.forEach((mib, at) => {
          most = Math.max(most, mib);
          expect(resident.mib[at]).toBeCloseTo(most + 0.12 * 1024, 6);
        });
      }),
    );
  });

  it('HyperAlloc holds, at each second, the largest demand since the last tick of 5 s', () => {
    fc.assert(
      fc.property(anyDemand, (demand) => {
        const { resident, usedHugeMib } = footprint('hyperalloc', demand);
        usedHugeMib.forEach((_, at) => {
          const sinceTick = usedHugeMib.slice(at - (at % 5), at + 1);
          expect(resident.mib[at]).toBeCloseTo(Math.max(...sinceTick) + 0.135 * 1024, 6);
        });
      }),
    );
  });

  it('H13: HyperAlloc gives 8 GiB back in one tick where free page reporting takes 20 s or more', () => {
    const demand = demandOf([9000, 9000, 900, 900, 900, 900, 900, 900], {
      seconds: Float64Array.of(0, 10, 10.5, 20, 30, 40, 50, 60),
      totalMib: 10_240,
    });
    const droppedAfter = (technique: string) => {
      const { seconds, mib } = footprint(technique, demand).resident;
      return seconds[mib.findIndex((value, at) => seconds[at]! > 10.5 && value < 1200)]! - 10.5;
    };
    expect(droppedAfter('hyperalloc')).toBeLessThanOrEqual(5);
    expect(droppedAfter('free-page-reporting')).toBeGreaterThan(15);
    expect(droppedAfter('free-page-reporting')).toBeLessThan(26);
  });

  it('the policy steps up by two, one or none, and down by one, within its limits', () => {
    const { policy } = config;
    const step = 1024;
    const next = (size: number, free: number) => nextSizeMib(size, free, 16 * step, policy) - size;
    expect(next(8192, (0.49 * step) / 0.9)).toBe(2 * step);
    expect(next(8192, (0.99 * step) / 0.9)).toBe(step);
    expect(next(8192, (1.5 * step) / 0.9)).toBe(0);
    expect(next(8192, (2.1 * step) / 0.9)).toBe(-step);
    expect(next(16 * step, 0)).toBe(0);
    expect(next(2 * step, 2 * step * 2)).toBe(0);
  });

  it('with a passed-through device virtio-mem holds all that is plugged', () => {
    const { resident, limitMib } = footprint('virtio-mem', demandOf([3000, 9000, 2000]), config, true);
    resident.mib.forEach((mib, at) => {
      expect(mib).toBeCloseTo(limitMib[at]! + 0.11 * 1024, 6);
    });
  });
});

describe('demand', () => {
  it('is left alone under its own allocator, and scaled there and back under another', () => {
    const recorded = demandOf([4000, 8000], { allocator: 'buddy' });
    expect(demandUnder(recorded, 'buddy').usedHugeMib).toEqual(recorded.usedHugeMib);
    const there = demandUnder(recorded, 'llfree');
    expect([...there.usedHugeMib]).toEqual([2000 + 2000 * (1.65 / 3.5), 4000 + 4000 * (1.65 / 3.5)]);
    expect(there.notes[0]).toMatch(/scaled by 0.47/);
    const back = demandUnder({ ...recorded, usedHugeMib: there.usedHugeMib, allocator: 'llfree' }, 'buddy');
    back.usedHugeMib.forEach((mib, at) => {
      expect(mib).toBeCloseTo(recorded.usedHugeMib[at]!, 6);
    });
  });

  it('estimates frames from pages where a log has only those, and says so', () => {
    const { usedHugeMib, notes } = demandUnder(
      demandOf([4000, 8000], { usedHugeMib: new Float64Array(2).fill(Number.NaN) }),
      'buddy',
    );
    expect(usedHugeMib[0]).toBeCloseTo(2000 * 1.508, 0);
    expect(notes).toHaveLength(1);
  });

  it('is cut to a window that begins at 0', () => {
    const cut = cutDemand(demandOf([1, 2, 3, 4, 5]), 10, 35, 'test');
    expect([...cut.seconds]).toEqual([0, 10, 20]);
    expect([...cut.usedHugeMib]).toEqual([2, 3, 4]);
    expect(() => cutDemand(demandOf([1, 2, 3]), 15, 25, 'test')).toThrow(/too few samples/);
  });

  it.each(demandGenerators.names)('generated as %s stays within the VM and repeats for its seed', (name) => {
    const demand = generateDemand(name, { minutes: 10, totalGib: 8, seed: 3 });
    demand.usedMib.forEach((mib, at) => {
      expect(mib).toBeGreaterThanOrEqual(0);
      expect(demand.usedHugeMib[at]).toBeGreaterThanOrEqual(mib);
      expect(demand.usedHugeMib[at]).toBeLessThanOrEqual(demand.totalMib);
    });
    expect(generateDemand(name, { minutes: 10, totalGib: 8, seed: 3 })).toEqual(demand);
  });
});

describe('packing', () => {
  const constant = (gib: number) => ({ seconds: Float64Array.of(0, 7200), mib: new Float64Array(2).fill(gib * 1024) });

  it('H17, by the published peaks: VMs that take a third of what three take fit 3, 4 and 5 times in 48 GiB', () => {
    expect([40.74, 35.98, 28.11].map((peak) => packVms({ footprints: [constant(peak / 3)], hostGib: 48 }).vms)).toEqual(
      [3, 4, 5],
    );
  });

  it('adds constant footprints up exactly, leaves the margin, and never packs more on a smaller host', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 100 }), (gib, host) => {
        const { vms, peakGib, marginGib } = packVms({ footprints: [constant(gib)], hostGib: host, draws: 2 });
        expect(vms).toBe(Math.floor(host / gib));
        expect(peakGib).toBeCloseTo(vms * gib, 6);
        expect(marginGib).toBeCloseTo(host - vms * gib, 6);
      }),
    );
  });

  it('fits VMs whose peaks are apart, and not those whose peaks may coincide', () => {
    const seconds = Float64Array.from({ length: 721 }, (_, at) => at * 10);
    const peaky = { seconds, mib: Float64Array.from(seconds, (time) => (time < 600 ? 10_240 : 1024)) };
    expect(packVms({ footprints: [peaky], hostGib: 16, jitter: 0 }).vms).toBe(7);
    expect(packVms({ footprints: [peaky], hostGib: 16, jitter: 1, percentile: 1 }).vms).toBeLessThan(7);
  });
});

it('summarises a curve by its trapezoid', () => {
  expect(summaryOf({ seconds: Float64Array.of(0, 60, 120), mib: Float64Array.of(1024, 3072, 1024) })).toEqual({
    gibMinutes: 4,
    peakGib: 3,
    meanGib: 2,
  });
});
