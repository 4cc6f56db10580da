/**
 * An operator: a computation over the objects of one group that runs where they are. It has one implementation, in three steps, for the local
 * case, one agent and several:
 *
 * 1. `plan` groups the objects into units that belong together (the chunks of a row in every column), so that each can be worked on alone;
 * 2. `start` makes a worker to which the units that a place holds are added in ascending order, and whose `finish` gives a partial result;
 * 3. `combine` makes the result from the partial results of all places. Which units came together in one partial must not matter: the
 *    property tests run every built-in with the units dealt out in every way.
 *
 * `argument` is for the operator alone to read. Throw FarOperatorError for arguments that do not fit; anything else counts as a defect.
 */
export interface Operator {
  /** At most 255 bytes of UTF-8. */
  readonly name: string;
  /** Raised with every change of the arguments or the result, so that a client never gets another computation than it asked for. */
  readonly version: number;
  plan(argument: Uint8Array, objects: number): UnitPlan;
  start(argument: Uint8Array, objects: number): OperatorWorker;
  combine(partials: readonly Uint8Array[], argument: Uint8Array, objects: number): Uint8Array;
}

export interface UnitPlan {
  readonly units: number;
  readonly objectsPerUnit: number;
  /** Position, among all objects of the call, of object `k` of a unit. */
  objectAt(unit: number, k: number): number;
}

export interface OperatorWorker {
  /** The bytes are borrowed: valid until `add` returns, and not to be changed. */
  add(unit: number, objects: readonly Uint8Array[]): void;
  finish(): Uint8Array;
}

/** Each object by itself: the plan of most operators. */
export function eachObject(objects: number): UnitPlan {
  return { units: objects, objectsPerUnit: 1, objectAt: (unit) => unit };
}

/** Runs an operator over objects that are here: the reference that every other way of running it equals. */
export function runOperator(operator: Operator, argument: Uint8Array, objects: readonly Uint8Array[]): Uint8Array {
  const plan = operator.plan(argument, objects.length);
  const worker = operator.start(argument, objects.length);
  for (let unit = 0; unit < plan.units; unit++)
    worker.add(
      unit,
      Array.from({ length: plan.objectsPerUnit }, (_, k) => objects[plan.objectAt(unit, k)]!),
    );
  return operator.combine([worker.finish()], argument, objects.length);
}
