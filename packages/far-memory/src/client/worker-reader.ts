import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { FarUsageError } from '../errors.ts';
import { type AgentAddress, formatAddress } from '../protocol/address.ts';
import { maxObjectBytes } from '../protocol/frames.ts';
import type { ReadOutcome } from './requests.ts';
import type { Credentials } from './socket.ts';
import { failedRead, type SyncReader } from './sync-reader.ts';

/** What the thread is started with. */
export interface ReaderThreadData {
  readonly address: AgentAddressText;
  readonly credentials: Credentials;
  readonly timeoutMilliseconds: number;
  readonly control: SharedArrayBuffer;
}

type AgentAddressText = string;

/** A request to the thread; the bytes come back in `into`. */
export interface ReaderThreadRequest {
  readonly ticket: number;
  readonly group: number;
  readonly id: number;
  readonly into: SharedArrayBuffer;
  readonly bytes: number;
}

/** Words of the shared control area: the ticket that is answered, and the outcome. The version is the double at byte 8. */
export const control = { ticket: 0, outcome: 1, versionByte: 8, bytes: 16 } as const;
export const outcomeWord = { read: 1, absent: 2, wrong: 3, timeout: 4, closed: 5 } as const;
/** Connecting and the read itself may each take the time-out. */
const patience = 2.5;

/** A reader whose thread owns the connection; the calling thread sleeps until the bytes are in shared memory. */
export function createWorkerReader(
  address: AgentAddress,
  credentials: Credentials,
  timeoutMilliseconds: number,
): SyncReader {
  const shared = new SharedArrayBuffer(control.bytes);
  const words = new Int32Array(shared);
  const version = new Float64Array(shared, control.versionByte, 1);
  const options = address.options.size > 0 ? `?${address.options}` : '';
  const data: ReaderThreadData = {
    address: `${formatAddress(address)}${options}`,
    credentials,
    timeoutMilliseconds,
    control: shared,
  };
  const worker = new Worker(threadFile(), { workerData: data });
  worker.unref();
  let into = new SharedArrayBuffer(64 * 1024);
  let ticket = 0;

  function outcomeOf(word: number): ReadOutcome {
    if (word === outcomeWord.read) return { kind: 'read', version: version[0]! };
    if (word === outcomeWord.absent) return { kind: 'absent' };
    if (word === outcomeWord.wrong) return { kind: 'wrong', what: 'another object, or another length' };
    if (word === outcomeWord.closed) return failedRead(address, 'FAR_AGENT_CLOSED', 'the connection is closed');
    return failedRead(address, 'FAR_AGENT_TIMEOUT', `no answer within ${timeoutMilliseconds} ms`);
  }

  return {
    read(group, id, target) {
      if (target.byteLength > maxObjectBytes) return { kind: 'wrong', what: 'a buffer larger than any object' };
      if (into.byteLength < target.byteLength) into = new SharedArrayBuffer(target.byteLength * 2);
      ticket = (ticket + 1) & 0x7fff_ffff;
      const before = Atomics.load(words, control.ticket);
      const request: ReaderThreadRequest = { ticket, group, id, into, bytes: target.byteLength };
      worker.postMessage(request);
      const woken = Atomics.wait(words, control.ticket, before, timeoutMilliseconds * patience);
      if (woken === 'timed-out' || Atomics.load(words, control.ticket) !== ticket) {
        // A late answer may still be written there.
        into = new SharedArrayBuffer(into.byteLength);
        return outcomeOf(outcomeWord.timeout);
      }
      const outcome = outcomeOf(Atomics.load(words, control.outcome));
      if (outcome.kind === 'read') target.set(new Uint8Array(into, 0, target.byteLength));
      return outcome;
    },
    close: () => void worker.terminate(),
  };
}

/** The thread's program: beside this file once built; sources run with the built one. @throws FarUsageError when nothing is built */
function threadFile(): URL {
  const file = import.meta.url.endsWith('.ts')
    ? new URL('../../dist/client/reader-thread.js', import.meta.url)
    : new URL('./reader-thread.js', import.meta.url);
  if (existsSync(file)) return file;
  throw new FarUsageError(
    `${file.pathname} is missing: blocking reads by a thread need the built package; build it, or use sync: 'ffi'`,
  );
}
