import type { Views } from '../arena/views.ts';
import { FarUsageError } from '../errors.ts';
import type { Location } from '../handles/words.ts';
import type { ExactForm, Layout } from './layout.ts';
import { cellViewer } from './scalars.ts';

/** Bytes or text, inline. Reading copies. */
export interface ByteStringLayout<Value> extends Layout<Value> {
  readonly kind: 'byteString';
}

const LENGTH_BYTES = 4;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function requireSize(what: string, bytes: number): void {
  if (!Number.isInteger(bytes) || bytes < 0)
    throw new FarUsageError(`${what} takes a whole number of bytes from 0 on, not ${bytes}`);
}

/** Up to here a loop is faster than the call of `set`, which costs some 100 ns: keys are short. */
const LOOPED_BYTES = 32;

function copyInto(into: Uint8Array, byteOffset: number, value: Uint8Array): void {
  const { length } = value;
  if (length > LOOPED_BYTES) into.set(value, byteOffset);
  else for (let at = 0; at < length; at++) into[byteOffset + at] = value[at]!;
}

/** Exactly `byteLength` bytes. */
export function bytes(byteLength: number): ByteStringLayout<Uint8Array> {
  requireSize('bytes(byteLength)', byteLength);
  const read = (views: Views, byteOffset: number) => views.u8.slice(byteOffset, byteOffset + byteLength);
  const write = (views: Views, byteOffset: number, value: Uint8Array) => {
    if (value.length !== byteLength)
      throw new FarUsageError(`bytes(${byteLength}) takes ${byteLength} bytes, not ${value.length}`);
    copyInto(views.u8, byteOffset, value);
  };
  return {
    kind: 'byteString',
    signature: `bytes(${byteLength})`,
    byteLength,
    alignment: 1,
    exact: {
      encode(into, byteOffset, value) {
        if (value.length !== byteLength)
          throw new FarUsageError(`bytes(${byteLength}) takes ${byteLength} bytes, not ${value.length}`);
        copyInto(into, byteOffset, value);
        return byteLength;
      },
      decode: (from, byteOffset) => from.slice(byteOffset, byteOffset + byteLength),
    },
    read,
    write,
    createViewer: (views, guard) => cellViewer({ read, write }, views, guard),
  };
}

/** Bytes that are read and written in place. */
export interface BlobLayout extends Layout<Uint8Array, Uint8Array, Uint8Array> {
  readonly kind: 'blob';
}

/**
 * Exactly `byteLength` bytes as `bytes` has them, but viewed in place: a view of local memory costs some 100 ns, a copy of 8 KiB ten times
 * that and garbage. The view is valid until the next await unless the object is pinned; no debug mode can check it. `getMany`, iterators and
 * `toObject` still copy.
 */
export function blob(byteLength: number): BlobLayout {
  const { read, write, signature } = bytes(byteLength);
  return {
    kind: 'blob',
    signature: signature.replace('bytes', 'blob'),
    byteLength,
    alignment: 1,
    read,
    write,
    createViewer({ u8 }) {
      const view = (_object: Location, byteOffset: number) => u8.subarray(byteOffset, byteOffset + byteLength);
      return { move: view, view, mutable: view };
    },
  };
}

/** A length of 4 bytes, then room for the longest value. */
function variable<Value>(signature: string, maxBytes: number, exact: ExactForm<Value>): ByteStringLayout<Value> {
  const read = ({ u8, u32 }: Views, byteOffset: number) =>
    exact.decode(u8, byteOffset + LENGTH_BYTES, u32[byteOffset >>> 2]!);
  const write = ({ u8, u32 }: Views, byteOffset: number, value: Value) => {
    u32[byteOffset >>> 2] = exact.encode(u8, byteOffset + LENGTH_BYTES, value);
  };
  return {
    kind: 'byteString',
    signature,
    byteLength: LENGTH_BYTES + Math.ceil(maxBytes / LENGTH_BYTES) * LENGTH_BYTES,
    alignment: LENGTH_BYTES,
    exact,
    read,
    write,
    createViewer: (views, guard) => cellViewer({ read, write }, views, guard),
  };
}

/** Up to `maxBytes` bytes. As a key or value of a map it takes only the bytes it has. */
export function varbytes(maxBytes: number): ByteStringLayout<Uint8Array> {
  requireSize('varbytes(maxBytes)', maxBytes);
  return variable(`varbytes(${maxBytes})`, maxBytes, {
    encode(into, byteOffset, value) {
      if (value.length > maxBytes)
        throw new FarUsageError(`varbytes(${maxBytes}) takes at most ${maxBytes} bytes, not ${value.length}`);
      copyInto(into, byteOffset, value);
      return value.length;
    },
    decode: (from, byteOffset, byteLength) => from.slice(byteOffset, byteOffset + byteLength),
  });
}

/** Text of up to `maxBytes` bytes of UTF-8. Lone surrogates become U+FFFD, as everywhere in UTF-8. */
export function utf8(maxBytes: number): ByteStringLayout<string> {
  requireSize('utf8(maxBytes)', maxBytes);
  return variable(`utf8(${maxBytes})`, maxBytes, {
    encode(into, byteOffset, value) {
      const { read, written } = encoder.encodeInto(value, into.subarray(byteOffset, byteOffset + maxBytes));
      if (read < value.length)
        throw new FarUsageError(
          `utf8(${maxBytes}) takes at most ${maxBytes} bytes; a text of ${value.length} characters has more`,
        );
      return written;
    },
    decode: (from, byteOffset, byteLength) => decoder.decode(from.slice(byteOffset, byteOffset + byteLength)),
  });
}
