import { readBody, writeBody } from './bytes.ts';
import { ProtocolError } from './frames.ts';

/**
 * The body of a call: name length u8, name, version u32, group u32, units f64, objects per unit u32, total objects f64, argument length u32,
 * the units' numbers (f64 each), the objects' ids unit by unit (f64 each), the argument.
 */
export interface CallRequest {
  readonly operator: string;
  readonly version: number;
  readonly group: number;
  /** Which units of the whole input these are (see operators/operator.ts), ascending. */
  readonly units: Float64Array;
  readonly objectsPerUnit: number;
  /** units.length x objectsPerUnit ids. */
  readonly ids: Float64Array;
  /** How many objects the whole input has, on all agents together. */
  readonly totalObjects: number;
  readonly argument: Uint8Array;
}

export function encodeCall(call: CallRequest): Buffer {
  const name = Buffer.from(call.operator, 'utf8');
  return writeBody(64 + name.length + (call.units.length + call.ids.length) * 8 + call.argument.byteLength)
    .u8(name.length)
    .bytes(name)
    .u32(call.version)
    .u32(call.group)
    .f64(call.units.length)
    .u32(call.objectsPerUnit)
    .f64(call.totalObjects)
    .u32(call.argument.byteLength)
    .bytes(new Uint8Array(call.units.buffer, call.units.byteOffset, call.units.byteLength))
    .bytes(new Uint8Array(call.ids.buffer, call.ids.byteOffset, call.ids.byteLength))
    .bytes(call.argument)
    .done();
}

/** Copies everything out of the body. @throws ProtocolError */
export function decodeCall(body: Uint8Array): CallRequest {
  const reader = readBody(body);
  const operator = reader.text(reader.u8());
  const version = reader.u32();
  const group = reader.u32();
  const unitCount = reader.integer();
  const objectsPerUnit = reader.u32();
  const totalObjects = reader.integer();
  const argumentBytes = reader.u32();
  if (unitCount * (1 + objectsPerUnit) * 8 + argumentBytes !== reader.remaining)
    throw new ProtocolError(`a call of ${unitCount} units of ${objectsPerUnit} objects does not fit into its frame`);
  return {
    operator,
    version,
    group,
    objectsPerUnit,
    totalObjects,
    units: doubles(reader.bytes(unitCount * 8)),
    ids: doubles(reader.bytes(unitCount * objectsPerUnit * 8)),
    argument: reader.bytes(argumentBytes).slice(),
  };
}

function doubles(bytes: Uint8Array): Float64Array {
  const copy = bytes.slice();
  return new Float64Array(copy.buffer, copy.byteOffset, copy.byteLength / 8);
}
