import { elasticityFields, footprintOf, summaryOf, techniques, xeon6252 } from '@strata/model/elasticity';
import { resolve } from '@strata/model/machine';
import { importDemand } from '@strata/traces/elasticity';
import { describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../testing/components.ts';

const config = resolve(elasticityFields);
const traces = hasReference ? await importDemand(reference('elasticity/compiling_traces.csv')) : { demands: [] };

function settingOf(mode: string) {
  const order = /-o(\d+)-d(\d+)-c(\d+)/.exec(mode);
  return order === null
    ? config
    : {
        ...config,
        reporting: { order: Number(order[1]), delaySeconds: Number(order[2]) / 1000, capacity: Number(order[3]) },
      };
}

describe.skipIf(!hasReference)(`footprints against the recorded ones${referenceReason}`, () => {
  it.each(traces.demands.map((demand) => [demand.name, demand] as const))(
    '%s: GiB x minutes are within 4 %% of the recording',
    (name, demand) => {
      const { recorded, seconds } = demand;
      const result = footprintOf({
        demand,
        technique: techniques.get(recorded!.technique!),
        vfio: recorded!.vfio,
        profile: xeon6252,
        config: settingOf(name),
      });
      const truth = summaryOf({ seconds, mib: recorded!.residentMib });
      expect(
        Math.abs(result.gibMinutes / truth.gibMinutes - 1),
        `${result.gibMinutes} for ${truth.gibMinutes}`,
      ).toBeLessThan(0.04);
      expect(Math.abs(result.peakGib - truth.peakGib)).toBeLessThan(0.7);
    },
  );

  it('replays 50 minutes in under 2 seconds per technique', () => {
    const demand = traces.demands.find(({ name }) => name === 'clang-base-manual/0')!;
    for (const technique of techniques) {
      const start = performance.now();
      footprintOf({ demand, technique, vfio: false, profile: xeon6252, config });
      expect(performance.now() - start).toBeLessThan(2000);
    }
  });
});
