import type { Claim } from '../machine/claims.ts';
import { ioArchitectures } from './architectures/registry.ts';
import { createCompatSimulation } from './compat/simulate.ts';
import { generateTranslations, parseIoGenerator } from './workloads/generate.ts';

/** Fast and Safe's relation of throughput to memory reads per 4 KiB of data: T = p / (l0 + M lm). */
export const fastAndSafeRelation = {
  pageBytes: 4096,
  fixedNs: 65,
  readNs: 197,
  source: 'Fast and Safe, SOSP 2024',
} as const;

/** Gb/s when each page of data costs so many memory reads of the IOMMU. */
export function relationGbps(readsPerPage: number): number {
  const { pageBytes, fixedNs, readNs } = fastAndSafeRelation;
  return (pageBytes * 8) / (fixedNs + readsPerPage * readNs);
}

/** Achievable share of a 200 Gb/s link in the original's model, tenants in round robin, start-up included. */
function architecture(name: string, tenants: number, packets: number): number {
  const { configuration, queueEntries } = ioArchitectures.get(name);
  const switches = { linkGbps: 200, replacement: 'lru', inOrder: false, selective: false } as const;
  const simulation = createCompatSimulation({ ...configuration, queueEntries, ...switches });
  const generator = parseIoGenerator(`iperf3,tenants=${tenants},packets=${packets}`);
  for (const block of generateTranslations(generator)) simulation.feed(block);
  return simulation.finish().utilization;
}

const manyTenants = 1024;

interface Measured {
  readonly claim: Claim;
  readonly measure: () => number;
}

function measured(claim: Omit<Claim, 'measure'>, measure: () => number): Measured {
  return { claim: { ...claim, measure: claim.id }, measure };
}

const statements: readonly Measured[] = [
  measured(
    {
      id: 'io.relation-5-flows',
      statement: 'strict mode, 5 flows: T = 4096 B / (65 ns + 1.76 x 197 ns)',
      source: 'Fast and Safe, SOSP 2024; specs/io.md 4.2',
      published: '79.6 Gb/s',
      expectation: { kind: 'equals', value: 79.6, tolerance: 0.1 },
      unit: 'Gb/s',
    },
    () => relationGbps(1.3 + 0.05 + 0.05 + 0.36),
  ),
  measured(
    {
      id: 'io.relation-40-flows',
      statement: 'strict mode, 40 flows: T = 4096 B / (65 ns + 4.36 x 197 ns)',
      source: 'Fast and Safe, SOSP 2024; specs/io.md 4.2',
      published: '35.5 Gb/s',
      expectation: { kind: 'equals', value: 35.5, tolerance: 0.1 },
      unit: 'Gb/s',
    },
    () => relationGbps(2.2 + 0.63 + 0.63 + 0.9),
  ),
  measured(
    {
      id: 'io.base-collapses',
      statement: 'severe under-utilization of the link as tenants become many: base design, 1024 tenants',
      source: 'HyperTRIO, ISCA 2020, problem statement; figure from runs of the artifact, specs/io.md 0',
      published: '5.9 %',
      expectation: { kind: 'equals', value: 0.059, tolerance: 0.002 },
      unit: 'of the link',
    },
    () => architecture('base', manyTenants, 30),
  ),
  measured(
    {
      id: 'io.hypertrio-recovers',
      statement: 'HyperTRIO uses the available bandwidth with 1000 tenants, their start-up behind them',
      source: 'HyperTRIO, ISCA 2020, abstract; figure from runs of the artifact, specs/io.md 0',
      published: '91 %',
      expectation: { kind: 'at-least', value: 0.85 },
      unit: 'of the link',
    },
    () => architecture('hypertrio', manyTenants, 100),
  ),
  measured(
    {
      id: 'io.depth-is-enough',
      statement: '48 pending translations reach line rate at 256 tenants without partitions or prefetching',
      source: 'runs of the artifact, specs/io.md 0, fact 6',
      published: '100.6 %',
      expectation: { kind: 'at-least', value: 0.99 },
      unit: 'of the link',
    },
    () => architecture('ptb48', 256, 100),
  ),
];

/** Open: what they need of the machine (sizes of IOTLBs, cost of an invalidation) is not published, and an assumption proves nothing. */
const open: readonly Claim[] = [
  {
    id: 'io.huge-pages-recover',
    statement: 'huge pages recover the throughput at 200 Gb/s that 4 KiB pages lose to IOTLB misses',
    source: 'Farshin et al., PeerJ Computer Science 2023; specs/io.md 4.2',
    published: 'up to 20 % lost, fully recovered',
    expectation: { kind: 'at-least', value: 0.99 },
    unit: 'of the link',
    measure: 'io.huge-pages-recover',
  },
  {
    id: 'io.riommu-near-none',
    statement: 'rIOMMU keeps 0.77 to 1.00 of the throughput without an IOMMU',
    source: 'rIOMMU, ASPLOS 2015; specs/io.md 4.2',
    published: '0.77 to 1.00',
    expectation: { kind: 'between', low: 0.77, high: 1 },
    unit: 'of passthrough',
    measure: 'io.riommu-near-none',
  },
  {
    id: 'io.nested-collapse',
    statement: 'a nested vIOMMU in strict mode collapses from 237.8 Gb/s with 8 cores to 25.0 Gb/s with 16',
    source: 'Fast and Safe repository, vary_cores_results; specs/io.md 4.2',
    published: '25.0 / 237.8',
    expectation: { kind: 'at-most', value: 0.11 },
    unit: 'of the throughput with 8 cores',
    measure: 'io.nested-collapse',
  },
];

export const ioClaims: readonly Claim[] = [...statements.map(({ claim }) => claim), ...open];

/** Each measures one claim, by the claim's `measure`. */
export const ioMeasurements: ReadonlyMap<string, () => number> = new Map(
  statements.map(({ claim, measure }) => [claim.measure, measure]),
);
