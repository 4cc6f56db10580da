import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolve } from '../../machine/fields.ts';
import { createTranslationBlock, type TranslationBlock } from '../compat/records.ts';
import { protectionSchemes } from '../schemes/registry.ts';
import { generateTranslations, parseIoGenerator } from '../workloads/generate.ts';
import { ioMachineSpec } from './config.ts';
import { createIoSimulation, type IoStep } from './simulate.ts';

function run(workload: string, scheme = 'persistent-pools', machine: Record<string, unknown> = {}) {
  const simulation = createIoSimulation(resolve(ioMachineSpec, machine), protectionSchemes.get(scheme));
  for (const block of generateTranslations(parseIoGenerator(workload))) simulation.feed(block);
  return simulation.finish();
}

function slice(block: TranslationBlock, from: number, to: number): TranslationBlock {
  const part = createTranslationBlock(to - from);
  part.length = to - from;
  for (const column of ['sid', 'did', 'iovaLo', 'iovaHi', 'maskLo', 'maskHi', 'level', 'nextAccess'] as const)
    part[column].set(block[column].subarray(from, to));
  return part;
}

describe('the machine behind the link', () => {
  it.each([
    ['1', 4],
    ['2', 24],
  ])('a cold walk of %s dimension(s) makes %i reads, and two of the context', (dimensions, reads) => {
    const steps: IoStep[] = [];
    const simulation = createIoSimulation(
      resolve(ioMachineSpec, { dimensions }),
      protectionSchemes.get('persistent-pools'),
      { translation: 0, steps },
    );
    const [block] = [...generateTranslations(parseIoGenerator('nvme,tenants=1,packets=1'))];
    simulation.feed(slice(block!, 0, 1));
    expect(simulation.finish().memoryReads).toBe(reads + 2);
    // The steps add up to 900 ns of PCI Express, both look-ups, and 50 ns per read.
    expect(steps.reduce((sum, { nanoseconds }) => sum + nanoseconds, 0)).toBe(907 + 50 * (reads + 2));
  });

  it('without protection the link is full and nothing is lost', () => {
    const { utilization, packetsDropped, translations } = run('iperf3,tenants=64,packets=20', 'passthrough');
    expect(utilization).toBeCloseTo(1, 9);
    expect({ packetsDropped, translations }).toEqual({ packetsDropped: 0, translations: 64 * 20 * 3 });
  });

  it('delivers or loses every packet, fairly when all are alike', () => {
    const { packetsDelivered, packetsDropped, tenants, fairness } = run('iperf3,tenants=64,packets=50');
    expect(packetsDelivered + packetsDropped).toBe(64 * 50);
    expect(packetsDropped).toBeGreaterThan(0);
    expect(tenants.reduce((sum, { lost }) => sum + lost, 0)).toBe(packetsDropped);
    expect(fairness).toBeGreaterThan(0.5);
    expect(fairness).toBeLessThanOrEqual(1);
  });

  it('no protection scheme beats no protection', () => {
    const generator = fc.record({
      workload: fc.constantFrom('iperf3', 'websearch', 'nvme', 'mediastream'),
      scheme: fc.constantFrom(...protectionSchemes.names),
      tenants: fc.integer({ min: 1, max: 40 }),
      queueEntries: fc.integer({ min: 1, max: 64 }),
    });
    fc.assert(
      fc.property(generator, ({ workload, scheme, tenants, queueEntries }) => {
        const rate = (name: string) => run(`${workload},tenants=${tenants},packets=20`, name, { queueEntries }).mbps;
        expect(rate(scheme)).toBeLessThanOrEqual(rate('passthrough') * (1 + 1e-9));
      }),
      { numRuns: 30 },
    );
  });

  it('deferred invalidation opens a window, strict one at most the queue', () => {
    const workload = 'iperf3,tenants=2,packets=2000';
    const machine = { queueEntries: 48, gbps: 10 };
    const deferred = run(workload, 'deferred', machine);
    const strict = run(workload, 'strict', machine);
    expect(strict.vulnerabilityWindowNs.mean).toBeCloseTo(500, 6);
    expect(deferred.vulnerabilityWindowNs.mean).toBeGreaterThan(100 * strict.vulnerabilityWindowNs.mean);
    expect(deferred.invalidations).toBeLessThan(strict.invalidations / 100);
  });

  it('huge pages walk less than the same addresses in 4 KiB pages', () => {
    const workload = 'iperf3,tenants=16,packets=200,pages=4k';
    expect(run(workload, 'huge-pages').readsPerTranslation).toBeLessThan(run(workload).readsPerTranslation);
  });

  it('gives the same result however the trace is split', () => {
    const blocks = [...generateTranslations(parseIoGenerator('websearch,tenants=8,packets=40,order=rand'))];
    const whole = run('websearch,tenants=8,packets=40,order=rand', 'strict');
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), (length) => {
        const simulation = createIoSimulation(resolve(ioMachineSpec, {}), protectionSchemes.get('strict'));
        for (const block of blocks)
          for (let at = 0; at < block.length; at += length)
            simulation.feed(slice(block, at, Math.min(block.length, at + length)));
        expect(simulation.finish()).toEqual(whole);
      }),
      { numRuns: 10 },
    );
  });
});
