import { describe, expect, it } from 'vitest';
import { machineOfArchitecture } from '../architectures/architecture.ts';
import { ioArchitectures } from '../architectures/registry.ts';
import { protectionSchemes, resolveScheme } from '../schemes/registry.ts';
import { generateTranslations, parseIoGenerator } from '../workloads/generate.ts';
import { generatePackets, isQueueGenerator, parseQueueGenerator } from '../workloads/queues/generate.ts';
import { resolveIoMachine } from './config.ts';
import type { CorrectIoResult } from './result.ts';
import { createIoSimulation } from './simulate.ts';

/**
 * Results of this model as they were, so that a change of any of them is noticed and meant: `npx vitest run -u simulate.golden` writes them
 * anew. That they are right is the business of the naive model, the contract suites and the claims.
 */
interface Case {
  readonly workload: string;
  readonly scheme?: string;
  readonly machine?: Readonly<Record<string, unknown>>;
  readonly architecture?: string;
}

const recorded = 'websearch,tenants=16,packets=60,order=rand';
const network = 'nic,tenants=2,queues=2,packets=600,mtu=1500,ring=64';
const disks = 'nvme-queues,tenants=2,queues=2,packets=300';

const cases: readonly Case[] = [
  ...[recorded, network, disks].flatMap((workload) =>
    [...protectionSchemes].map(({ name }) => ({ workload, scheme: name })),
  ),
  ...[...ioArchitectures].map(({ name }) => ({ workload: recorded, architecture: name })),
  { workload: recorded, machine: { dimensions: '2', scalable: true } },
  { workload: recorded, machine: { dimensions: '2', hostPages: '2m', tenancy: 'pasid', scalable: true } },
  { workload: recorded, machine: { faults: 'page-request', gbps: 5 } },
  { workload: recorded, machine: { ats: false, inOrder: true, walkers: 1 } },
  { workload: network, scheme: 'strict', machine: { cores: 1, packetNs: 300, trapNs: 3000, moderationPackets: 8 } },
];

function simulate({ workload, scheme = 'persistent-pools', machine = {}, architecture }: Case): CorrectIoResult {
  const setup = {
    machine:
      architecture === undefined
        ? resolveIoMachine({ queueEntries: 32, ...machine })
        : machineOfArchitecture(ioArchitectures.get(architecture), machine),
    ...resolveScheme(scheme),
  };
  if (isQueueGenerator(workload)) {
    const generator = parseQueueGenerator(workload);
    const simulation = createIoSimulation({ ...setup, queues: generator.shape });
    for (const block of generatePackets(generator)) simulation.feedPackets(block);
    return simulation.finish();
  }
  const simulation = createIoSimulation(setup);
  for (const block of generateTranslations(parseIoGenerator(workload))) simulation.feed(block);
  return simulation.finish();
}

/** One line: caches as hit/miss/conflict, those never asked left out; fractions to nine digits. */
function lineOf({ tenants, caches, prefetch: fetched, ...rest }: CorrectIoResult): string {
  const { accesses, made, requests, fill, buf_hit, buf_miss } = fetched;
  const prefetch = { accesses, made, requests, fill, buf_hit, buf_miss };
  const asked = Object.entries(caches).filter(([, { hit, miss }]) => hit + miss > 0);
  const lookups = asked.map(([name, { hit, miss, conflict }]) => [name, `${hit}/${miss}/${conflict}`]);
  const latency = tenants.map(({ meanNs, p99Ns }) => [meanNs, p99Ns]);
  const { fairness, pcieBytes: _pcie, ...before } = rest;
  const line = { ...before, pcieBytes: rest.pcieBytes, prefetch, fairness, caches: Object.fromEntries(lookups) };
  return JSON.stringify({ ...line, latency: latency.slice(0, 2) }, (_, value) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(9)) : value,
  );
}

describe('results of the machine stay as they were', () => {
  it.each(cases.map((given) => [JSON.stringify(given), given] as const))('%s', (_, given) => {
    expect(lineOf(simulate(given))).toMatchSnapshot();
  });
});
