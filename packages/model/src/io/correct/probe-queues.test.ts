import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveScheme } from '../schemes/registry.ts';
import { generatePackets, parseQueueGenerator } from '../workloads/queues/generate.ts';
import { queueWorkloads } from '../workloads/queues/registry.ts';
import { resolveIoMachine } from './config.ts';
import { Probe } from './probe.ts';
import { createIoSimulation } from './simulate.ts';

/** Remembers since when the packet of the DMA waits. */
class ArrivalProbe extends Probe {
  arrival = Number.NaN;

  override begin(request: number, time: number): void {
    this.arrival = time;
    super.begin(request, time);
  }
}

const machines = fc.record({
  ats: fc.boolean(),
  inOrder: fc.boolean(),
  dimensions: fc.constantFrom('1', '2'),
  walkers: fc.integer({ min: 1, max: 3 }),
  queueEntries: fc.constantFrom(4, 32),
  pcieGbps: fc.constantFrom(512, 64),
});

/** Cold: the first DMAs of all; warm: the pages of the rings have been used before. */
const positions = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 60, max: 100 }));

const cases = [...queueWorkloads.names].flatMap((workload) =>
  ['line', 'poisson', 'bursts'].flatMap((arrivals) =>
    ['strict', 'persistent-pools', 'riommu', 'passthrough'].map((scheme) => [workload, arrivals, scheme] as const),
  ),
);

describe.each(cases)('the steps of a DMA of %s, arrivals %s, under %s', (workload, arrivals, scheme) => {
  it('add up to its time, from the arrival that the link allows until it reaches memory', () => {
    fc.assert(
      fc.property(machines, positions, (given, position) => {
        const machine = resolveIoMachine({ receiveBuffer: 1000, ringSlots: 512, gbps: 100, ...given });
        const probe = new ArrivalProbe(position);
        let reached = Number.NaN;
        const generator = parseQueueGenerator(`${workload},tenants=2,packets=40,queues=2,arrivals=${arrivals}`);
        const simulation = createIoSimulation({
          machine,
          ...resolveScheme(scheme),
          queues: generator.shape,
          probe,
          observer: {
            accessed(_domain, _vpn, _frame, time) {
              if (probe.request >= 0) reached = time;
            },
          },
        });
        /** One packet after the other on the link, none before its time; those sent by the host do not take it. */
        const possible: number[] = [];
        let linkFree = 0;
        for (const block of generatePackets(generator)) {
          for (let at = 0; at < block.length; at++) {
            const arrival = Math.max(block.arrivalNs[at]!, linkFree);
            possible.push(arrival);
            if (block.queue[at]! < generator.shape.receiveQueues)
              linkFree = arrival + (block.bytes[at]! * 8) / machine.gbps;
          }
          simulation.feedPackets(block);
        }
        expect(simulation.finish().packetsDropped).toBe(0);
        expect(possible.some((arrival) => Math.abs(arrival - probe.arrival) < 1e-6)).toBe(true);
        const sum = probe.steps.reduce((total, { nanoseconds }) => total + nanoseconds, 0);
        expect(sum).toBeCloseTo(reached - probe.arrival, 4);
        for (const { nanoseconds } of probe.steps) expect(nanoseconds).toBeGreaterThanOrEqual(-1e-6);
      }),
      { numRuns: 12 },
    );
  });
});
