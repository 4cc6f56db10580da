import { FarAgentError, FarUsageError } from '../errors.ts';
import { type AgentAddress, formatAddress } from '../protocol/address.ts';
import { createFfiReader } from './ffi-reader.ts';
import type { ReadOutcome } from './requests.ts';
import type { Credentials } from './socket.ts';
import { createWorkerReader } from './worker-reader.ts';

/**
 * How a read blocks: `ffi` calls the system's sockets directly (needs the optional package koffi; not for TLS), `worker` lets a thread read
 * while this one sleeps, `auto` takes the first that works, `off` has none.
 */
export type SyncMode = 'auto' | 'ffi' | 'worker' | 'off';

/** Reads from one agent on a connection of its own, while the calling thread waits. */
export interface SyncReader {
  /** Never throws; takes at most the time-out, twice when the connection has to be opened again. */
  read(group: number, id: number, into: Uint8Array): ReadOutcome;
  close(): void;
}

/** @throws FarUsageError when `ffi` is asked for and cannot be */
export function createSyncReader(
  mode: Exclude<SyncMode, 'off'>,
  address: AgentAddress,
  credentials: Credentials,
  timeoutMilliseconds: number,
): SyncReader {
  if (mode === 'worker') return createWorkerReader(address, credentials, timeoutMilliseconds);
  const ffi = createFfiReader(address, credentials, timeoutMilliseconds);
  if (typeof ffi !== 'string') return ffi;
  if (mode === 'auto') return createWorkerReader(address, credentials, timeoutMilliseconds);
  throw new FarUsageError(`sync: 'ffi' cannot be used for ${formatAddress(address)}: ${ffi}; use 'worker' or 'auto'`);
}

export function failedRead(
  address: AgentAddress,
  code: 'FAR_AGENT_TIMEOUT' | 'FAR_AGENT_CLOSED',
  reason: string,
): ReadOutcome {
  const name = formatAddress(address);
  return { kind: 'failed', error: new FarAgentError(code, name, `agent ${name}: ${reason}`) };
}
