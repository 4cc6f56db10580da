import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AccessKind } from '../machine/accesses.ts';
import { createAddressSpaces } from '../machine/operating-system/index.ts';
import { createRandom } from '../machine/random.ts';
import { resolveTranslationConfig } from './config.ts';
import { createSampledSimulation, type SamplePlan } from './sampling.ts';
import { createSimulation, type Simulation } from './simulate.ts';
import { blockOf, randomTrace, split, type TestAccess } from './traces.case.ts';

const config = resolveTranslationConfig({ setup: 'virtualized', designs: ['radix', 'shadow'], engine: 'interpreted' });

function fresh(): Simulation {
  return createSimulation(config, createAddressSpaces([{}, {}], createRandom(1)).spaces);
}

function sampled(plan: SamplePlan, trace: readonly TestAccess[], cuts: readonly number[] = []) {
  const simulation = createSampledSimulation(plan, fresh());
  for (const block of split(trace, cuts)) simulation.feed(block);
  return { result: simulation.finish(), statistics: simulation.statistics() };
}

/** By their place in the period, one access after the other; events belong to what they precede. */
function phases({ warmup, length, period }: SamplePlan, trace: readonly TestAccess[]) {
  const parts: { counted: boolean; accesses: TestAccess[] }[] = [];
  let at = 0;
  let leftOut = 0;
  for (const access of trace) {
    const place = at % period;
    if (access.kind === undefined || access.kind <= AccessKind.prefetch) at++;
    if (place >= warmup + length) {
      leftOut++;
      continue;
    }
    const counted = place >= warmup;
    if (parts.at(-1)?.counted !== counted || (counted && place === warmup)) parts.push({ counted, accesses: [] });
    parts.at(-1)!.accesses.push(access);
  }
  return { parts, leftOut };
}

const plain = (seed: number, length: number) =>
  randomTrace(seed, length).map((access) => ({ ...access, kind: AccessKind.load }));

describe('systematic sampling', () => {
  it('that leaves nothing out gives the result of the whole trace', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: 40, max: 400 }), fc.array(fc.nat(1500)), (seed, period, cuts) => {
        const trace = randomTrace(seed, 1500);
        const whole = fresh();
        whole.feed(blockOf(trace));
        expect(sampled({ length: period, period, warmup: 0 }, trace, cuts).result).toEqual(whole.finish());
      }),
      { numRuns: 8 },
    );
  });

  it('counts what a simulation of warm-ups and samples alone counts during the samples', () => {
    const plans = fc
      .tuple(fc.nat(50), fc.integer({ min: 20, max: 80 }), fc.nat(200))
      .map(([warmup, length, rest]) => ({ warmup, length, period: warmup + length + rest }));
    fc.assert(
      fc.property(fc.nat(1000), plans, fc.array(fc.nat(1500)), (seed, plan, cuts) => {
        const trace = plain(seed, 1500);
        const { parts, leftOut } = phases(plan, trace);
        const oracle = fresh();
        const sums = { references: 0, walks: 0, cycles: 0, l1d: 0 };
        const of = () => {
          const { trace: counts, walks, designs, tlb } = oracle.finish();
          return [counts.references, walks, designs.shadow!.walkCycles, tlb.l1d.hits] as const;
        };
        for (const { counted, accesses } of parts) {
          const before = of();
          oracle.feed(blockOf(accesses));
          if (!counted) continue;
          const after = of();
          sums.references += after[0] - before[0];
          sums.walks += after[1] - before[1];
          sums.cycles += after[2] - before[2];
          sums.l1d += after[3] - before[3];
        }
        const { result, statistics } = sampled(plan, trace, cuts);
        expect({
          references: result.trace.references,
          walks: result.walks,
          cycles: result.designs.shadow!.walkCycles,
          l1d: result.tlb.l1d.hits,
        }).toEqual(sums);
        expect(statistics.leftOut).toBe(leftOut);
        const warm = parts.filter(({ counted }) => !counted).reduce((sum, { accesses }) => sum + accesses.length, 0);
        expect(result.trace.warmupReferences).toBe(warm);
      }),
      { numRuns: 10 },
    );
  });

  it('gives the moments of its complete samples', () => {
    const trace = plain(7, 1050);
    const means: number[] = [];
    const oracle = fresh();
    for (let at = 0; at < 1000; at += 100) {
      oracle.restartCounts();
      oracle.feed(blockOf(trace.slice(at, at + 100)));
      means.push(oracle.finish().designs.radix!.cyclesPerWalk!);
    }
    const { statistics } = sampled({ length: 100, period: 100, warmup: 0 }, trace);
    const mean = means.reduce((sum, one) => sum + one, 0) / means.length;
    const moments = statistics.designs.radix!.cyclesPerWalk!;
    expect(statistics.complete).toBe(10);
    expect(moments).toMatchObject({ count: 10, min: Math.min(...means), max: Math.max(...means) });
    expect(moments.mean).toBeCloseTo(mean, 9);
    expect(moments.variance).toBeCloseTo(means.reduce((sum, one) => sum + (one - mean) ** 2, 0) / 9, 6);
  });

  it('of a trace that ends in the first warm-up counts nothing', () => {
    const { result, statistics } = sampled({ warmup: 100, length: 10, period: 1000 }, plain(1, 60));
    expect(result).toMatchObject({ walks: 0, trace: { references: 0, warmupReferences: 60 } });
    expect(statistics).toMatchObject({ complete: 0, leftOut: 0, walksPerThousandAccesses: undefined });
  });

  it('is refused when warm-up and sample do not fit the period, or nothing is counted', () => {
    for (const plan of [
      { length: 10, period: 19, warmup: 10 },
      { length: 0, period: 10, warmup: 0 },
    ])
      expect(() => createSampledSimulation(plan, fresh())).toThrow(/do not fit their period/);
  });
});
