import { randomBytes } from 'node:crypto';
import { dropFlags } from '../client/encode.ts';
import { createAgentLink } from '../client/link.ts';
import { type Credentials, secretOf } from '../client/socket.ts';
import { createSyncReader, type SyncMode, type SyncReader } from '../client/sync-reader.ts';
import { FarAgentError, FarMemoryError, FarOperatorError, FarUsageError } from '../errors.ts';
import { builtIns } from '../operators/built-ins.ts';
import type { Operator } from '../operators/operator.ts';
import { createOperatorTable } from '../operators/operator-table.ts';
import { formatAddress, parseAddress } from '../protocol/address.ts';
import { writeBody } from '../protocol/bytes.ts';
import { op } from '../protocol/frames.ts';
import { clientIdBytes } from '../protocol/hello.ts';
import type { AgentStats, HealthReport, RemoteStore } from '../remote-store.ts';
import { callOperator } from './calls.ts';
import { healthOf } from './health.ts';
import { createMembership } from './membership.ts';
import { readObject } from './reads.ts';
import { createRepairer } from './repair.ts';
import { type ClusterState, createState, keyOf, type Member, maxAgents, setHolders } from './state.ts';
import { readObjectSync } from './sync-reads.ts';
import { writeObject } from './writes.ts';

export interface ClusterOptions {
  /** Addresses: `tcp://127.0.0.1:7900`, `unix:///run/far.sock`, `tls://far.example:7900?ca=FILE&secret-file=FILE`; 1 to 31 of them. */
  readonly agents: readonly string[];
  /** Agents that hold each object; default 1. With fewer agents at hand, as many as there are. */
  readonly replicas?: 1 | 2 | 3;
  /** `crc32`: every read is checked against what was written (2.8 us per 8 KiB); default `none`. */
  readonly integrity?: 'none' | 'crc32';
  /** Shared secret for addresses that name no file of their own. */
  readonly secret?: Uint8Array;
  /** A request without an answer for so long fails, ms; default 2,000. */
  readonly timeoutMilliseconds?: number;
  /** The same for operators; default 60,000. */
  readonly callTimeoutMilliseconds?: number;
  /** Bytes wanted on each agent; default: what the agent grants. */
  readonly quotaBytes?: number;
  /** Requests in flight per agent; default 4,096 objects and 32 MiB. */
  readonly windowObjects?: number;
  readonly windowBytes?: number;
  /** An agent that is out of reach for so long has forgotten us, ms; default: its lease, 60,000 before it is known. */
  readonly deadAfterMilliseconds?: number;
  /** How `readSync` works; default `off`. */
  readonly sync?: SyncMode;
  /** Operators beside the built-in ones; the agents need the same. */
  readonly operators?: readonly Operator[];
  /** 16 bytes that name this client to the agents; default random. Another process that knows them can reach the same objects. */
  readonly clientId?: Uint8Array;
  /** Leaves the objects on the agents at `close`, until the lease runs out; default false. */
  readonly keepOnClose?: boolean;
}

/** Objects on one agent or several. */
export interface Cluster extends RemoteStore {
  /** Another agent to store on. Objects that have too few replicas are copied to it. */
  addAgent(address: string): Promise<void>;
  /** What is where, counted now. */
  health(): HealthReport;
  /** Resolves when every object has the replicas that it can have. */
  repaired(): Promise<void>;
}

const forgetMilliseconds = 1000;

/**
 * Connects to agents. Resolves when each was reached or tried once, and at least one is there; the others may come later.
 * @throws FarUsageError for options that do not fit, FarAgentError when no agent can be reached
 */
