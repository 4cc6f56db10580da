import { FarOperatorError } from '../errors.ts';
import { type ElementType, elementBytes, isElementType, typeOf, type Values, valuesIn } from './elements.ts';

/**
 * What operators are given and give back: a JSON value and named columns, in one piece of bytes:
 *
 *     header length u32 | header, JSON {meta, columns: [[name, type, length]]} | padding to 8 | each column, padded to 8
 */
export interface Packed {
  readonly meta: unknown;
  readonly columns: Readonly<Record<string, Values>>;
}

const alignment = 8;

export function pack(meta: unknown, columns: Readonly<Record<string, Values>> = {}): Uint8Array {
  const entries = Object.entries(columns);
  const header = Buffer.from(
    JSON.stringify({ meta, columns: entries.map(([name, values]) => [name, typeOf(values), values.length]) }),
  );
  const start = aligned(4 + header.length);
  const bytes = new Uint8Array(entries.reduce((sum, [, values]) => sum + aligned(values.byteLength), start));
  new DataView(bytes.buffer).setUint32(0, header.length, true);
  bytes.set(header, 4);
  let at = start;
  for (const [, values] of entries) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += aligned(values.byteLength);
  }
  return bytes;
}

/** The columns are views of the bytes where those are aligned. @throws FarOperatorError */
export function unpack(bytes: Uint8Array): Packed {
  try {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const headerBytes = view.getUint32(0, true);
    const header: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + headerBytes)));
    const columns: Record<string, Values> = {};
    let at = aligned(4 + headerBytes);
    for (const [name, type, length] of columnsOf(header)) {
      columns[name] = valuesIn(type, bytes, at, length);
      at += aligned(length * elementBytes(type));
    }
    return { meta: isRecord(header) ? header.meta : undefined, columns };
  } catch (cause) {
    if (cause instanceof FarOperatorError) throw cause;
    throw new FarOperatorError(
      `these bytes are not packed columns (${cause instanceof Error ? cause.message : cause}); make them with pack()`,
    );
  }
}

/** One column of packed bytes. @throws FarOperatorError when it is not there */
export function columnOf(packed: Packed, name: string): Values {
  const values = packed.columns[name];
  if (values === undefined)
    throw new FarOperatorError(`no column ${name}; there are ${Object.keys(packed.columns).join(', ') || 'none'}`);
  return values;
}

/** A column of doubles, such as row numbers. @throws FarOperatorError */
export function doublesOf(packed: Packed, name: string): Float64Array {
  const values = columnOf(packed, name);
  if (!(values instanceof Float64Array))
    throw new FarOperatorError(`column ${name} must be f64, found ${typeOf(values)}`);
  return values;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function columnsOf(header: unknown): [string, ElementType, number][] {
  const list = isRecord(header) ? header.columns : undefined;
  if (!Array.isArray(list)) throw new FarOperatorError('packed columns without a list of them');
  return list.map((entry: unknown) => {
    const [name, type, length] = Array.isArray(entry) ? entry : [];
    if (typeof name !== 'string' || !isElementType(type) || !Number.isSafeInteger(length) || length < 0)
      throw new FarOperatorError(`a packed column must be [name, type, length], found ${JSON.stringify(entry)}`);
    return [name, type, length];
  });
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
