import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTranslationBlock, type TranslationBlock } from '../compat/records.ts';
import { resolveScheme } from '../schemes/registry.ts';
import { generateTranslations, parseIoGenerator } from '../workloads/generate.ts';
import { resolveIoMachine } from './config.ts';
import { simulateNaively } from './naive-model.case.ts';
import { Probe } from './probe.ts';
import type { IoCacheName } from './result.ts';
import { createIoSimulation } from './simulate.ts';

function run(workload: string, scheme = 'persistent-pools', machine: Record<string, unknown> = {}) {
  const simulation = createIoSimulation({ machine: resolveIoMachine(machine), ...resolveScheme(scheme) });
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

interface Access {
  readonly tenant: number;
  readonly page: number;
  readonly level: number;
}

/** Few tenants and few pages near one another, of all sizes: everything conflicts with everything. */
const accesses = fc.array(
  fc.record({
    tenant: fc.integer({ min: 0, max: 3 }),
    page: fc.oneof(
      fc.integer({ min: 0, max: 12 }),
      fc.integer({ min: 0, max: 3 }).map((region) => region * 512 + 7),
      fc.integer({ min: 0, max: 3 }).map((region) => region * 512 ** 2 + 515),
      fc.integer({ min: 0, max: 3 }).map((region) => region * 512 ** 3 + 1),
      fc.integer({ min: 0, max: 3 }).map((region) => region * 512 ** 4 + 1),
    ),
    level: fc.constantFrom(1, 1, 1, 2, 3, 0),
  }),
  { minLength: 3, maxLength: 180 },
);

/** @param levels of the tables, whose addresses the pages are folded into */
function blockOf(list: readonly Access[], levels: string): TranslationBlock {
  const limit = 512 ** Number(levels);
  const block = createTranslationBlock(list.length);
  for (const [at, { tenant, page, level }] of list.entries()) {
    // A packet is one tenant's.
    const owner = list[at - (at % 3)]!.tenant;
    block.sid[at] = owner >> 1;
    block.did[at] = owner;
    block.iovaLo[at] = ((page % limit) * 4096) >>> 0;
    block.iovaHi[at] = Math.floor((page % limit) / 2 ** 20);
    block.level[at] = level === 3 && tenant > 1 ? 2 : level;
  }
  block.length = list.length - (list.length % 3);
  return block;
}

const shape = fc.constantFrom(
  { entries: 0, ways: 0 },
  { entries: 1, ways: 1 },
  { entries: 4, ways: 2 },
  { entries: 6, ways: 2 },
  { entries: 8, ways: 4, partitions: 2 },
  { entries: 16, ways: 16 },
);

// Odd fractions: no two events fall on one moment by accident.
const machines = fc.record({
  deviceTlb: shape,
  iotlb: shape,
  l2Cache: shape,
  l3Cache: shape,
  l4Cache: shape,
  l5Cache: shape,
  nestedCache: shape,
  contextCache: shape,
  pasidCache: shape,
  index: fc.constantFrom('domain', 'address'),
  dimensions: fc.constantFrom('1', '2'),
  hostPages: fc.constantFrom('4k', '2m'),
  levels: fc.constantFrom('3', '4', '5'),
  hostLevels: fc.constantFrom('4', '5'),
  scalable: fc.boolean(),
  tenancy: fc.constantFrom('function', 'pasid'),
  ats: fc.boolean(),
  inOrder: fc.boolean(),
  walkers: fc.integer({ min: 1, max: 3 }),
  queueEntries: fc.integer({ min: 1, max: 12 }),
  receiveBuffer: fc.integer({ min: 1, max: 6 }),
  gbps: fc.constantFrom(40.071, 97.313, 200.531),
  pcieNs: fc.constantFrom(450.1373, 91.7711),
  memoryNs: fc.constantFrom(50.0173, 197.0311),
  memoryGbps: fc.constantFrom(800.13, 7.717),
  pcieGbps: fc.constantFrom(512.37, 61.913),
  deviceTlbNs: fc.constantFrom(2.0131),
  iotlbNs: fc.constantFrom(5.0317),
  rootComplexNsPerByte: fc.constantFrom(0.0137, 0.1093),
});

describe('the machine behind the link', () => {
  it('does what the obvious model does, to the last look-up and nanosecond', () => {
    fc.assert(
      fc.property(accesses, machines, (list, given) => {
        const machine = resolveIoMachine(given);
        const block = blockOf(list, machine.levels);
        const naive = simulateNaively(machine, [block]);
        const simulation = createIoSimulation({ machine, ...resolveScheme('persistent-pools') });
        simulation.feed(block);
        const result = simulation.finish();
        const caches = Object.fromEntries(Object.keys(naive.caches).map((name) => [name, result.caches[name as 'CC']]));
        expect({ ...result, caches }).toMatchObject({
          caches: naive.caches,
          walks: naive.walks,
          mergedWalks: naive.mergedWalks,
          memoryReads: naive.memoryReads,
          packetsDropped: naive.lost,
          packetsDelivered: naive.delivered,
        });
        expect(result.timeNs).toBeCloseTo(naive.timeNs, 5);
        const latencySum = result.tenants.reduce((sum, { meanNs, delivered }) => sum + meanNs * delivered, 0);
        expect(latencySum).toBeCloseTo(naive.latencySum, 3);
      }),
      { numRuns: 400 },
    );
  });

  it.each([
    ['1', false, '4', '4', 4 + 2],
    ['2', false, '4', '4', 24 + 2],
    ['1', true, '4', '4', 4 + 4],
    ['2', true, '4', '4', 24 + 4],
    ['1', false, '3', '4', 3 + 2],
    ['1', false, '5', '4', 5 + 2],
    // (guest levels + 1) x (host levels + 1) - 1
    ['2', false, '3', '4', 19 + 2],
    ['2', false, '5', '4', 29 + 2],
    ['2', false, '4', '5', 29 + 2],
    ['2', true, '5', '5', 35 + 4],
  ])('a cold walk of %s dimension(s), scalable mode %s, %s levels over %s, makes %i reads', (...row) => {
    const [dimensions, scalable, levels, hostLevels, reads] = row;
    const probe = new Probe(0);
    const machine = resolveIoMachine({ dimensions, scalable, levels, hostLevels });
    const simulation = createIoSimulation({ machine, ...resolveScheme('persistent-pools'), probe });
    const [block] = [...generateTranslations(parseIoGenerator('nvme,tenants=1,packets=1'))];
    simulation.feed(slice(block!, 0, 1));
    const { memoryReads, tenants, caches } = simulation.finish();
    expect(memoryReads).toBe(reads);
    expect(probe.steps.filter(({ what }) => what.startsWith('read of'))).toHaveLength(reads);
    // Each cache asked is a step too.
    const asked = (of: RegExp) => probe.steps.filter(({ what }) => of.test(what)).length;
    const counted = (...names: IoCacheName[]) =>
      names.reduce((sum, name) => sum + caches[name].hit + caches[name].miss, 0);
    expect(asked(/^level-\d cache$/)).toBe(counted('L2PAGE', 'L3PAGE', 'L4PAGE', 'L5PAGE'));
    expect(asked(/^host's level-\d cache$/)).toBe(counted('HOSTL2', 'HOSTL3', 'HOSTL4', 'HOSTL5'));
    expect(asked(/^nested cache$/)).toBe(counted('NESTED'));
    expect([asked(/^context cache$/), asked(/^PASID cache$/)]).toEqual([counted('CC'), counted('PASID')]);
    // The steps add up to the packet's latency: four crossings of PCI Express, both look-ups, 50 ns per read.
    const total = probe.steps.reduce((sum, { nanoseconds }) => sum + nanoseconds, 0);
    expect(total).toBeCloseTo(tenants[0]!.maxNs, 6);
    expect(total).toBeGreaterThan(3 * 450 + 7 + 50 * reads);
    expect(total).toBeLessThan(3 * 450 + 7 + 50 * reads + 2);
  });

  it('without protection the link is full and nothing is lost', () => {
    const { utilization, packetsDropped, translations, memoryReads } = run(
      'iperf3,tenants=64,packets=20',
      'passthrough',
    );
    expect(utilization).toBeGreaterThan(0.99);
    expect({ packetsDropped, translations, memoryReads }).toEqual({
      packetsDropped: 0,
      translations: 64 * 20 * 3,
      memoryReads: 0,
    });
  });

  it.each([
    ['3', 39],
    ['4', 48],
    ['5', 57],
  ])('reaches the last page of tables of %s levels, and refuses the one above %i bits by name', (levels, bits) => {
    const block = createTranslationBlock(3);
    block.length = 3;
    const run = (vpn: number) => {
      block.iovaLo.fill((vpn * 4096) >>> 0);
      block.iovaHi.fill(Math.floor(vpn / 2 ** 20));
      const simulation = createIoSimulation({
        machine: resolveIoMachine({ levels }),
        ...resolveScheme('persistent-pools'),
      });
      simulation.feed(block);
      return simulation.finish();
    };
    expect(run(2 ** (bits - 12) - 1)).toMatchObject({ refusedAccesses: 0, walks: 1, tableReads: Number(levels) });
    expect(() => run(2 ** (bits - 12))).toThrow(
      expect.objectContaining({ code: 'io.iova-range', what: expect.stringContaining(`above ${bits} bits`) }),
    );
  });

  it('delivers or loses every packet, fairly when all are alike', () => {
    const { packetsDelivered, packetsDropped, losses, tenants, fairness } = run('iperf3,tenants=64,packets=50');
    expect(packetsDelivered + packetsDropped).toBe(64 * 50);
    expect(losses.receiveBuffer).toBeGreaterThan(0);
    expect(tenants.reduce((sum, { lost }) => sum + lost, 0)).toBe(packetsDropped);
    expect(tenants.reduce((sum, { delivered }) => sum + delivered, 0)).toBe(packetsDelivered);
    expect(fairness).toBeGreaterThan(0.5);
    expect(fairness).toBeLessThanOrEqual(1);
  });

  it('huge pages walk less than the same addresses in 4 KiB pages', () => {
    const workload = 'iperf3,tenants=16,packets=200,pages=4k';
    expect(run(workload, 'huge-pages').readsPerTranslation).toBeLessThan(run(workload).readsPerTranslation);
  });

  it('maps what a device asks for, once, where page requests are answered', () => {
    const workload = 'nvme,tenants=2,packets=40';
    const asked = run(workload, 'persistent-pools', { faults: 'page-request', gbps: 1 });
    const pinned = run(workload, 'persistent-pools', { gbps: 1 });
    expect(pinned).toMatchObject({ pageRequests: 0, faults: 0 });
    expect(asked.pageRequests).toBe(asked.faults);
    expect(asked.pageRequests).toBeGreaterThan(40);
    expect(asked).toMatchObject({ packetsDropped: 0, refusedAccesses: 0, packetsDelivered: 80 });
    expect(asked.tenants[0]!.meanNs).toBeGreaterThan(pinned.tenants[0]!.meanNs + 5_000);
  });

  it('shares one function among PASIDs: one context entry, one PASID entry for each', () => {
    const own = run('iperf3,tenants=32,packets=20', 'persistent-pools', { scalable: true });
    const shared = run('iperf3,tenants=32,packets=20', 'persistent-pools', {
      scalable: true,
      tenancy: 'pasid',
      queueEntries: 1,
    });
    expect(own.caches.CC.miss).toBeGreaterThanOrEqual(32);
    // The first packet's three DMAs are on their way before the entry is there.
    expect(shared.caches.CC.miss).toBeLessThanOrEqual(3);
    expect(shared.caches.PASID.miss).toBeGreaterThanOrEqual(32);
  });

  it('a prefetcher without a buffer asks for nothing, one with a buffer is of use in round robin', () => {
    const workload = 'iperf3,tenants=64,packets=60';
    const machine = { queueEntries: 32, arrival: 'backlog' };
    const without = run(workload, 'persistent-pools', machine);
    const prefetch = { entries: 64, history: 3, distance: 48 };
    const fetched = run(workload, 'persistent-pools', { ...machine, prefetch });
    // Named as in the original's reference runs; nothing counts where nothing is fetched.
    expect(without.prefetch).toEqual({
      accesses: 0,
      correct: 0,
      incorrect: 0,
      made: 0,
      requests: 0,
      new_map: 0,
      same_sid: 0,
      diff_sid: 0,
      fill_same: 0,
      fill: 0,
      buf_hit: 0,
      buf_miss: 0,
      hist_hit: 0,
      hist_miss: 0,
      sids: 0,
    });
    const { accesses, correct, incorrect, new_map, same_sid, diff_sid, hist_hit, hist_miss, sids } = fetched.prefetch;
    expect(hist_hit + hist_miss).toBe(accesses);
    expect(new_map + same_sid + diff_sid).toBe(accesses - prefetch.distance);
    expect(new_map).toBe(sids);
    // In round robin the successor stays the same: what is predicted comes true.
    expect(correct).toBeGreaterThan(10 * incorrect);
    expect(fetched.prefetch.buf_hit).toBeGreaterThan(1000);
    expect(fetched.prefetch.buf_hit + fetched.prefetch.buf_miss).toBe(fetched.prefetch.accesses);
    expect(fetched.prefetch.fill).toBeLessThanOrEqual(fetched.prefetch.requests);
    expect(fetched.mbps).toBeGreaterThan(without.mbps);
  });

  it('gives the same result however the trace is split', () => {
    const blocks = [...generateTranslations(parseIoGenerator('websearch,tenants=8,packets=40,order=rand'))];
    const whole = run('websearch,tenants=8,packets=40,order=rand', 'strict');
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), (length) => {
        const simulation = createIoSimulation({ machine: resolveIoMachine({}), ...resolveScheme('strict') });
        for (const block of blocks)
          for (let at = 0; at < block.length; at += length)
            simulation.feed(slice(block, at, Math.min(block.length, at + length)));
        expect(simulation.finish()).toEqual(whole);
      }),
      { numRuns: 10 },
    );
  });
});

