import { flag, headerBytes, keyBytes, mputEntryBytes, op, writeHeader } from '../protocol/frames.ts';
import type { FreeRequest, ReadRequest, Waiting, WriteRequest } from './requests.ts';

/** Objects that one frame asks for (specs/far-memory.md A2.4: 4,096 in flight). */
export const maxObjectsPerFrame = 4096;

export function encodeMultiGet(requestId: number, reads: readonly Waiting<ReadRequest>[]): Buffer {
  const bodyBytes = 4 + reads.length * keyBytes;
  const frame = Buffer.allocUnsafe(headerBytes + bodyBytes);
  writeHeader(frame, 0, requestId, op.mget, 0, bodyBytes);
  let at = frame.writeUInt32LE(reads.length, headerBytes);
  for (const { request } of reads) at = frame.writeDoubleLE(request.id, frame.writeUInt32LE(request.group, at));
  return frame;
}

export function encodeMultiPut(requestId: number, writes: readonly Waiting<WriteRequest>[]): Buffer {
  const dataBytes = writes.reduce((sum, { request }) => sum + request.bytes.byteLength, 0);
  const bodyBytes = 4 + writes.length * mputEntryBytes + dataBytes;
  const frame = Buffer.allocUnsafeSlow(headerBytes + bodyBytes);
  writeHeader(frame, 0, requestId, op.mput, 0, bodyBytes);
  let at = frame.writeUInt32LE(writes.length, headerBytes);
  let dataAt = at + writes.length * mputEntryBytes;
  for (const { request } of writes) {
    at = frame.writeUInt32LE(request.group, at);
    at = frame.writeDoubleLE(request.id, at);
    at = frame.writeDoubleLE(request.version, at);
    at = frame.writeUInt32LE(request.bytes.byteLength, at);
    frame.set(request.bytes, dataAt);
    dataAt += request.bytes.byteLength;
  }
  return frame;
}

export function encodeFree(requestId: number, version: number, frees: readonly FreeRequest[]): Buffer {
  const bodyBytes = 12 + frees.length * keyBytes;
  const frame = Buffer.allocUnsafe(headerBytes + bodyBytes);
  writeHeader(frame, 0, requestId, op.free, 0, bodyBytes);
  let at = frame.writeUInt32LE(frees.length, frame.writeDoubleLE(version, headerBytes));
  for (const { group, id } of frees) at = frame.writeDoubleLE(id, frame.writeUInt32LE(group, at));
  return frame;
}

/** A request to forget one group, or all of the client's objects. */
export function dropFlags(group: number | 'all'): number {
  return group === 'all' ? flag.final : 0;
}
