import type { Socket } from 'node:net';
import { encodeFree, encodeMultiGet, encodeMultiPut, maxObjectsPerFrame } from './encode.ts';
import { type InFlight, settleRead, sizeOfRead, sizeOfWrite, takeBatch } from './in-flight.ts';
import type { PatientClock } from './patient-clock.ts';
import type { Queues } from './queues.ts';
import type { ReadBatch } from './receiver.ts';
import type { ReadRequest, Waiting } from './requests.ts';
import type { Window } from './window.ts';

/** What the sender has of its link. */
export interface SenderParts {
  readonly timeoutMilliseconds: number;
  /** Objects, and bytes of objects, in flight on the connection. */
  readonly windowObjects: number;
  readonly windowBytes: number;
  readonly queues: Queues;
  /** Frames that wait for their answers, by request id. */
  readonly inFlight: Map<number, InFlight>;
  readonly flying: Window;
  readonly clock: PatientClock;
  takeRequestId(): number;
  /** The answer to a read is complete. */
  onEnd(entry: InFlight, requestId: number): void;
}

/** Makes frames of what waits in the queues of a link. */
export interface Sender {
  /** Sends as much as the window allows. */
  sendTo(socket: Socket): void;
}

/** Prefetches and write-backs leave this part of the window to demand reads. */
const backgroundShare = 0.5;
/** Demand reads wait for company while they are fewer than this share of those in flight (`isWorthWaiting`). */
const gatheredShare = 0.25;
const maxPutFrameBytes = 2 ** 20;

export function createSender(link: SenderParts): Sender {
  const { inFlight, flying } = link;
  const { demand, prefetch, writes, frees } = link.queues;
  /** Made by the call that runs now. */
  const frames: Buffer[] = [];

  /**
   * Whether answers that are under way will bring more reads to send with these few. A frame of its own for each read costs both ends a
   * system call of some 10 us, more than all else; so with many in flight they go by quarters of them. Answers call the pump again.
   */
  function isWorthWaiting(): boolean {
    const isDemandOnly = prefetch.length + writes.length + frees.length === 0;
    return isDemandOnly && demand.length < flying.demandObjects * gatheredShare;
  }

  function transmit(requestId: number, entry: InFlight, frame: Buffer): void {
    inFlight.set(requestId, entry);
    flying.enter(entry);
    frames.push(frame);
  }

  function sendReads(queue: Waiting<ReadRequest>[], share: number, isBackground: boolean): boolean {
    const used = isBackground ? flying.backgroundBytes : flying.bytes;
    const { taken: reads, bytes } = takeBatch(queue, sizeOfRead, used > 0, {
      objects: Math.min(maxObjectsPerFrame, link.windowObjects * share - flying.objects),
      bytes: link.windowBytes * share - used,
    });
    if (reads.length === 0) return false;
    const deadline = link.clock.now() + link.timeoutMilliseconds;
    const requestId = link.takeRequestId();
    const batch = createBatch(reads, () => link.onEnd(entry, requestId));
    const entry: InFlight = { kind: 'reads', deadline, bytes, isBackground, batch };
    transmit(requestId, entry, encodeMultiGet(requestId, reads));
    return true;
  }

  function createBatch(reads: readonly Waiting<ReadRequest>[], onEnd: () => void): ReadBatch {
    return {
      reads,
      onOutcome: settleRead,
      onEnd() {
        for (const read of reads) settleRead(read, { kind: 'wrong', what: 'no answer among the others' });
        onEnd();
      },
    };
  }

  function sendWrites(): boolean {
    const { taken: batch, bytes } = takeBatch(writes, sizeOfWrite, flying.backgroundBytes > 0, {
      objects: maxObjectsPerFrame,
      bytes: Math.min(maxPutFrameBytes, link.windowBytes * backgroundShare - flying.backgroundBytes),
    });
    if (batch.length === 0) return false;
    const deadline = link.clock.now() + link.timeoutMilliseconds;
    const requestId = link.takeRequestId();
    transmit(requestId, { kind: 'writes', deadline, bytes, writes: batch }, encodeMultiPut(requestId, batch));
    return true;
  }

  function sendFrees(): boolean {
    if (frees.length === 0) return false;
    // One version for a frame: the frees of one call have it in common.
    const { version } = frees[0]!;
    let count = 0;
    while (count < frees.length && count < maxObjectsPerFrame && frees[count]!.version === version) count++;
    const batch = frees.splice(0, count);
    const deadline = link.clock.now() + link.timeoutMilliseconds;
    const requestId = link.takeRequestId();
    transmit(requestId, { kind: 'frees', deadline, frees: batch }, encodeFree(requestId, version, batch));
    return true;
  }

  return {
    sendTo(socket) {
      if (isWorthWaiting()) return;
      while (sendFrees() || sendReads(demand, 1, false) || sendReads(prefetch, backgroundShare, true) || sendWrites());
      if (frames.length === 0) return;
      const [only] = frames;
      if (frames.length === 1) socket.write(only!);
      else {
        // One system call for all of them; for one alone the way through the stream's queue is only longer.
        socket.cork();
        for (const frame of frames) socket.write(frame);
        socket.uncork();
      }
      frames.length = 0;
    },
  };
}
