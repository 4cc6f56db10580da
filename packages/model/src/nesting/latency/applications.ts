import type { Named } from '../../machine/registry.ts';

/**
 * One of the artifact's workloads as a closed loop: clients send, a vCPU works, a link carries the answer. The publication gives no exits per
 * operation, so every figure is assumed (specification section 5.2); `strata nest simulate --exits` takes them from a recording instead.
 */
export interface Application extends Named {
  readonly clients: number;
  readonly vcpus: number;
  /** Work on a vCPU per operation, without exits. */
  readonly workMicros: number;
  /** Client, wire and back, per operation. */
  readonly networkMicros: number;
  /** Time of an operation on the link: what bounds a stream. */
  readonly linkMicros: number;
  /** Exits per operation beside those that follow from the course of events (doorbells, interrupts, idling). */
  readonly exits: Readonly<Record<string, number>>;
  /** Whether operations come and go by the network. */
  readonly network: boolean;
  readonly basis: 'assumed';
}

const assumed = { basis: 'assumed', vcpus: 4, network: true } as const;

export const applications: readonly Application[] = [
  {
    ...assumed,
    name: 'netperf-rr',
    summary: 'one byte each way, one at a time',
    clients: 1,
    workMicros: 8,
    networkMicros: 14,
    linkMicros: 0.1,
    exits: { timer: 1 },
  },
  {
    ...assumed,
    name: 'netperf-stream',
    summary: '64 KiB segments to the server',
    clients: 16,
    workMicros: 12,
    networkMicros: 20,
    linkMicros: 55.7,
    exits: { timer: 0.1 },
  },
  {
    ...assumed,
    name: 'netperf-maerts',
    summary: '64 KiB segments from the server',
    clients: 16,
    workMicros: 10,
    networkMicros: 20,
    linkMicros: 55.7,
    exits: { timer: 0.1 },
  },
  {
    ...assumed,
    name: 'apache',
    summary: 'ab, 10 connections',
    clients: 10,
    workMicros: 230,
    networkMicros: 60,
    linkMicros: 10,
    exits: { timer: 2, ipi: 2 },
  },
  {
    ...assumed,
    name: 'memcached',
    summary: 'memtier, 200 connections',
    clients: 200,
    workMicros: 10,
    networkMicros: 100,
    linkMicros: 0.5,
    exits: { timer: 0.3, ipi: 0.2 },
  },
  {
    ...assumed,
    name: 'mysql',
    summary: 'SysBench OLTP, 200 threads',
    clients: 200,
    workMicros: 1_600,
    networkMicros: 100,
    linkMicros: 5,
    exits: { timer: 10, ipi: 12, hlt: 4 },
  },
  {
    ...assumed,
    name: 'hackbench',
    summary: 'processes that send to each other, local',
    clients: 400,
    workMicros: 4,
    networkMicros: 0,
    linkMicros: 0,
    exits: { timer: 0.02, ipi: 0.1 },
    network: false,
  },
];
