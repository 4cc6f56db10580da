import type { AgentAddress } from '../protocol/address.ts';
import type { ReadOutcome } from './requests.ts';
import type { Credentials } from './socket.ts';

/**
 * How a read blocks: `ffi` calls the system's sockets directly (needs the optional package koffi; not for TLS), `worker` lets a thread read
 * while this one sleeps, `auto` takes the first that works, `off` has none.
 */
export type SyncMode = 'auto' | 'ffi' | 'worker' | 'off';

/** Reads from one agent on a connection of its own, while the calling thread waits. */
export interface SyncReader {
  /** Never throws; takes at most the time-out. */
  read(group: number, id: number, into: Uint8Array): ReadOutcome;
  close(): void;
}

export function createSyncReader(
  _mode: Exclude<SyncMode, 'off'>,
  _address: AgentAddress,
  _credentials: Credentials,
  _timeoutMilliseconds: number,
): SyncReader {
  throw new Error('not yet');
}
