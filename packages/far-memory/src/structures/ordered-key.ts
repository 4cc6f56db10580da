import { FarUsageError } from '../errors.ts';
import type { ExactForm, Layout } from '../layout/layout.ts';
import { type ScalarLayout, u8 as u8Layout } from '../layout/scalars.ts';

/** Keys of sorted maps: numbers in their order, texts and bytes by their bytes (for UTF-8 that is the order of code points). */
export type OrderedKeyLayout<Key> = Layout<Key> & { readonly kind: 'scalar' | 'byteString' };

type Element = ScalarLayout<number>['element'];

/** Writes a number so that its bytes, compared from the first, have its order. */
interface OrderedNumber {
  readonly byteLength: number;
  write(view: DataView, value: number | bigint): void;
  read(view: DataView): number | bigint;
}

const SIGN_32 = 0x80000000;
const SIGN_64: bigint = 2n ** 63n;
const ALL_64: bigint = 2n ** 64n - 1n;

/** Negative floats have all bits turned, others the sign: then the bits grow with the value. */
function turnFloat64(bits: bigint): bigint {
  return bits >= SIGN_64 ? bits ^ ALL_64 : bits ^ SIGN_64;
}

const orderedNumbers: Readonly<Record<Element, OrderedNumber>> = {
  u8: { byteLength: 1, write: (view, value) => view.setUint8(0, Number(value)), read: (view) => view.getUint8(0) },
  i8: {
    byteLength: 1,
    write: (view, value) => view.setUint8(0, Number(value) ^ 0x80),
    read: (view) => ((view.getUint8(0) ^ 0x80) << 24) >> 24,
  },
  u16: { byteLength: 2, write: (view, value) => view.setUint16(0, Number(value)), read: (view) => view.getUint16(0) },
  i16: {
    byteLength: 2,
    write: (view, value) => view.setUint16(0, Number(value) ^ 0x8000),
    read: (view) => ((view.getUint16(0) ^ 0x8000) << 16) >> 16,
  },
  u32: { byteLength: 4, write: (view, value) => view.setUint32(0, Number(value)), read: (view) => view.getUint32(0) },
  i32: {
    byteLength: 4,
    write: (view, value) => view.setUint32(0, Number(value) ^ SIGN_32),
    read: (view) => view.getUint32(0) ^ SIGN_32,
  },
  u64: {
    byteLength: 8,
    write: (view, value) => view.setBigUint64(0, BigInt(value)),
    read: (view) => view.getBigUint64(0),
  },
  i64: {
    byteLength: 8,
    write: (view, value) => view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)) ^ SIGN_64),
    read: (view) => BigInt.asIntN(64, view.getBigUint64(0) ^ SIGN_64),
  },
  f32: {
    byteLength: 4,
    write(view, value) {
      view.setFloat32(0, Number(value));
      const bits = view.getUint32(0);
      view.setUint32(0, bits >= SIGN_32 ? ~bits : bits ^ SIGN_32);
    },
    read(view) {
      const bits = view.getUint32(0);
      view.setUint32(0, bits >= SIGN_32 ? bits ^ SIGN_32 : ~bits);
      return view.getFloat32(0);
    },
  },
  f64: {
    byteLength: 8,
    write(view, value) {
      view.setFloat64(0, Number(value));
      view.setBigUint64(0, turnFloat64(view.getBigUint64(0)));
    },
    read(view) {
      const bits = view.getBigUint64(0);
      view.setBigUint64(0, bits >= SIGN_64 ? bits ^ SIGN_64 : bits ^ ALL_64);
      return view.getFloat64(0);
    },
  },
};

interface ScalarOf<Key> extends Layout<Key> {
  readonly kind: 'scalar';
  readonly element: Element;
}

function isScalar<Key>(layout: OrderedKeyLayout<Key>): layout is OrderedKeyLayout<Key> & ScalarOf<Key> {
  return layout.kind === 'scalar';
}

/** The same keys with bytes that sort. -0 and 0 are one key, and so are all NaN; NaN comes last. */
export function orderedKey<Key>(layout: OrderedKeyLayout<Key>): Layout<Key> {
  if (!isScalar(layout)) return layout;
  const { byteLength, write, read } = orderedNumbers[layout.element];
  const scratch = new Uint8Array(byteLength);
  const view = new DataView(scratch.buffer);
  const exact: ExactForm<Key> = {
    encode(into, byteOffset, value) {
      if (typeof value !== 'number' && typeof value !== 'bigint')
        throw new FarUsageError(`a key of ${layout.signature} is a number, not ${typeof value}`);
      write(view, value === 0 ? 0 : value);
      into.set(scratch, byteOffset);
      return byteLength;
    },
    decode(from, byteOffset) {
      scratch.set(from.subarray(byteOffset, byteOffset + byteLength));
      return read(view) as Key;
    },
  };
  return { ...layout, exact, alignment: u8Layout.alignment };
}
