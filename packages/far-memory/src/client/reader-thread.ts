import { parentPort, workerData } from 'node:worker_threads';
import { parseAddress } from '../protocol/address.ts';
import { createAgentLink } from './link.ts';
import type { ReadOutcome } from './requests.ts';
import { control, outcomeWord, type ReaderThreadData, type ReaderThreadRequest } from './worker-reader.ts';

/** The thread of a blocking reader: reads what it is asked for, and wakes whoever sleeps. */
const data: ReaderThreadData = workerData;
const words = new Int32Array(data.control);
const version = new Float64Array(data.control, control.versionByte, 1);
const link = createAgentLink({
  address: parseAddress(data.address),
  credentials: data.credentials,
  timeoutMilliseconds: data.timeoutMilliseconds,
  windowObjects: 1,
  windowBytes: Number.POSITIVE_INFINITY,
  onUp: () => undefined,
  onDown: () => undefined,
});

parentPort?.on('message', ({ ticket, group, id, into, bytes }: ReaderThreadRequest) => {
  link.read({
    group,
    id,
    into: new Uint8Array(into, 0, bytes),
    priority: 'demand',
    settle(outcome) {
      if (outcome.kind === 'read') version[0] = outcome.version;
      Atomics.store(words, control.outcome, wordOf(outcome));
      Atomics.store(words, control.ticket, ticket);
      Atomics.notify(words, control.ticket);
    },
  });
});

function wordOf(outcome: ReadOutcome): number {
  if (outcome.kind !== 'failed') return outcomeWord[outcome.kind];
  return outcome.error.code === 'FAR_AGENT_TIMEOUT' ? outcomeWord.timeout : outcomeWord.closed;
}