describe('memory that a hypervisor takes from a device', () => {
  // One tenant, one page over and over: walked for once, unless its translation goes.
  const block = blockOf(
    Array.from({ length: 300 }, () => ({ tenant: 0, page: 7, level: 1 })),
    '4',
  );
  const unmaps = (vpn: number) =>
    Array.from({ length: 10 }, (_, at) => ({ timeNs: 1_000 * (at + 1), domain: 0, vpn, pages: 512 }));
  function run(given: ReturnType<typeof unmaps>, ats: boolean) {
    const machine = resolveIoMachine({ ats, gbps: 10 });
    const simulation = createIoSimulation({ machine, ...resolveScheme('persistent-pools'), unmaps: given });
    simulation.feed(block);
    return simulation.finish();
  }

  it.each([true, false])(
    'is one command each in the invalidation queue, and costs the walks of what it covers (ATS: %s)',
    (ats) => {
      const [none, elsewhere, here] = [run([], ats), run(unmaps(512), ats), run(unmaps(0), ats)];
      expect([none.invalidations, elsewhere.invalidations, here.invalidations]).toEqual([0, 10, 10]);
      expect(here.memoryReads).toBeGreaterThan(elsewhere.memoryReads);
      expect(elsewhere.memoryReads).toBe(none.memoryReads);
      expect(here.packetsDelivered).toBe(none.packetsDelivered);
      // The lock is held for nothing else: no command waits for it.
      expect(here.invalidationQueue.meanLockWaitNs).toBe(0);
    },
  );

  it('waits for one to be carried out before the next, whenever it was due', () => {
    const late = unmaps(512).map((unmap) => ({ ...unmap, timeNs: 0 }));
    const { invalidationQueue } = run(late, false);
    expect(invalidationQueue.commands).toBe(10);
    expect(invalidationQueue.maxNs).toBeLessThan(2 * invalidationQueue.meanNs);
  });
});
