import { createServer } from 'node:http';
import { FarUsageError } from '../errors.ts';
import { formatAddress, isLocalOnly, parseAddress } from '../protocol/address.ts';
import type { AgentReport } from './context.ts';

type Sample = readonly [
  name: string,
  type: 'counter' | 'gauge',
  unit: string,
  help: string,
  value: (report: AgentReport) => number,
];

const samples: readonly Sample[] = [
  ['connections_opened', 'counter', '', 'Connections accepted.', (r) => r.connectionsOpened],
  ['connections_open', 'gauge', '', 'Connections open now.', (r) => r.connectionsOpen],
  ['connections_refused', 'counter', '', 'Connections beyond the limit.', (r) => r.refusedConnections],
  [
    'protocol_errors',
    'counter',
    '',
    'Connections closed for malformed frames or a wrong secret.',
    (r) => r.protocolErrors,
  ],
  ['clients', 'gauge', '', 'Clients with a connection or a lease.', (r) => r.clients],
  ['leases_expired', 'counter', '', 'Clients forgotten after their lease ran out.', (r) => r.expiredLeases],
  ['objects', 'gauge', '', 'Objects stored.', (r) => r.objects],
  ['live_bytes', 'gauge', 'bytes', 'Bytes of stored objects with their headers.', (r) => r.liveBytes],
  ['memory_bytes', 'gauge', 'bytes', 'Bytes of segments in memory.', (r) => r.memoryBytes],
  ['memory_limit_bytes', 'gauge', 'bytes', 'Greatest bytes of segments in memory.', (r) => r.memoryLimitBytes],
  ['spill_bytes', 'gauge', 'bytes', 'Bytes of segments in the spill file.', (r) => r.spillBytes],
  ['spill_limit_bytes', 'gauge', 'bytes', 'Greatest size of the spill file.', (r) => r.spillLimitBytes],
  ['segments_cleaned', 'counter', '', 'Segments compacted.', (r) => r.cleanedSegments],
  ['cleaned_bytes', 'counter', 'bytes', 'Bytes copied by the cleaner.', (r) => r.cleanedBytes],
  ['reads', 'counter', '', 'Objects read.', (r) => r.reads],
  ['read_bytes', 'counter', 'bytes', 'Bytes of objects read.', (r) => r.readBytes],
  ['reads_absent', 'counter', '', 'Reads of objects that are not here.', (r) => r.absentReads],
  ['reads_unreadable', 'counter', '', 'Reads of spilled objects whose bytes are damaged.', (r) => r.unreadableReads],
  ['writes', 'counter', '', 'Objects written.', (r) => r.writes],
  ['written_bytes', 'counter', 'bytes', 'Bytes of objects written.', (r) => r.writtenBytes],
  ['writes_refused', 'counter', '', 'Writes beyond the quota or the memory.', (r) => r.refusedWrites],
  ['frees', 'counter', '', "Objects forgotten at their client's wish.", (r) => r.frees],
  ['calls', 'counter', '', 'Operators run.', (r) => r.calls],
  ['calls_failed', 'counter', '', 'Operators that failed or were cancelled.', (r) => r.failedCalls],
  ['call_seconds', 'counter', 'seconds', 'Time spent in operators.', (r) => r.callSeconds],
  ['uptime_seconds', 'gauge', 'seconds', 'Seconds since the start.', (r) => r.uptimeSeconds],
];

/** The report as OpenMetrics 1.0 text. */
export function openMetricsOf(report: AgentReport): string {
  const lines: string[] = [];
  for (const [short, type, unit, help, value] of samples) {
    const name = `strata_far_agent_${short}`;
    lines.push(`# TYPE ${name} ${type}`);
    if (unit !== '') lines.push(`# UNIT ${name} ${unit}`);
    lines.push(`# HELP ${name} ${help}`, `${name}${type === 'counter' ? '_total' : ''} ${value(report)}`);
  }
  lines.push(
    '# TYPE strata_far_agent info',
    '# HELP strata_far_agent This start of the agent.',
    `strata_far_agent_info{instance="${report.instance}"} 1`,
    '# EOF',
  );
  return `${lines.join('\n')}\n`;
}

export interface MetricsServer {
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Serves `GET /metrics` on this machine.
 * @throws FarUsageError for an address that others could reach, or that is taken
 */
export async function serveMetrics(listen: string, report: () => AgentReport): Promise<MetricsServer> {
  const address = parseAddress(listen.replace(/^http:\/\//, ''));
  if (address.kind !== 'tcp' || !isLocalOnly(address))
    throw new FarUsageError(
      `metrics are served on this machine only; expected an address such as 127.0.0.1:9100, found ${listen}`,
    );
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('the statistics are at /metrics\n');
      return;
    }
    response
      .writeHead(200, { 'content-type': 'application/openmetrics-text; version=1.0.0; charset=utf-8' })
      .end(openMetricsOf(report()));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new FarUsageError(`cannot serve metrics on ${listen}: ${cause.message}; choose another address or port 0`),
      ),
    );
    server.listen(address.port, address.host, resolve);
  });
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  return {
    address: `http://${formatAddress({ ...address, port }).slice('tcp://'.length)}/metrics`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
