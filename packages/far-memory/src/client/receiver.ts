import {
  type Frame,
  flag,
  headerBytes,
  lengthBytes,
  maxFrameBytes,
  mgetEntryBytes,
  op,
  ProtocolError,
  status,
} from '../protocol/frames.ts';
import { copyBytes } from './copy.ts';
import type { ReadOutcome, ReadRequest, Waiting } from './requests.ts';

/** The reads of one frame, in its order. */
export interface ReadBatch {
  readonly reads: readonly Waiting<ReadRequest>[];
  /** An object of the batch is complete, or will not come. */
  onOutcome(read: Waiting<ReadRequest>, outcome: ReadOutcome): void;
  /** The last part is complete. */
  onEnd(): void;
}

export interface Receiver {
  /** @throws ProtocolError */
  push(chunk: Uint8Array): void;
}

interface Sink {
  readonly read: Waiting<ReadRequest>;
  readonly outcome: ReadOutcome;
  readonly size: number;
  /** Whether the bytes are what was asked for and go into the reader's buffer. */
  readonly isWanted: boolean;
}

type State =
  | { readonly kind: 'header' }
  | { readonly kind: 'body'; readonly body: Uint8Array }
  /** The table of an answer to a multi-get: its count first, then its entries. */
  | {
      readonly kind: 'table';
      readonly batch: ReadBatch;
      readonly bodyBytes: number;
      readonly isLast: boolean;
      tableBytes: number;
    }
  | {
      readonly kind: 'data';
      readonly batch: ReadBatch;
      readonly isLast: boolean;
      readonly sinks: readonly Sink[];
      next: number;
    };

const countBytes = 4;
const header: State = { kind: 'header' };
/** Room for the table of a few objects; grows to that of the largest answer. */
const firstTableBytes = 4096;
/** Up to here a loop copies faster than a call that needs a view of the bytes. */
const shortBytes = 48;

/**
 * Takes the byte stream of an agent apart. The bytes of objects go from the chunk straight into the reader's buffer; all other answers are
 * gathered and handed to `onFrame`.
 */
