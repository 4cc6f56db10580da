import { checkedInteger, readBody, writeBody } from '../protocol/bytes.ts';
import {
  errorCode,
  type Frame,
  flag,
  headerBytes,
  keyBytes,
  maxObjectBytes,
  mgetEntryBytes,
  op,
  ProtocolError,
  status,
  writeHeader,
} from '../protocol/frames.ts';
import { serveCall } from './calls.ts';
import type { Connection } from './connection.ts';
import { reportOf } from './context.ts';
import type { StoredObject } from './object-log.ts';

/** Objects in one multi-get or multi-put (specs/far-memory.md A2.4: 4,096 in flight per connection). */
export const maxObjectsPerRequest = 4096;
/** An answer is cut into parts of about this size, so that the first objects arrive while the last are copied. */
const partBytes = 256 * 1024;
const countBytes = 4;

type Handler = (connection: Connection, frame: Frame) => void;

/** What the agent does for each operation. A body is borrowed: what outlives the handler is copied. */
export const handlers: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [op.get, get],
  [op.mget, multiGet],
  [op.put, put],
  [op.mput, multiPut],
  [op.free, free],
  [op.allocDs, usageOfGroup],
  [op.dropDs, dropGroup],
  [op.call, serveCall],
  [op.stat, stat],
  [op.ping, (connection, { requestId, body }) => connection.answer(requestId, op.ping, body)],
  [op.cancel, cancel],
]);

/** What a read asks for: object `ids[i]` of group `groups[i]`. */
interface Keys {
  readonly groups: readonly number[];
  readonly ids: readonly number[];
}

function get(connection: Connection, { requestId, body }: Frame): void {
  const keys = readKeys(new DataView(body.buffer, body.byteOffset, body.byteLength), 0, 1);
  connection.run(objectsSender(connection, requestId, op.get, keys));
}

function multiGet(connection: Connection, { requestId, body }: Frame): void {
  // Not by readBody, whose dozen closures are the largest part of a small request.
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  if (body.byteLength < countBytes) throw new ProtocolError('a read without its count');
  const keys = readKeys(view, countBytes, checkedCount(view.getUint32(0, true)));
  connection.run(objectsSender(connection, requestId, op.mget, keys));
}

/** The keys that are all the rest of a body. @throws ProtocolError */
function readKeys(view: DataView, from: number, count: number): Keys {
  if (view.byteLength !== from + count * keyBytes)
    throw new ProtocolError(`a read of ${count} objects has ${view.byteLength - from} bytes of keys`);
  const groups: number[] = [];
  const ids: number[] = [];
  for (let at = from; at < view.byteLength; at += keyBytes) {
    groups.push(view.getUint32(at, true));
    ids.push(checkedInteger(view.getFloat64(at + 4, true)));
  }
  return { groups, ids };
}

/** Sends part after part of an answer; each call says whether it was the last. */
function objectsSender(connection: Connection, requestId: number, operation: number, keys: Keys): () => boolean {
  const { client, context } = connection;
  const { groups, ids } = keys;
  let from = 0;
  return () => {
    const part: StoredObject[] = [];
    let dataBytes = 0;
    // Nothing changes the log between reading and copying: both happen in this turn.
    while (from + part.length < ids.length && (part.length === 0 || dataBytes < partBytes)) {
      const object = client.log.read(groups[from + part.length]!, ids[from + part.length]!);
      // The next large object opens a part of its own, so that no part exceeds a frame.
      if (object.status === status.ok && part.length > 0 && dataBytes + object.bytes.byteLength > 2 * partBytes) break;
      dataBytes += object.status === status.ok ? object.bytes.byteLength : 0;
      part.push(object);
    }
    const isLast = from + part.length >= ids.length;
    const frameBytes = headerBytes + countBytes + part.length * mgetEntryBytes + dataBytes;
    const buffer = context.frames.take(frameBytes);
    encodePart(buffer, frameBytes, requestId, operation, isLast ? 0 : flag.more, keys, from, part);
    connection.send(buffer.subarray(0, frameBytes), () => context.frames.give(buffer));
    countReads(part, dataBytes);
    from += part.length;
    return isLast;
  };

  function countReads(part: readonly StoredObject[], dataBytes: number): void {
    const { counters } = context;
    for (const object of part) {
      if (object.status === status.ok) counters.reads++;
      else if (object.status === status.absent) counters.absentReads++;
      else counters.unreadableReads++;
    }
    counters.readBytes += dataBytes;
  }
}

