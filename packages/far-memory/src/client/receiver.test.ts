import { describe, expect, it } from 'vitest';
import { type Frame, flag, headerBytes, lengthBytes, maxFrameBytes, op, ProtocolError } from '../protocol/frames.ts';
import { createReceiver } from './receiver.ts';

function headerOf(length: number): Uint8Array {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32LE(length, 0);
  header.writeUInt32LE(7, 4);
  header[8] = op.ping;
  header[9] = flag.response;
  return header;
}

const leastLength = headerBytes - lengthBytes;

describe('what arrives from an agent', () => {
  it.each([0, 1, leastLength - 1, maxFrameBytes + 1, 0xffff_ffff])(
    'is no frame when it says that it has %i bytes, and that is an error of the protocol',
    (length) => {
      const receiver = createReceiver(
        () => undefined,
        () => expect.unreachable(),
      );
      expect(() => receiver.push(headerOf(length))).toThrow(ProtocolError);
    },
  );

  it('is a frame without a body, or with one, in whatever pieces it comes', () => {
    const stream = Buffer.concat([headerOf(leastLength), headerOf(leastLength + 3), Uint8Array.of(1, 2, 3)]);
    for (let size = 1; size <= stream.length; size++) {
      const frames: Frame[] = [];
      const receiver = createReceiver(
        () => undefined,
        (frame) => frames.push(frame),
      );
      for (let at = 0; at < stream.length; at += size) receiver.push(stream.subarray(at, at + size));
      expect(frames.map(({ requestId, body }) => [requestId, ...body])).toEqual([[7], [7, 1, 2, 3]]);
    }
  });
});
