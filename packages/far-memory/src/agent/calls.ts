import { setImmediate as nextTurn } from 'node:timers/promises';
import { FarOperatorError } from '../errors.ts';
import { type CallRequest, decodeCall } from '../protocol/call.ts';
import { errorCode, type Frame, flag, op, status } from '../protocol/frames.ts';
import type { Connection } from './connection.ts';

/** An operator works this long before other requests get a turn. */
const turnMilliseconds = 4;
const partBytes = 2 ** 20;
const maxCallsPerConnection = 64;

/** An object of the call is not here, or its spilled bytes are damaged. */
class ObjectMissing extends Error {
  readonly id: number;
  constructor(id: number) {
    super(`object ${id} is not held here`);
    this.id = id;
  }
}

class Cancelled extends Error {}

export function serveCall(connection: Connection, { requestId, flags, body }: Frame): void {
  const call = decodeCall(body);
  if (connection.calls.size >= maxCallsPerConnection) {
    connection.fail(
      requestId,
      errorCode.operator,
      `more than ${maxCallsPerConnection} calls under way on one connection`,
    );
    return;
  }
  const state = { cancelled: false };
  connection.calls.set(requestId, state);
  const { counters } = connection.context;
  const begun = performance.now();
  compute(connection, call, (flags & flag.final) !== 0, state)
    .then((output) => sendOutput(connection, requestId, output))
    .catch((error: unknown) => {
      counters.failedCalls++;
      reportFailure(connection, requestId, call, error);
    })
    .finally(() => {
      counters.calls++;
      counters.callSeconds += (performance.now() - begun) / 1000;
      connection.calls.delete(requestId);
    });
}

async function compute(
  { client, context }: Connection,
  call: CallRequest,
  finishes: boolean,
  state: { readonly cancelled: boolean },
): Promise<Uint8Array> {
  const operator = context.operators.get(call.operator, call.version);
  const worker = operator.start(call.argument, call.totalObjects);
  let turnEnds = performance.now() + turnMilliseconds;
  for (const [index, unit] of call.units.entries()) {
    const objects: Uint8Array[] = [];
    for (let k = 0; k < call.objectsPerUnit; k++) {
      const id = call.ids[index * call.objectsPerUnit + k]!;
      const object = client.log.read(call.group, id);
      if (object.status !== status.ok) throw new ObjectMissing(id);
      objects.push(object.bytes);
    }
    worker.add(unit, objects);
    if (performance.now() < turnEnds) continue;
    await nextTurn();
    if (state.cancelled) throw new Cancelled();
    turnEnds = performance.now() + turnMilliseconds;
  }
  const partial = worker.finish();
  return finishes ? operator.combine([partial], call.argument, call.totalObjects) : partial;
}

async function sendOutput(connection: Connection, requestId: number, output: Uint8Array): Promise<void> {
  for (let from = 0; ; from += partBytes) {
    const isLast = from + partBytes >= output.byteLength;
    connection.answer(requestId, op.call, output.subarray(from, from + partBytes), isLast ? 0 : flag.more);
    if (isLast) return;
    await connection.drained();
    if (!connection.isOpen) return;
  }
}

function reportFailure(connection: Connection, requestId: number, call: CallRequest, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ObjectMissing) connection.fail(requestId, errorCode.absent, message, error.id);
  else if (error instanceof Cancelled) connection.fail(requestId, errorCode.cancelled, 'cancelled');
  else if (error instanceof FarOperatorError) connection.fail(requestId, errorCode.operator, message);
  else connection.fail(requestId, errorCode.internal, `operator ${call.operator} failed: ${message}`);
}
