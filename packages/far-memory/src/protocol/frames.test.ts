import { describe, expect, it } from 'vitest';
import { createFrameSplitter, headerBytes, lengthBytes, ProtocolError } from './frames.ts';

const most = 1000;
const least = headerBytes - lengthBytes;

describe('a stream of frames', () => {
  it.each([0, least - 1, most + 1, 0xffff_ffff])('refuses a length of %i as soon as it is there', (length) => {
    const splitter = createFrameSplitter(
      () => most,
      () => expect.unreachable(),
    );
    const header = Buffer.alloc(headerBytes);
    header.writeUInt32LE(length, 0);
    expect(() => splitter.push(header.subarray(0, lengthBytes))).toThrow(ProtocolError);
    const whole = createFrameSplitter(
      () => most,
      () => expect.unreachable(),
    );
    expect(() => whole.push(header)).toThrow(/length must be from 6 to 1000 bytes/);
  });

  it.each([least, most])('takes a length of %i', (length) => {
    const bodies: number[] = [];
    const splitter = createFrameSplitter(
      () => most,
      ({ body }) => bodies.push(body.byteLength),
    );
    const frame = Buffer.alloc(lengthBytes + length);
    frame.writeUInt32LE(length, 0);
    splitter.push(frame);
    expect(bodies).toEqual([length - least]);
  });
});
