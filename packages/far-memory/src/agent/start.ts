import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { FarUsageError } from '../errors.ts';
import { builtIns } from '../operators/built-ins.ts';
import type { Operator } from '../operators/operator.ts';
import { createOperatorTable } from '../operators/operator-table.ts';
import { type AgentAddress, formatAddress, isLocalOnly, parseAddress } from '../protocol/address.ts';
import { createClientTable } from './clients.ts';
import { serveConnection } from './connection.ts';
import { type AgentContext, type AgentReport, createCounters, reportOf } from './context.ts';
import { createFramePool } from './frame-pool.ts';
import { serveMetrics } from './metrics.ts';
import { createSegmentPool } from './segments.ts';
import { openSpillFile, type SpillFile } from './spill.ts';

export interface AgentOptions {
  /** Where to listen: `127.0.0.1:7900`, `unix:///PATH`, or any address when `secret` and `tls` are given. Port 0 takes a free one. */
  readonly listen: string;
  /** Memory for objects, bytes; at least 1 MiB. The index of about 60 bytes per object comes on top. */
  readonly memoryBytes: number;
  /** Greatest quota of one client, bytes; default: memory and spill file together. */
  readonly quotaBytes?: number;
  /** How long a client's objects stay after its last connection, seconds; default 60. */
  readonly leaseSeconds?: number;
  /** Shared secret, at least 16 bytes: only clients that know it are served. */
  readonly secret?: Uint8Array;
  /** Certificate and private key, PEM: connections are encrypted. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  /** Where objects go when memory is used up: a new file, gone when the agent ends. */
  readonly spill?: { readonly path: string; readonly limitBytes: number };
  /** Where statistics are served as OpenMetrics over HTTP, on this machine only: `127.0.0.1:9100`. */
  readonly metrics?: string;
  /** Operators beside the built-in ones. */
  readonly operators?: readonly Operator[];
  /** Connections at once; default 1,024. */
  readonly maxConnections?: number;
}

export interface Agent {
  /** The address that clients use, with the port that was taken. */
  readonly address: string;
  readonly metricsAddress: string | undefined;
  report(): AgentReport;
  /** Ends all connections and forgets everything. */
  close(): Promise<void>;
}

const leastMemoryBytes = 2 ** 20;
const leastSecretBytes = 16;

/**
 * Starts an agent in this process (or worker).
 * @throws FarUsageError for options that do not go together, an address that is taken, or one that others could reach without TLS and secret
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const address = checkedAddress(options);
  if (!(options.memoryBytes >= leastMemoryBytes))
    throw new FarUsageError(`an agent needs at least 1 MiB of memory, found ${options.memoryBytes} bytes`);
  if (options.secret !== undefined && options.secret.byteLength < leastSecretBytes)
    throw new FarUsageError(
      `the shared secret has ${options.secret.byteLength} bytes; expected at least ${leastSecretBytes}`,
    );
  const spill = options.spill ? openSpillFile(options.spill.path, options.spill.limitBytes) : undefined;
  const context = createContext(options, spill);
  const sockets = new Set<Socket>();
  const server = createListener(options, context, sockets);
  try {
    await listen(server, address);
  } catch (cause) {
    spill?.close();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FarUsageError(`cannot listen on ${formatAddress(address)}: ${reason}; choose another address or port 0`);
  }
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all([new Promise<void>((resolve) => server.close(() => resolve())), metrics?.close()]);
    context.clients.close();
    spill?.close();
    if (address.kind === 'unix') rmSync(address.path, { force: true });
  };
  let metrics: Awaited<ReturnType<typeof serveMetrics>> | undefined;
  try {
    metrics = options.metrics === undefined ? undefined : await serveMetrics(options.metrics, () => reportOf(context));
  } catch (cause) {
    await close();
    throw cause;
  }
  return {
    address: formatAddress(withPort(address, server)),
    metricsAddress: metrics?.address,
    report: () => reportOf(context),
    close,
  };
}

function createContext(options: AgentOptions, spill: SpillFile | undefined): AgentContext {
  const pool = createSegmentPool(options.memoryBytes, spill);
  const quotaBytes = options.quotaBytes ?? options.memoryBytes + (options.spill?.limitBytes ?? 0);
  const leaseSeconds = options.leaseSeconds ?? 60;
  return {
    instance: randomBytes(16).toString('hex'),
    startedAt: performance.now(),
    secret: options.secret,
    quotaBytes,
    leaseSeconds,
    pool,
    clients: createClientTable(pool, { quotaBytes, leaseSeconds }),
    operators: createOperatorTable([...builtIns, ...(options.operators ?? [])]),
    counters: createCounters(),
    frames: createFramePool(),
  };
}

function createListener(options: AgentOptions, context: AgentContext, sockets: Set<Socket>): Server {
  const { counters } = context;
  const maxConnections = options.maxConnections ?? 1024;
  const accept = (socket: Socket) => {
    if (sockets.size >= maxConnections) {
      counters.refusedConnections++;
      socket.destroy();
      return;
    }
    sockets.add(socket);
    counters.connectionsOpened++;
    counters.connectionsOpen++;
    socket.on('close', () => {
      sockets.delete(socket);
      counters.connectionsOpen--;
    });
    serveConnection(socket, context, () => undefined);
  };
  if (!options.tls) return createServer({ allowHalfOpen: true, noDelay: true }, accept);
  const server = createTlsServer({ ...options.tls, minVersion: 'TLSv1.2' }, accept);
  // A peer that does not finish the TLS handshake ends only itself.
  server.on('tlsClientError', () => {
    counters.protocolErrors++;
  });
  return server;
}

function checkedAddress({ listen: text, secret, tls }: AgentOptions): AgentAddress {
  const address = parseAddress(text);
  if (address.kind === 'tls' && !tls)
    throw new FarUsageError(`${text} asks for TLS; give a certificate and its key (--tls-cert FILE --tls-key FILE)`);
  const withTls: AgentAddress = tls && address.kind === 'tcp' ? { ...address, kind: 'tls' } : address;
  if (!isLocalOnly(withTls) && !(tls && secret))
    throw new FarUsageError(
      `${formatAddress(address)} can be reached from other machines, so the agent needs ${tls ? '' : 'TLS (--tls-cert FILE --tls-key FILE)'}${tls || secret ? '' : ' and '}${secret ? '' : 'a shared secret (--secret-file FILE)'}; or listen on 127.0.0.1`,
    );
  return withTls;
}

function listen(server: Server, address: AgentAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const done = () => {
      server.off('error', reject);
      // An accept that fails (too many files) is the peer's loss, not the agent's end.
      server.on('error', () => undefined);
      resolve();
    };
    if (address.kind === 'unix') server.listen(address.path, done);
    else server.listen(address.port, address.host, done);
  });
}

function withPort(address: AgentAddress, server: Server): AgentAddress {
  const bound = server.address();
  if (address.kind === 'unix' || typeof bound !== 'object' || bound === null) return address;
  return { ...address, port: bound.port };
}
