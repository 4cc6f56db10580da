import type { FarMemoryError } from '../errors.ts';
import type { ReadBatch } from './receiver.ts';
import type { FreeRequest, ReadOutcome, ReadRequest, Waiting, WriteRequest } from './requests.ts';

/** A frame that waits for its answer. */
export type InFlight =
  | {
      readonly kind: 'reads';
      readonly deadline: number;
      readonly batch: ReadBatch;
      readonly bytes: number;
      readonly isBackground: boolean;
    }
  | {
      readonly kind: 'writes';
      readonly deadline: number;
      readonly writes: readonly Waiting<WriteRequest>[];
      readonly bytes: number;
    }
  | { readonly kind: 'frees'; readonly deadline: number; readonly frees: readonly FreeRequest[] }
  | {
      readonly kind: 'other';
      readonly deadline: number;
      readonly operation: number;
      readonly parts: Uint8Array[];
      resolve(body: Uint8Array): void;
      reject(error: FarMemoryError): void;
    };

export function settleRead(read: Waiting<ReadRequest>, outcome: ReadOutcome): void {
  if (read.settled) return;
  read.settled = true;
  read.request.settle(outcome);
}

export function settleWrite(write: Waiting<WriteRequest>, error: FarMemoryError | undefined): void {
  if (write.settled) return;
  write.settled = true;
  write.request.settle(error);
}

/** Fails the requests of a frame that have had no answer; those of frees stay for the agent to hear. */
export function failEntry(entry: InFlight, error: FarMemoryError): void {
  if (entry.kind === 'other') entry.reject(error);
  else if (entry.kind === 'writes') for (const write of entry.writes) settleWrite(write, error);
  else if (entry.kind === 'reads') for (const read of entry.batch.reads) settleRead(read, { kind: 'failed', error });
}

/** Takes what is past its deadline out of a queue. */
export function expire<Request>(
  queue: Waiting<Request>[],
  now: number,
  onLate: (late: Waiting<Request>) => void,
): void {
  while (queue.length > 0 && queue[0]!.deadline <= now) onLate(queue.shift()!);
}

export function sizeOfRead({ into }: ReadRequest): number {
  return into.byteLength;
}

export function sizeOfWrite({ bytes }: WriteRequest): number {
  return bytes.byteLength;
}

/**
 * Takes from the front of a queue what fits into a frame and the window, leaving out what was given up. When nothing else is in flight one
 * request always goes, however large.
 */
export function takeBatch<Request>(
  queue: Waiting<Request>[],
  sizeOf: (request: Request) => number,
  isBusy: boolean,
  room: { readonly objects: number; readonly bytes: number },
): { readonly taken: readonly Waiting<Request>[]; readonly bytes: number } {
  const taken: Waiting<Request>[] = [];
  let bytes = 0;
  let passed = 0;
  for (const waiting of queue) {
    const size = sizeOf(waiting.request);
    const isFull = taken.length >= room.objects || bytes + size > room.bytes;
    if (isFull && (taken.length > 0 || isBusy)) break;
    passed++;
    if (waiting.settled) continue;
    taken.push(waiting);
    bytes += size;
  }
  queue.splice(0, passed);
  return { taken, bytes };
}