export function createReceiver(
  batchOf: (requestId: number) => ReadBatch | undefined,
  onFrame: (frame: Frame) => void,
): Receiver {
  const head = new Uint8Array(headerBytes);
  const headView = new DataView(head.buffer);
  // One table for all answers: an array made for each costs more than all that is done with it.
  const table = { bytes: new Uint8Array(firstTableBytes), view: new DataView(new ArrayBuffer(0)) };
  table.view = new DataView(table.bytes.buffer);
  let state: State = header;
  let filled = 0;

  /** Fills `into` up to `size` from the chunk; where in the chunk it goes on. */
  function fill(into: Uint8Array, size: number, chunk: Uint8Array, at: number): number {
    const wanted = Math.min(size - filled, chunk.byteLength - at);
    if (wanted <= shortBytes) for (let i = 0; i < wanted; i++) into[filled + i] = chunk[at + i]!;
    else into.set(chunk.subarray(at, at + wanted), filled);
    filled += wanted;
    return at + wanted;
  }

  function enter(next: State): void {
    state = next;
    filled = 0;
  }

  function onHeader(): void {
    const length = headView.getUint32(0, true);
    if (length < headerBytes - lengthBytes || length > maxFrameBytes)
      throw new ProtocolError(`a frame says that it has ${length} bytes`);
    const bodyBytes = length - (headerBytes - lengthBytes);
    const operation = head[8]!;
    const flags = head[9]!;
    if ((flags & flag.response) === 0) throw new ProtocolError('an agent sent a request');
    if (operation !== op.get && operation !== op.mget) {
      enter({ kind: 'body', body: new Uint8Array(bodyBytes) });
      return;
    }
    const batch = batchOf(headView.getUint32(4, true));
    if (batch === undefined) throw new ProtocolError('an answer to a read that was not asked for');
    if (bodyBytes < countBytes) throw new ProtocolError('an answer to a read without its count');
    const isLast = (flags & flag.more) === 0;
    enter({ kind: 'table', batch, bodyBytes, isLast, tableBytes: countBytes });
  }

  function onTable(current: Extract<State, { kind: 'table' }>): void {
    const count = table.view.getUint32(0, true);
    const tableBytes = countBytes + count * mgetEntryBytes;
    if (count > current.batch.reads.length || tableBytes > current.bodyBytes)
      throw new ProtocolError(`an answer with ${count} objects to a read of ${current.batch.reads.length}`);
    if (current.tableBytes < tableBytes) {
      current.tableBytes = tableBytes;
      growTable(tableBytes);
      return;
    }
    const sinks: Sink[] = [];
    let dataBytes = 0;
    for (let at = countBytes; at < tableBytes; at += mgetEntryBytes) {
      const sink = readEntry(current.batch, table.view, at);
      sinks.push(sink);
      dataBytes += sink.size;
    }
    if (tableBytes + dataBytes !== current.bodyBytes)
      throw new ProtocolError('the sizes in an answer to a read do not add up to its bytes');
    enter({ kind: 'data', batch: current.batch, isLast: current.isLast, sinks, next: 0 });
  }

  function growTable(wantedBytes: number): void {
    if (table.bytes.byteLength >= wantedBytes) return;
    const grown = new Uint8Array(wantedBytes);
    grown.set(table.bytes.subarray(0, filled));
    table.bytes = grown;
    table.view = new DataView(grown.buffer);
  }

  /** Hands over the objects that need no more bytes; whether all are done. */
  function finishSinks(current: Extract<State, { kind: 'data' }>): boolean {
    for (
      let sink = current.sinks[current.next];
      sink !== undefined && filled === sink.size;
      sink = current.sinks[current.next]
    ) {
      current.batch.onOutcome(sink.read, sink.outcome);
      current.next++;
      filled = 0;
    }
    if (current.next < current.sinks.length) return false;
    if (current.isLast) current.batch.onEnd();
    return true;
  }

  function onData(current: Extract<State, { kind: 'data' }>, chunk: Uint8Array, from: number): number {
    const sink = current.sinks[current.next]!;
    const bytes = Math.min(sink.size - filled, chunk.byteLength - from);
    // A read that was given up meanwhile has its buffer back.
    if (sink.isWanted && !sink.read.settled) copyBytes(sink.read.request.into, filled, chunk, from, bytes);
    filled += bytes;
    return from + bytes;
  }

  return {
    push(chunk) {
      let at = 0;
      for (;;) {
        if (state.kind === 'data') {
          if (finishSinks(state)) {
            enter(header);
            continue;
          }
          if (at === chunk.byteLength) return;
          at = onData(state, chunk, at);
          continue;
        }
        if (state.kind === 'header') {
          at = fill(head, headerBytes, chunk, at);
          if (filled < headerBytes) return;
          onHeader();
        } else if (state.kind === 'table') {
          at = fill(table.bytes, state.tableBytes, chunk, at);
          if (filled < state.tableBytes) return;
          onTable(state);
        } else {
          const { body } = state;
          at = fill(body, body.byteLength, chunk, at);
          if (filled < body.byteLength) return;
          enter(header);
          onFrame({ requestId: headView.getUint32(4, true), op: head[8]!, flags: head[9]!, body });
        }
      }
    },
  };
}

function readEntry(batch: ReadBatch, view: DataView, at: number): Sink {
  const index = view.getUint32(at, true);
  const outcomeStatus = view.getUint32(at + 4, true);
  const size = view.getUint32(at + 8, true);
  const group = view.getUint32(at + 12, true);
  const id = view.getFloat64(at + 16, true);
  const version = view.getFloat64(at + 24, true);
  const read = batch.reads[index];
  if (read === undefined || read.answeredIn === batch)
    throw new ProtocolError(`an answer to a read says object ${index} twice, or one that was not asked for`);
  read.answeredIn = batch;
  const { request } = read;
  if (request.group !== group || request.id !== id)
    return {
      read,
      size,
      isWanted: false,
      outcome: { kind: 'wrong', what: `object ${group}/${id} in place of ${request.group}/${request.id}` },
    };
  if (outcomeStatus !== status.ok) return { read, size, isWanted: false, outcome: { kind: 'absent' } };
  if (size !== request.into.byteLength)
    return {
      read,
      size,
      isWanted: false,
      outcome: { kind: 'wrong', what: `${size} bytes in place of ${request.into.byteLength}` },
    };
  return { read, size, isWanted: true, outcome: { kind: 'read', version } };
}
