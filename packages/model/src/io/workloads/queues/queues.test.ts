import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolveIoMachine } from '../../correct/config.ts';
import { createIoSimulation } from '../../correct/simulate.ts';
import { protectionSchemes, resolveScheme } from '../../schemes/registry.ts';
import { generatePackets, parseQueueGenerator } from './generate.ts';
import { queueWorkloads } from './registry.ts';

function run(generator: string, scheme: string, machine: Record<string, unknown> = {}) {
  const parsed = parseQueueGenerator(generator);
  const bad: string[] = [];
  const simulation = createIoSimulation({
    machine: resolveIoMachine({ queueEntries: 32, ...machine }),
    ...resolveScheme(scheme),
    queues: parsed.shape,
    observer: {
      accessed(domain, vpn, frame) {
        const { translation } = protectionSchemes.get(scheme);
        if (translation !== 'none' && (frame < 0 || simulation.frameOf(domain, vpn) !== frame))
          bad.push(`${domain}/${vpn}`);
      },
    },
  });
  let packets = 0;
  let bytes = 0;
  for (const block of generatePackets(parsed)) {
    packets += block.length;
    for (let at = 0; at < block.length; at++) bytes += block.bytes[at]!;
    simulation.feedPackets(block);
  }
  return { result: simulation.finish(), bad, packets, bytes };
}

describe.each([...queueWorkloads.names])('workload of queues %s', (name) => {
  it('gets every packet through or loses it, under every scheme, to the frames that the tables say', () => {
    const generators = fc.record({
      scheme: fc.constantFrom(...protectionSchemes.names),
      tenants: fc.integer({ min: 1, max: 3 }),
      queues: fc.integer({ min: 1, max: 3 }),
      arrivals: fc.constantFrom('line', 'poisson', 'bursts'),
      spread: fc.constantFrom('rr', 'rand'),
      ats: fc.boolean(),
    });
    fc.assert(
      fc.property(generators, ({ scheme, tenants, queues, arrivals, spread, ats }) => {
        const text = `${name},tenants=${tenants},queues=${queues},arrivals=${arrivals},spread=${spread},packets=300`;
        const { result, bad, packets } = run(text, scheme, { ats });
        expect(bad).toEqual([]);
        expect(result.packetsDelivered + result.packetsDropped).toBe(packets);
        expect(result.refusedAccesses).toBe(0);
      }),
      { numRuns: 25 },
    );
  });
});

describe('a network card', () => {
  it('carries what is offered at a mean rate, in either arrival process', () => {
    for (const arrivals of ['poisson', 'bursts']) {
      const { result, bytes } = run(`nic,packets=4000,arrivals=${arrivals},gbps=40,sizes=imix,mtu=1518`, 'passthrough');
      expect(result.packetsDropped).toBe(0);
      expect((bytes * 8) / result.timeNs).toBeGreaterThan(34);
      expect((bytes * 8) / result.timeNs).toBeLessThan(46);
    }
  });

  it('splits headers off into a page of their own, and acknowledges on rings of its own', () => {
    const plain = run('nic,packets=800', 'strict', { arrival: 'backlog' });
    const split = run('nic,packets=800,split=true', 'strict', { arrival: 'backlog' });
    const acknowledged = run('nic,packets=800,acks=4', 'strict', { arrival: 'backlog' });
    expect(split.result.translations).toBe(plain.result.translations + 800);
    expect(acknowledged.packets).toBe(1000);
    expect(acknowledged.result.invalidations).toBeGreaterThan(plain.result.invalidations);
  });

  it('maps every page of a large packet', () => {
    const small = run('nic,packets=400,mtu=4096', 'strict', { arrival: 'backlog' });
    const jumbo = run('nic,packets=400,mtu=9000', 'strict', { arrival: 'backlog' });
    expect(jumbo.result.translations).toBe(small.result.translations + 2 * 400);
  });

  it('gives tenants of different loads different shares, and says how late each is', () => {
    const { result } = run('nic,tenants=3,packets=600,order=rand,skew=1', 'strict');
    const [first, , third] = result.tenants;
    expect(first!.delivered + first!.lost).toBeGreaterThan(2 * (third!.delivered + third!.lost));
    for (const { p50Ns, p90Ns, p99Ns, maxNs } of result.tenants) {
      expect(p50Ns).toBeLessThanOrEqual(p90Ns);
      expect(p90Ns).toBeLessThanOrEqual(p99Ns);
      expect(p99Ns).toBeLessThanOrEqual(maxNs);
    }
  });

  it('loses packets of a queue whose buffers have not come back', () => {
    const { result } = run('nic,packets=3000,mtu=1500,queues=1,ring=16', 'strict', { gbps: 200 });
    expect(result.losses.noDescriptor).toBeGreaterThan(100);
  });
});

describe('a disk', () => {
  it('reads a list of pages for more than two of them', () => {
    const two = run('nvme-queues,packets=200,block=8192', 'persistent-pools', { arrival: 'backlog' });
    const eight = run('nvme-queues,packets=200,block=32768', 'persistent-pools', { arrival: 'backlog' });
    expect(two.result.translations).toBe(200 * (1 + 2 + 1));
    expect(eight.result.translations).toBe(200 * (1 + 1 + 8 + 1));
  });
});
