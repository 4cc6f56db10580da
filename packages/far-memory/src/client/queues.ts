import type { FarMemoryError } from '../errors.ts';
import { expire, type InFlight, settleRead, settleWrite } from './in-flight.ts';
import type { FreeRequest, ReadRequest, Waiting, WriteRequest } from './requests.ts';

/** What waits for its turn on the connection of a link, each kind in the order in which it came. */
export interface Queues {
  readonly demand: Waiting<ReadRequest>[];
  readonly prefetch: Waiting<ReadRequest>[];
  readonly writes: Waiting<WriteRequest>[];
  readonly frees: FreeRequest[];
  isEmpty(): boolean;
  /** @param deadline on the clock of the link, ms */
  addRead(request: ReadRequest, deadline: number): void;
  addWrite(request: WriteRequest, deadline: number): void;
  /** The connection ended: what was in flight on it goes to the front again, unless it was interrupted too often. */
  putBack(entry: InFlight, error: FarMemoryError): void;
  /** Reads and writes fail; frees stay, since the agent may come back. */
  fail(error: FarMemoryError): void;
  /** The same for those past their deadline. */
  expire(now: number, error: FarMemoryError): void;
}

/** A request that was in flight on this many connections that ended is given up: it may be what ends them. */
const maxInterruptions = 4;

function waiting<Request>(request: Request, deadline: number): Waiting<Request> {
  return { request, deadline, interruptions: 0, settled: false, answeredIn: undefined };
}

export function createQueues(): Queues {
  const demand: Waiting<ReadRequest>[] = [];
  const prefetch: Waiting<ReadRequest>[] = [];
  const writes: Waiting<WriteRequest>[] = [];
  const frees: FreeRequest[] = [];

  function queueOf({ priority }: ReadRequest): Waiting<ReadRequest>[] {
    return priority === 'demand' ? demand : prefetch;
  }

  function putReadsBack(reads: readonly Waiting<ReadRequest>[], error: FarMemoryError): void {
    for (const read of reads) {
      if (read.settled) continue;
      if (++read.interruptions >= maxInterruptions) settleRead(read, { kind: 'failed', error });
      else queueOf(read.request).unshift(read);
    }
  }

  function putWritesBack(interrupted: readonly Waiting<WriteRequest>[], error: FarMemoryError): void {
    for (const write of interrupted.toReversed())
      if (++write.interruptions >= maxInterruptions) settleWrite(write, error);
      else if (!write.settled) writes.unshift(write);
  }

  return {
    demand,
    prefetch,
    writes,
    frees,
    isEmpty: () => demand.length + prefetch.length + writes.length + frees.length === 0,
    addRead: (request, deadline) => void queueOf(request).push(waiting(request, deadline)),
    addWrite: (request, deadline) => void writes.push(waiting(request, deadline)),
    putBack(entry, error) {
      if (entry.kind === 'other') entry.reject(error);
      else if (entry.kind === 'frees') frees.unshift(...entry.frees);
      else if (entry.kind === 'reads') putReadsBack(entry.batch.reads, error);
      else putWritesBack(entry.writes, error);
    },
    fail(error) {
      for (const read of [...demand.splice(0), ...prefetch.splice(0)]) settleRead(read, { kind: 'failed', error });
      for (const write of writes.splice(0)) settleWrite(write, error);
    },
    expire(now, error) {
      for (const queue of [demand, prefetch]) expire(queue, now, (read) => settleRead(read, { kind: 'failed', error }));
      expire(writes, now, (write) => settleWrite(write, error));
    },
  };
}
