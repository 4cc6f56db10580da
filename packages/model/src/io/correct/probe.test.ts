import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { machineOfArchitecture } from '../architectures/architecture.ts';
import { ioArchitectures } from '../architectures/registry.ts';
import { protectionSchemes, resolveScheme } from '../schemes/registry.ts';
import { generateTranslations, parseIoGenerator } from '../workloads/generate.ts';
import { Probe } from './probe.ts';
import { createIoSimulation } from './simulate.ts';

const wireBytes = 1542;
const gbps = 12.336;
/** Of one packet at that rate. */
const packetNs = (wireBytes * 8) / gbps;

const machines = fc.record({
  ats: fc.boolean(),
  inOrder: fc.boolean(),
  dimensions: fc.constantFrom('1', '2'),
  levels: fc.constantFrom('3', '4', '5'),
  hostLevels: fc.constantFrom('4', '5'),
  scalable: fc.boolean(),
  walkers: fc.integer({ min: 1, max: 3 }),
  memoryNs: fc.constantFrom(50, 197),
  pcieGbps: fc.constantFrom(512, 16),
  faults: fc.constantFrom('block', 'page-request'),
  rootComplexNsPerByte: fc.constantFrom(0, 0.1),
});

describe.each([...protectionSchemes.names])('the steps of a DMA under %s', (scheme) => {
  it('add up to its time, from the arrival of its packet until it reaches memory, in every architecture', () => {
    fc.assert(
      fc.property(
        machines,
        fc.constantFrom(...ioArchitectures.names),
        fc.constantFrom('iperf3', 'websearch', 'nvme', 'mediastream'),
        fc.integer({ min: 0, max: 119 }),
        (given, architecture, workload, position) => {
          // Nothing is lost, so that packet n comes at its time.
          const more = { ...given, gbps, packetBytes: wireBytes, receiveBuffer: 1000, ringSlots: 256 };
          const machine = machineOfArchitecture(ioArchitectures.get(architecture), more);
          const probe = new Probe(position);
          let reached = Number.NaN;
          const simulation = createIoSimulation({
            machine,
            ...resolveScheme(scheme),
            probe,
            observer: {
              accessed(_domain, _vpn, _frame, time) {
                // The last one that is told while the DMA is still watched is the DMA itself.
                if (probe.request >= 0) reached = time;
              },
            },
          });
          const generator = `${workload},tenants=3,packets=14,order=rand`;
          for (const block of generateTranslations(parseIoGenerator(generator))) simulation.feed(block);
          const { packetsDropped } = simulation.finish();
          expect(packetsDropped).toBe(0);
          expect(reached).toBeGreaterThan(0);
          const arrival = Math.floor(position / 3) * packetNs;
          const sum = probe.steps.reduce((total, { nanoseconds }) => total + nanoseconds, 0);
          expect(sum).toBeCloseTo(reached - arrival, 4);
          for (const { nanoseconds, what, outcome } of probe.steps) {
            expect(nanoseconds).toBeGreaterThanOrEqual(-1e-6);
            expect(what.length * outcome.length).toBeGreaterThan(0);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