function encodePart(
  frame: Buffer,
  frameBytes: number,
  requestId: number,
  operation: number,
  flags: number,
  { groups, ids }: Keys,
  from: number,
  part: readonly StoredObject[],
): void {
  writeHeader(frame, 0, requestId, operation, flag.response | flags, frameBytes - headerBytes);
  frame.writeUInt32LE(part.length, headerBytes);
  let at = headerBytes + countBytes;
  let dataAt = at + part.length * mgetEntryBytes;
  for (let i = 0; i < part.length; i++) {
    const object = part[i]!;
    frame.writeUInt32LE(from + i, at);
    frame.writeUInt32LE(object.status, at + 4);
    frame.writeUInt32LE(object.status === status.ok ? object.bytes.byteLength : 0, at + 8);
    frame.writeUInt32LE(groups[from + i]!, at + 12);
    frame.writeDoubleLE(ids[from + i]!, at + 16);
    frame.writeDoubleLE(object.status === status.ok ? object.version : 0, at + 24);
    at += mgetEntryBytes;
    if (object.status !== status.ok) continue;
    frame.set(object.bytes, dataAt);
    dataAt += object.bytes.byteLength;
  }
}

function put(connection: Connection, { requestId, body }: Frame): void {
  const reader = readBody(body);
  const group = reader.u32();
  const id = reader.integer();
  const version = reader.integer();
  const result = store(connection, group, id, version, reader.rest());
  if (result === status.ok) connection.answer(requestId, op.put, new Uint8Array(0));
  else if (result === status.overQuota) connection.fail(requestId, errorCode.overQuota, quotaSentence(connection));
  else connection.fail(requestId, errorCode.agentFull, 'the memory of the agent is used up');
}

function multiPut(connection: Connection, { requestId, body }: Frame): void {
  const reader = readBody(body);
  const count = checkedCount(reader.u32());
  const entries: { readonly group: number; readonly id: number; readonly version: number; readonly size: number }[] =
    [];
  for (let i = 0; i < count; i++)
    entries.push({ group: reader.u32(), id: reader.integer(), version: reader.integer(), size: reader.u32() });
  if (entries.reduce((sum, { size }) => sum + size, 0) !== reader.remaining)
    throw new ProtocolError('the sizes of a multi-put do not add up to its bytes');
  const refused = writeBody();
  let refusals = 0;
  for (const [index, { group, id, version, size }] of entries.entries()) {
    const result = store(connection, group, id, version, reader.bytes(size));
    if (result === status.ok) continue;
    refused.u32(index).u32(result);
    refusals++;
  }
  connection.answer(requestId, op.mput, Buffer.concat([writeBody(4).u32(refusals).done(), refused.done()]));
}

function store({ client, context }: Connection, group: number, id: number, version: number, bytes: Uint8Array): number {
  if (bytes.byteLength > maxObjectBytes)
    throw new ProtocolError(`an object of ${bytes.byteLength} bytes; at most ${maxObjectBytes} fit into an answer`);
  const result = client.log.put(group, id, version, bytes);
  if (result === status.ok) {
    context.counters.writes++;
    context.counters.writtenBytes += bytes.byteLength;
  } else context.counters.refusedWrites++;
  return result;
}

function free(connection: Connection, { requestId, body }: Frame): void {
  const reader = readBody(body);
  const version = reader.integer();
  const count = reader.u32();
  let forgotten = 0;
  for (let i = 0; i < count; i++) if (connection.client.log.free(reader.u32(), reader.integer(), version)) forgotten++;
  reader.end();
  connection.context.counters.frees += forgotten;
  connection.answer(requestId, op.free, writeBody(4).u32(forgotten).done());
}

function usageOfGroup(connection: Connection, { requestId, body }: Frame): void {
  const reader = readBody(body);
  const group = reader.u32();
  reader.end();
  const { objects, bytes } = connection.client.log.usageOf(group);
  connection.answer(requestId, op.allocDs, writeBody(16).f64(objects).f64(bytes).done());
}

function dropGroup(connection: Connection, { requestId, flags, body }: Frame): void {
  const reader = readBody(body);
  const group = reader.u32();
  const version = reader.integer();
  reader.end();
  const forgotten = connection.client.log.drop((flags & flag.final) === 0 ? group : 'all', version);
  connection.context.counters.frees += forgotten;
  connection.answer(requestId, op.dropDs, writeBody(8).f64(forgotten).done());
}

function stat(connection: Connection, { requestId, body }: Frame): void {
  readBody(body).end();
  const { quotaBytes, liveBytes, objects } = connection.client.log;
  const report = { ...reportOf(connection.context), client: { quotaBytes, liveBytes, objects } };
  connection.answer(requestId, op.stat, Buffer.from(JSON.stringify(report)));
}

function cancel(connection: Connection, { body }: Frame): void {
  const reader = readBody(body);
  const call = connection.calls.get(reader.u32());
  reader.end();
  if (call) call.cancelled = true;
}

function checkedCount(count: number): number {
  if (count > maxObjectsPerRequest)
    throw new ProtocolError(`${count} objects in one request; at most ${maxObjectsPerRequest} may be`);
  return count;
}

function quotaSentence({ client }: Connection): string {
  return `the quota of ${client.log.quotaBytes} bytes is used up; free objects, ask for more when opening, or start the agent with a larger --quota`;
}
