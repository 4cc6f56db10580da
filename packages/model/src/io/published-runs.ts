import { machineOfArchitecture } from './architectures/architecture.ts';
import { ioArchitectures } from './architectures/registry.ts';
import { resolveIoMachine } from './correct/config.ts';
import type { CorrectIoResult } from './correct/result.ts';
import { createIoSimulation } from './correct/simulate.ts';
import { resolveScheme } from './schemes/registry.ts';
import { generateTranslations, parseIoGenerator } from './workloads/generate.ts';
import { generatePackets, parseQueueGenerator } from './workloads/queues/generate.ts';

/** The set-ups of publications on the machine of `correct`: what they say of theirs, and what is assumed where they say nothing. */

const pageBytes = 4096;

type Fields = Readonly<Record<string, unknown>>;

function runQueues(generator: string, scheme: string, machine: Fields, values: Fields = {}): CorrectIoResult {
  const parsed = parseQueueGenerator(generator);
  const simulation = createIoSimulation({
    machine: resolveIoMachine({ arrival: 'backlog', ...machine }),
    ...resolveScheme(scheme, values),
    queues: parsed.shape,
  });
  for (const block of generatePackets(parsed)) simulation.feedPackets(block);
  return simulation.finish();
}

/** Per 4 KiB of data, as Fast and Safe counts. */
export interface PerPage {
  readonly gbps: number;
  readonly iotlb: number;
  /** Misses by the publication's names: L1 = top level, L3 = the entries of 2 MiB. */
  readonly l1: number;
  readonly l2: number;
  readonly l3: number;
  readonly reads: number;
  readonly invalidations: number;
}

export function perPage({ mbps, timeNs, caches, tableReads, invalidations }: CorrectIoResult): PerPage {
  const pages = (mbps * timeNs) / 1000 / 8 / pageBytes;
  return {
    gbps: mbps / 1000,
    iotlb: caches.IOTLB.miss / pages,
    l1: caches.L4PAGE.miss / pages,
    l2: caches.L3PAGE.miss / pages,
    l3: caches.L2PAGE.miss / pages,
    reads: tableReads / pages,
    invalidations: invalidations / pages,
  };
}

/**
 * Fast and Safe's receiver: 100 Gb/s, PCIe 3.0, MTU 4096, rings of 256, a read of 197 ns and 65 ns of the root complex per page, one
 * translation at a time. Its sizes of caches are guesses (64 to 128 entries for L3); interrupts and acknowledgements are assumptions.
 */
const fastAndSafeMachine = {
  gbps: 100,
  pcieGbps: 128,
  ats: false,
  inOrder: true,
  walkers: 1,
  memoryNs: 197,
  rootComplexNsPerByte: 65 / pageBytes,
  queueEntries: 64,
  receiveBuffer: 512,
  cores: 5,
  iotlb: { entries: 64, ways: 64 },
  l2Cache: { entries: 128, ways: 128 },
  l3Cache: { entries: 32, ways: 32 },
  l4Cache: { entries: 16, ways: 16 },
  moderationPackets: 64,
  moderationNs: 20_000,
};

/** Commands that come as close together as they can. */
const quickCosts = { invalidationNs: 50, submitNs: 20, mapNs: 20, unmapNs: 20, iovaNs: 20 };

/** @param acks packets per acknowledgement @param costs of the driver and of commands: as by default, or quick ones */
export function fastAndSafe(
  flows: number,
  scheme: 'strict' | 'contiguous',
  { acks = 4, costs = 'default' }: { readonly acks?: number; readonly costs?: 'default' | 'quick' } = {},
): PerPage {
  const generator = `nic,tenants=1,queues=${flows},packets=30000,mtu=4096,acks=${acks},spread=rand`;
  return perPage(runQueues(generator, scheme, { ...fastAndSafeMachine, ...(costs === 'quick' && quickCosts) }));
}

/**
 * A nested virtual IOMMU whose tail register exits to the host, the lock kept until the command is done (Linux 6.12), ranges of 91 pages
 * as counted there (0.011 calls per page). From its table: the exit (6.5 us of 7.8 us at one core), the hand-over to a halted processor
 * (69 us less 8 us). Fitted: 450 ns of stack per page to one core's rate; a spin of 80 us, between the waits of 8 and of 16 cores.
 */
export function nested(
  cores: number,
  { trapNs = 6500, rangePages = 91 }: { readonly trapNs?: number; readonly rangePages?: number } = {},
): CorrectIoResult {
  const machine = {
    gbps: 400,
    ats: false,
    memoryNs: 100,
    queueEntries: 128,
    receiveBuffer: 512,
    cores,
    dimensions: '2',
    hostPages: '2m',
    trapNs,
    submitNs: 500,
    invalidationNs: 800,
    lockThroughCompletion: true,
    mapLockNs: 500,
    spinNs: 80_000,
    wakeNs: 61_000,
    packetNs: 450,
    moderationPackets: 32,
    moderationNs: 20_000,
  };
  const generator = `nic,tenants=1,queues=${cores},packets=${cores * 4000},mtu=4096,ring=512`;
  return runQueues(generator, 'contiguous', machine, { chunk: rangePages });
}

/**
 * 200 Gb/s of MTU 1500 through one walker, no ATS: share of the link. The 60 ns of a read are fitted: with 50 ns, or with a second walker at
 * 100 ns, 4 KiB pages lose nothing; with 75 ns 27 %. That huge pages lose nothing holds for all of these.
 */
export function longLived(scheme: 'persistent-pools' | 'huge-pages'): number {
  const machine = { gbps: 200, ats: false, walkers: 1, memoryNs: 60, queueEntries: 256, receiveBuffer: 1024 };
  return runQueues('nic,tenants=1,queues=16,packets=40000,mtu=1500,ring=512,spread=rand', scheme, machine).utilization;
}

/** One core with 586 ns of stack per packet of 1500 bytes (assumption), the other costs at their defaults: Gb/s. */
export function oneCore(scheme: string, given: Fields = {}, values: Fields = {}): number {
  const machine = {
    gbps: 200,
    ats: false,
    memoryNs: 100,
    queueEntries: 256,
    receiveBuffer: 1024,
    cores: 1,
    packetNs: 586,
    moderationPackets: 64,
    moderationNs: 20_000,
    ...given,
  };
  const generator = 'nic,tenants=1,queues=1,packets=15000,mtu=1500,ring=512,split=true';
  return runQueues(generator, scheme, machine, values).mbps / 1000;
}

/** Share of 200 Gb/s on the machine, tenants in round robin that wait instead of losing. */
export function manyTenants(architecture: string, tenants: number): number {
  const machine = machineOfArchitecture(ioArchitectures.get(architecture), { arrival: 'backlog' });
  const simulation = createIoSimulation({ machine, ...resolveScheme('persistent-pools') });
  for (const block of generateTranslations(parseIoGenerator(`iperf3,tenants=${tenants},packets=40`)))
    simulation.feed(block);
  return simulation.finish().utilization;
}
