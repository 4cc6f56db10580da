import { ProtocolError } from './frames.ts';

/** Reads the fields of a frame's body in order; every read past its end is a ProtocolError, never garbage. */
export interface BodyReader {
  readonly remaining: number;
  u8(): number;
  u16(): number;
  u32(): number;
  f64(): number;
  bytes(length: number): Uint8Array;
  text(length: number): string;
  /** A whole number from 0 to 2^53 - 1 that travels as a double. */
  integer(): number;
  /** Everything that is left. */
  rest(): Uint8Array;
  end(): void;
}

/** An id or version, which travel as doubles. @throws ProtocolError */
export function checkedInteger(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new ProtocolError(`an id or version must be a whole number from 0 to 2^53 - 1, found ${value}`);
  return value;
}

export function readBody(body: Uint8Array): BodyReader {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let at = 0;
  function take(length: number): number {
    const from = at;
    if (length > body.byteLength - from)
      throw new ProtocolError(
        `a field of ${length} bytes at byte ${from} reaches past the body's end at ${body.byteLength}`,
      );
    at = from + length;
    return from;
  }
  function f64(): number {
    return view.getFloat64(take(8), true);
  }
  function bytes(length: number): Uint8Array {
    const from = take(length);
    // Not a Buffer, whose slice() would not copy.
    return new Uint8Array(body.buffer, body.byteOffset + from, length);
  }
  return {
    get remaining() {
      return body.byteLength - at;
    },
    u8: () => view.getUint8(take(1)),
    u16: () => view.getUint16(take(2), true),
    u32: () => view.getUint32(take(4), true),
    f64,
    bytes,
    text: (length) => new TextDecoder().decode(bytes(length)),
    integer: () => checkedInteger(f64()),
    rest: () => bytes(body.byteLength - at),
    end() {
      if (at !== body.byteLength)
        throw new ProtocolError(`${body.byteLength - at} bytes are left over after the last field`);
    },
  };
}

/** Appends fields to a buffer that grows. */
export interface BodyWriter {
  readonly length: number;
  u8(value: number): BodyWriter;
  u16(value: number): BodyWriter;
  u32(value: number): BodyWriter;
  f64(value: number): BodyWriter;
  bytes(value: Uint8Array): BodyWriter;
  /** The written bytes: a view that is valid until the next write. */
  done(): Buffer;
}

export function writeBody(capacity = 256): BodyWriter {
  let buffer = Buffer.allocUnsafe(capacity);
  let length = 0;
  function reserve(more: number): number {
    if (length + more > buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(buffer.length * 2, length + more));
      buffer.copy(grown, 0, 0, length);
      buffer = grown;
    }
    length += more;
    return length - more;
  }
  // The offset is reserved before `buffer` is read, since reserving may replace it.
  const writer: BodyWriter = {
    get length() {
      return length;
    },
    u8(value) {
      const at = reserve(1);
      buffer[at] = value;
      return writer;
    },
    u16(value) {
      const at = reserve(2);
      buffer.writeUInt16LE(value, at);
      return writer;
    },
    u32(value) {
      const at = reserve(4);
      buffer.writeUInt32LE(value, at);
      return writer;
    },
    f64(value) {
      const at = reserve(8);
      buffer.writeDoubleLE(value, at);
      return writer;
    },
    bytes(value) {
      const at = reserve(value.byteLength);
      buffer.set(value, at);
      return writer;
    },
    done: () => buffer.subarray(0, length),
  };
  return writer;
}
