import { FarOperatorError } from '../errors.ts';

interface ValuesConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): Values;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): Values;
}

export type ElementType = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u64' | 'i64' | 'f32' | 'f64';

/** Element types of columns, by name: their arrays in this process, which is little-endian like the wire. */
export const elementArrays: Readonly<Record<ElementType, ValuesConstructor>> = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
  f32: Float32Array,
  f64: Float64Array,
};

export type NumberValues =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;
export type BigValues = BigUint64Array | BigInt64Array;
/** The elements of a column. 64-bit integers are bigint, all others number. */
export type Values = NumberValues | BigValues;

export function isElementType(value: unknown): value is ElementType {
  return typeof value === 'string' && Object.hasOwn(elementArrays, value);
}

export function typeOf(values: Values): ElementType {
  for (const [type, array] of Object.entries(elementArrays))
    if (values instanceof array && isElementType(type)) return type;
  throw new FarOperatorError('an array of an unknown element type');
}

export function elementBytes(type: ElementType): number {
  return elementArrays[type].BYTES_PER_ELEMENT;
}

export function isFloat(type: ElementType): boolean {
  return type === 'f32' || type === 'f64';
}

export function isSigned(type: ElementType): boolean {
  return type.startsWith('i');
}

export function isBig(values: Values): values is BigValues {
  return values instanceof BigUint64Array || values instanceof BigInt64Array;
}

export function newValues(type: ElementType, length: number): Values {
  return new elementArrays[type](length);
}

/** The elements of a type in bytes that may lie anywhere: a view where they are aligned, a copy where not. */
export function valuesIn(type: ElementType, bytes: Uint8Array, offset: number, length: number): Values {
  const array = elementArrays[type];
  const size = array.BYTES_PER_ELEMENT;
  const at = bytes.byteOffset + offset;
  if (at % size === 0) return new array(bytes.buffer, at, length);
  // A Buffer's own slice() would not copy.
  const copy = Uint8Array.prototype.slice.call(bytes, offset, offset + length * size);
  return new array(copy.buffer, copy.byteOffset, length);
}

/** One element as a number or bigint, assigned to another array of the same type. */
export function setValue(into: Values, at: number, value: number | bigint): void {
  if (isBig(into)) into[at] = BigInt(value);
  else into[at] = Number(value);
}

/** Elements appended one at a time. */
export interface ValueList {
  readonly length: number;
  push(value: number | bigint): void;
  append(values: Values): void;
  values(): Values;
}

export function createValueList(type: ElementType): ValueList {
  let values = newValues(type, 64);
  let length = 0;
  function reserve(more: number): void {
    if (length + more <= values.length) return;
    const grown = newValues(type, Math.max(values.length * 2, length + more));
    copyInto(grown, values.subarray(0, length), 0);
    values = grown;
  }
  return {
    get length() {
      return length;
    },
    push(value) {
      reserve(1);
      setValue(values, length++, value);
    },
    append(more) {
      reserve(more.length);
      copyInto(values, more, length);
      length += more.length;
    },
    values: () => values.subarray(0, length),
  };
}

/** Copies elements between arrays of one type. */
export function copyInto(into: Values, from: Values, at: number): void {
  if (isBig(into) && isBig(from)) into.set(from, at);
  else if (!isBig(into) && !isBig(from)) into.set(from, at);
  else throw new FarOperatorError('elements of 64 bits and others do not mix');
}