export async function connectAgents(options: ClusterOptions): Promise<Cluster> {
  if (options.agents.length === 0) throw new FarUsageError('no agent is named; expected at least one address');
  const replicas = options.replicas ?? 1;
  if (!(Number.isInteger(replicas) && replicas >= 1 && replicas <= 3))
    throw new FarUsageError(`replicas is ${replicas}; expected 1, 2 or 3`);
  const timeoutMilliseconds = options.timeoutMilliseconds ?? 2000;
  const operators = createOperatorTable([...builtIns, ...(options.operators ?? [])]);
  const state = createState(replicas, options.integrity === 'crc32');
  const repairer = createRepairer(state);
  const membership = createMembership(state, repairer.schedule, options.deadAfterMilliseconds);
  const clientId = options.clientId ?? randomBytes(clientIdBytes);
  if (clientId.byteLength !== clientIdBytes)
    throw new FarUsageError(`a client id has ${clientIdBytes} bytes, found ${clientId.byteLength}`);
  const readers: SyncReader[] = [];

  function join(text: string): Promise<void> {
    const address = parseAddress(text);
    if (state.members.length >= maxAgents) throw new FarUsageError(`at most ${maxAgents} agents can be used together`);
    if (state.members.some(({ link }) => link.name === formatAddress(address)))
      throw new FarUsageError(`agent ${formatAddress(address)} is named twice`);
    const credentials: Credentials = {
      clientId,
      quotaBytes: options.quotaBytes ?? 0,
      secret: secretOf(address) ?? options.secret,
    };
    const joined = membership.join(formatAddress(address), ({ onUp, onDown }) =>
      createAgentLink({
        address,
        credentials,
        timeoutMilliseconds,
        windowObjects: options.windowObjects ?? 4096,
        windowBytes: options.windowBytes ?? 32 * 2 ** 20,
        onUp,
        onDown,
      }),
    );
    if (options.sync !== undefined && options.sync !== 'off')
      readers.push(createSyncReader(options.sync, address, credentials, timeoutMilliseconds));
    return joined;
  }

  async function close(): Promise<void> {
    if (state.isClosed) return;
    state.isClosed = true;
    if (!options.keepOnClose) await Promise.all(state.members.map(forgetEverything));
    disconnect();
  }

  function disconnect(): void {
    for (const reader of readers) reader.close();
    for (const { link } of state.members) link.close();
    membership.close();
  }

  try {
    await someOf(options.agents.map(join));
  } catch (cause) {
    state.isClosed = true;
    disconnect();
    throw cause;
  }
  const open = <T>(work: () => T): T => {
    if (state.isClosed) throw closedError();
    return work();
  };

  const cluster: Cluster = {
    read(group, id, into, priority) {
      return state.isClosed ? Promise.reject(closedError()) : readObject(state, group, id, into, priority);
    },
    write: async (group, id, bytes) => open(() => writeObject(state, group, id, bytes, repairer.schedule)),
    free(group, ids) {
      const version = ++state.clock;
      for (const id of ids) freeObject(state, group, id, version);
    },
    dropGroup: async (group) => open(() => dropGroup(state, group)),
    async call(name, version, group, ids, argument) {
      open(() => undefined);
      const operator = operators.get(name, version);
      // What is still on its way belongs to the input.
      if (state.pending.size > 0) await Promise.all(Array.from(ids, (id) => state.pending.get(keyOf(group, id))?.done));
      const callTimeout = options.callTimeoutMilliseconds ?? 60_000;
      try {
        return await callOperator(state, { operator, group, ids, argument, timeoutMilliseconds: callTimeout });
      } catch (cause) {
        if (cause instanceof FarMemoryError) throw cause;
        throw new FarOperatorError(`operator ${name} failed: ${cause instanceof Error ? cause.message : cause}`);
      }
    },
    async flush() {
      await Promise.all([...state.pending.values()].map(({ done }) => done));
    },
    stats: () => ({ ...state.counters, agents: state.members.map(statsOf) }),
    close,
    addAgent: (address) => open(() => join(address)),
    health: () => healthOf(state, repairer.isRunning),
    repaired: repairer.settled,
  };
  if (readers.length === 0) return cluster;
  return { ...cluster, readSync: (group, id, into) => open(() => readObjectSync(state, readers, group, id, into)) };
}

function closedError(): FarAgentError {
  return new FarAgentError('FAR_AGENT_CLOSED', 'all', 'the store was closed');
}

async function forgetEverything({ link }: Member): Promise<void> {
  if (link.state !== 'up') return;
  const body = writeBody().u32(0).f64(Number.MAX_SAFE_INTEGER).done();
  await link.request(op.dropDs, dropFlags('all'), body, forgetMilliseconds).catch(() => undefined);
}

function freeObject(state: ClusterState, group: number, id: number, version: number): void {
  const { directory, members, pending, doubts } = state;
  const write = pending.get(keyOf(group, id));
  if (write) write.isFreed = true;
  const row = directory.find(group, id);
  const isDoubtful = doubts.delete(keyOf(group, id));
  if (row < 0 && !isDoubtful) return;
  const holders = row < 0 || isDoubtful ? -1 : directory.get('holders', row);
  for (const { link, bit } of members) if ((holders & bit) !== 0) link.free({ group, id, version });
  if (row < 0) return;
  setHolders(state, row, 0, 0);
  directory.remove(group, id);
}

async function dropGroup(state: ClusterState, group: number): Promise<void> {
  const { directory, members, pending } = state;
  const version = ++state.clock;
  const ids: number[] = [];
  directory.forEach((row) => {
    if (directory.groupOf(row) === group) ids.push(directory.idOf(row));
  });
  for (const [key, write] of pending) if (key.startsWith(`${group}/`)) write.isFreed = true;
  const away = members.filter(({ link }) => link.state !== 'up');
  // One that is away is told object by object when it comes back.
  for (const { link, bit } of away)
    for (const id of ids)
      if ((directory.get('holders', directory.find(group, id)) & bit) !== 0) link.free({ group, id, version });
  for (const id of ids) {
    setHolders(state, directory.find(group, id), 0, 0);
    directory.remove(group, id);
  }
  const body = writeBody().u32(group).f64(version).done();
  await Promise.all(
    members
      .filter((member) => !away.includes(member))
      .map(async ({ link }) => {
        try {
          await link.request(op.dropDs, dropFlags(group), body);
        } catch (error) {
          if (!(error instanceof FarMemoryError)) throw error;
          for (const id of ids) link.free({ group, id, version });
        }
      }),
  );
}

function statsOf({ link, isDead, objects, bytes, lost }: Member): AgentStats {
  const state = isDead ? 'dead' : link.state === 'up' ? 'connected' : 'connecting';
  return { address: link.name, state, objects, bytes, inFlight: link.inFlightObjects, lost };
}

/** Resolves when all are settled and one was fulfilled; rejects with the first reason when none was. */
async function someOf(promises: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(promises);
  const [first] = results;
  if (first?.status === 'rejected' && results.every(({ status }) => status === 'rejected')) throw first.reason;
}
