import { describe, expect, it } from 'vitest';
import { createCompatSimulation } from '../compat/simulate.ts';
import { ioConfigurationSchema, resolveIoConfiguration } from '../configuration.ts';
import { createIoSimulation } from '../correct/simulate.ts';
import { UtilityCache } from '../correct/utility-cache.ts';
import { resolveScheme } from '../schemes/registry.ts';
import { generateTranslations, parseIoGenerator } from '../workloads/generate.ts';
import { isOfOriginal, machineOfArchitecture } from './architecture.ts';
import { ioArchitectures } from './registry.ts';

function run(name: string, workload: string, scheme = 'persistent-pools') {
  const machine = machineOfArchitecture(ioArchitectures.get(name), { arrival: 'backlog' });
  const simulation = createIoSimulation({ machine, ...resolveScheme(scheme) });
  for (const block of generateTranslations(parseIoGenerator(workload))) simulation.feed(block);
  return { result: simulation.finish() };
}

describe.each([...ioArchitectures.names])('architecture %s', (name) => {
  it('carries every packet under pools and under strict protection, and says the same again', () => {
    for (const scheme of ['persistent-pools', 'strict']) {
      const { result } = run(name, 'websearch,tenants=12,packets=60,order=rand', scheme);
      expect(result).toMatchObject({ packetsDelivered: 720, packetsDropped: 0, refusedAccesses: 0 });
      expect(result.vulnerabilityWindowNs.exposedPages).toBe(0);
      expect(run(name, 'websearch,tenants=12,packets=60,order=rand', scheme).result).toEqual(result);
    }
  });

  it('is in the schema of configurations, whose machine fields win over its own, group by group', () => {
    const { properties } = ioConfigurationSchema() as { properties: { architecture: { enum: string[] } } };
    expect(properties.architecture.enum).toContain(name);
    const own = machineOfArchitecture(ioArchitectures.get(name));
    const resolved = resolveIoConfiguration({
      architecture: name,
      machine: { walkers: 3, iotlb: { entries: 2 * own.iotlb.entries } },
    });
    expect(resolved.machine).toEqual({ ...own, walkers: 3, iotlb: { ...own.iotlb, entries: 2 * own.iotlb.entries } });
  });

  it.runIf(isOfOriginal(ioArchitectures.get(name)))("runs in the original's model", () => {
    const { configuration, queueEntries } = ioArchitectures.get(name);
    const switches = { linkGbps: 200, replacement: 'lru', inOrder: false, selective: false } as const;
    const simulation = createCompatSimulation({ ...configuration, queueEntries, ...switches });
    for (const block of generateTranslations(parseIoGenerator('iperf3,tenants=4,packets=20'))) simulation.feed(block);
    expect(simulation.finish().translations).toBe(240);
  });
});

describe('architectures against one another', () => {
  it('with many tenants more pending translations carry more', () => {
    const rate = (name: string) => run(name, 'iperf3,tenants=256,packets=20').result.utilization;
    expect(rate('ptb32')).toBeGreaterThan(5 * rate('base'));
    expect(rate('ptb48')).toBeGreaterThan(rate('ptb32'));
    expect(rate('hypertrio')).toBeGreaterThan(rate('ptb32'));
  });

  it('utility gives the ways to the partition that has use for them', () => {
    const cache = new UtilityCache({ entries: 32, ways: 8, partitions: 2 }, 512, false);
    let hits = 0;
    for (let round = 0; round < 4000; round++) {
      // Domain 0 goes round six pages per set, domain 1 streams through pages that it never sees again.
      const page = round % 24;
      if (cache.lookup(0, page, 1) >= 0) {
        if (round >= 2000) hits++;
      } else cache.fill(0, page, 1, 1);
      const stream = 1000 + round;
      if (cache.lookup(1, stream, 1) < 0) cache.fill(1, stream, 1, 1);
    }
    expect(cache.quotas[0]).toBeGreaterThanOrEqual(6);
    expect(cache.quotas[0]! + cache.quotas[1]!).toBe(8);
    expect(hits).toBe(2000);
  });
});
