import type { OperatorTable } from '../operators/operator-table.ts';
import type { ClientTable } from './clients.ts';
import type { FramePool } from './frame-pool.ts';
import type { SegmentPool } from './segments.ts';

/** What all connections of an agent share. */
export interface AgentContext {
  /** Random for each start, hexadecimal. */
  readonly instance: string;
  /** On the clock of performance.now(), ms. */
  readonly startedAt: number;
  readonly secret: Uint8Array | undefined;
  readonly quotaBytes: number;
  readonly leaseSeconds: number;
  readonly pool: SegmentPool;
  readonly clients: ClientTable;
  readonly operators: OperatorTable;
  readonly counters: AgentCounters;
  readonly frames: FramePool;
}

/** Counters since the start of the agent. */
export interface AgentCounters {
  connectionsOpened: number;
  connectionsOpen: number;
  /** Connections closed for a frame that is not the protocol, or a wrong secret. */
  protocolErrors: number;
  refusedConnections: number;
  reads: number;
  readBytes: number;
  absentReads: number;
  unreadableReads: number;
  writes: number;
  writtenBytes: number;
  refusedWrites: number;
  frees: number;
  calls: number;
  failedCalls: number;
  callSeconds: number;
}

export function createCounters(): AgentCounters {
  return {
    connectionsOpened: 0,
    connectionsOpen: 0,
    protocolErrors: 0,
    refusedConnections: 0,
    reads: 0,
    readBytes: 0,
    absentReads: 0,
    unreadableReads: 0,
    writes: 0,
    writtenBytes: 0,
    refusedWrites: 0,
    frees: 0,
    calls: 0,
    failedCalls: 0,
    callSeconds: 0,
  };
}

/** What an agent says of itself: the answer to STAT, and the source of its metrics. */
export interface AgentReport extends Readonly<AgentCounters> {
  readonly instance: string;
  readonly uptimeSeconds: number;
  readonly memoryLimitBytes: number;
  /** Bytes of segments in memory. */
  readonly memoryBytes: number;
  readonly spillLimitBytes: number;
  readonly spillBytes: number;
  readonly clients: number;
  readonly expiredLeases: number;
  readonly objects: number;
  /** Bytes of wanted objects with their record headers. */
  readonly liveBytes: number;
  readonly cleanedSegments: number;
  readonly cleanedBytes: number;
}

export function reportOf(context: AgentContext): AgentReport {
  const logs = [...context.clients.clients].map((client) => client.log);
  const sum = (of: (log: (typeof logs)[number]) => number) => logs.reduce((total, log) => total + of(log), 0);
  return {
    ...context.counters,
    instance: context.instance,
    uptimeSeconds: (performance.now() - context.startedAt) / 1000,
    memoryLimitBytes: context.pool.limitBytes,
    memoryBytes: context.pool.usedBytes,
    spillLimitBytes: context.pool.spill?.limitBytes ?? 0,
    spillBytes: context.pool.spill?.usedBytes ?? 0,
    clients: logs.length,
    expiredLeases: context.clients.expired,
    objects: sum((log) => log.objects),
    liveBytes: sum((log) => log.liveBytes),
    cleanedSegments: context.pool.cleaned.segments,
    cleanedBytes: context.pool.cleaned.bytes,
  };
}
