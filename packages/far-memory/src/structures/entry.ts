import { createViews, type Views } from '../arena/views.ts';
import type { Layout } from '../layout/layout.ts';

/**
 * A key and its value side by side: length of the key, length of the value (4 bytes each), the value, the key, each padded with zeros to
 * whole words. So that keys are compared by words, and values of any layout are read in place where entries begin at multiples of 8.
 */
export const ENTRY_HEADER_BYTES = 8;

function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}

export function entryBytes(keyBytes: number, valueBytes: number): number {
  return ENTRY_HEADER_BYTES + padded(valueBytes) + padded(keyBytes);
}

/** What a codec encoded last. */
export interface EncodedBytes {
  readonly u8: Uint8Array;
  readonly words: Uint32Array;
}

/** A value turned into bytes, in a buffer of its codec: valid until the next `encode`. */
export interface Codec<Value> extends EncodedBytes {
  readonly maxBytes: number;
  readonly views: Views;
  /** Leaves the bytes in `u8`, zeros after them to the end of the word, and returns how many they are. */
  encode(value: Value): number;
  /** The same at a byte offset (a multiple of 8) of other views. */
  encodeInto(views: Views, byteOffset: number, value: Value): number;
  decode(views: Views, byteOffset: number, byteLength: number): Value;
}

export function createCodec<Value, View, Mutable>(layout: Layout<Value, View, Mutable>): Codec<Value> {
  const views = createViews(
    new SharedArrayBuffer(padded(layout.byteLength) + 8 - ((padded(layout.byteLength) + 8) % 8)),
  );
  const { u8, u32 } = views;
  const { exact } = layout;

  function encodeInto(into: Views, byteOffset: number, value: Value): number {
    const bytes = into.u8;
    if (exact === undefined) {
      // Padding between fields is part of the bytes: no earlier value may show in it.
      bytes.fill(0, byteOffset, byteOffset + padded(layout.byteLength));
      layout.write(into, byteOffset, value);
      return layout.byteLength;
    }
    const length = exact.encode(bytes, byteOffset, value);
    for (let at = byteOffset + length; at < byteOffset + padded(length); at++) bytes[at] = 0;
    return length;
  }

  return {
    maxBytes: layout.byteLength,
    views,
    u8,
    words: u32,
    encode: (value) => encodeInto(views, 0, value),
    encodeInto,
    decode: (from, byteOffset, byteLength) =>
      exact === undefined ? layout.read(from, byteOffset) : exact.decode(from.u8, byteOffset, byteLength),
  };
}

/** An entry at a byte offset (a multiple of 8) of local memory. */
export interface EntryView {
  keyBytes(offset: number): number;
  valueBytes(offset: number): number;
  keyOffset(offset: number): number;
  valueOffset(offset: number): number;
  /** Whether its key is that of these words from `from` on, zeros after its bytes. */
  hasKey(offset: number, words: Uint32Array, from: number, keyBytes: number): boolean;
  /** Writes header, value and key from the codecs. */
  write(offset: number, key: EncodedBytes, keyBytes: number, value: EncodedBytes, valueBytes: number): void;
}

export function createEntryView({ u32 }: Views): EntryView {
  const keyBytes = (offset: number) => u32[offset >>> 2]!;
  const valueBytes = (offset: number) => u32[(offset >>> 2) + 1]!;
  const keyOffset = (offset: number) => offset + ENTRY_HEADER_BYTES + padded(valueBytes(offset));

  function copyWords(from: Uint32Array, byteLength: number, to: number): void {
    const words = (byteLength + 3) >>> 2;
    for (let index = 0; index < words; index++) u32[to + index] = from[index]!;
  }

  return {
    keyBytes,
    valueBytes,
    keyOffset,
    valueOffset: (offset) => offset + ENTRY_HEADER_BYTES,
    hasKey(offset, words, from, length) {
      if (keyBytes(offset) !== length) return false;
      const start = keyOffset(offset) >>> 2;
      const count = (length + 3) >>> 2;
      for (let index = 0; index < count; index++) if (u32[start + index] !== words[from + index]) return false;
      return true;
    },
    write(offset, key, keyLength, value, valueLength) {
      u32[offset >>> 2] = keyLength;
      u32[(offset >>> 2) + 1] = valueLength;
      copyWords(value.words, valueLength, (offset + ENTRY_HEADER_BYTES) >>> 2);
      copyWords(key.words, keyLength, keyOffset(offset) >>> 2);
    },
  };
}
