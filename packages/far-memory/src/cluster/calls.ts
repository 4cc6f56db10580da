import { ObjectAbsentError } from '../client/answer-errors.ts';
import { FarAgentError, type FarMemoryError, FarOperatorError } from '../errors.ts';
import type { Operator, UnitPlan } from '../operators/operator.ts';
import { type CallRequest, encodeCall } from '../protocol/call.ts';
import { flag, maxFrameBytes, op } from '../protocol/frames.ts';
import { heaviest, placementOf } from './placement.ts';
import { expectedOf, readObject } from './reads.ts';
import { type ClusterState, dropHolder, type Member, unreachable, usable } from './state.ts';

export interface CallInput {
  readonly operator: Operator;
  readonly group: number;
  readonly ids: Float64Array;
  readonly argument: Uint8Array;
  readonly timeoutMilliseconds: number;
}

/** Units fetched at once when their objects lie on different agents. */
const fetchedUnits = 32;

/**
 * Runs an operator where the objects are: each agent works on the units whose objects it has all of, this side on the rest, and the partial
 * results are combined here. When one agent has everything, it finishes the result itself.
 */
export async function callOperator(state: ClusterState, input: CallInput): Promise<Uint8Array> {
  const { operator, argument, ids } = input;
  const plan = operator.plan(argument, ids.length);
  const partials: Uint8Array[] = [];
  let units = Array.from({ length: plan.units }, (_, unit) => unit);
  // Agents that failed during this call are not asked again in it.
  let excluded = 0;
  let lastError: FarMemoryError | undefined;
  for (let round = 0; units.length > 0; round++) {
    if (round > state.members.length + 2) throw lastError ?? new FarOperatorError('the call made no progress');
    const shares = shareOut(state, input, plan, units, excluded, lastError);
    const only = partials.length === 0 ? onlyShare(shares, unitsThatFit(argument, plan)) : undefined;
    if (only !== undefined) {
      const whole = await callAgent(only, input, plan, units, flag.final).catch(onlyAgentErrors);
      if (whole instanceof Uint8Array) return whole;
      ({ excluded, lastError } = afterFailure(state, input, only, whole, excluded));
      continue;
    }
    const failed: number[] = [];
    const work = [...shares.byAgent].flatMap(([member, own]) =>
      framesOf(input, plan, own).map(async (part) => {
        const partial = await callAgent(member, input, plan, part, 0).catch(onlyAgentErrors);
        if (partial instanceof Uint8Array) return void partials.push(partial);
        ({ excluded, lastError } = afterFailure(state, input, member, partial, excluded));
        failed.push(...part);
      }),
    );
    if (shares.elsewhere.length > 0)
      work.push(computeHere(state, input, plan, shares.elsewhere).then((partial) => void partials.push(partial)));
    await Promise.all(work);
    units = failed.sort((a, b) => a - b);
  }
  if (partials.length === 0) partials.push(operator.start(argument, ids.length).finish());
  return operator.combine(partials, argument, ids.length);
}

interface Shares {
  readonly byAgent: ReadonlyMap<Member, number[]>;
  /** Units whose objects no single agent has. */
  readonly elsewhere: readonly number[];
}

/** The agent that has everything, when one call takes it all. */
function onlyShare({ byAgent, elsewhere }: Shares, mostUnits: number): Member | undefined {
  const [first, second] = byAgent;
  if (first === undefined || second !== undefined || elsewhere.length > 0) return undefined;
  return first[1].length <= mostUnits ? first[0] : undefined;
}

function shareOut(
  state: ClusterState,
  { group, ids }: CallInput,
  plan: UnitPlan,
  units: readonly number[],
  excluded: number,
  lastError: FarMemoryError | undefined,
): Shares {
  const byAgent = new Map<Member, number[]>();
  const elsewhere: number[] = [];
  const { any } = usable(state);
  for (const unit of units) {
    let common = any & ~excluded;
    for (let k = 0; k < plan.objectsPerUnit; k++) {
      const id = ids[plan.objectAt(unit, k)]!;
      const holders = expectedOf(state, group, id)?.holders ?? 0;
      if ((holders & any) === 0) throw lastUnreachable(state, group, id, lastError);
      common &= holders;
    }
    const agent = heaviest(placementOf(group, ids[plan.objectAt(unit, 0)]!), state.seeds, common);
    const member = state.members[agent];
    if (member === undefined) elsewhere.push(unit);
    else {
      const own = byAgent.get(member);
      if (own === undefined) byAgent.set(member, [unit]);
      else own.push(unit);
    }
  }
  return { byAgent, elsewhere };
}

function lastUnreachable(
  state: ClusterState,
  group: number,
  id: number,
  lastError: FarMemoryError | undefined,
): FarMemoryError {
  const reason = unreachable(state, group, id);
  return reason instanceof FarAgentError ? (lastError ?? reason) : reason;
}

/** Cuts an agent's share so that each part fits into a frame. */
function framesOf({ argument }: CallInput, plan: UnitPlan, units: readonly number[]): number[][] {
  const unitsPerFrame = unitsThatFit(argument, plan);
  const parts: number[][] = [];
  for (let from = 0; from < units.length; from += unitsPerFrame) parts.push(units.slice(from, from + unitsPerFrame));
  return parts;
}

function unitsThatFit(argument: Uint8Array, plan: UnitPlan): number {
  const room = maxFrameBytes - 1024 - argument.byteLength;
  const units = Math.floor(room / (8 * (1 + plan.objectsPerUnit)));
  if (units < 1)
    throw new FarOperatorError(
      `an argument of ${argument.byteLength} bytes does not fit into a frame of ${maxFrameBytes}; call it in pieces`,
    );
  return units;
}

function callAgent(
  { link }: Member,
  { operator, group, ids, argument, timeoutMilliseconds }: CallInput,
  plan: UnitPlan,
  units: readonly number[],
  flags: number,
): Promise<Uint8Array> {
  const call: CallRequest = {
    operator: operator.name,
    version: operator.version,
    group,
    units: Float64Array.from(units),
    objectsPerUnit: plan.objectsPerUnit,
    ids: Float64Array.from(
      units.flatMap((unit) => Array.from({ length: plan.objectsPerUnit }, (_, k) => ids[plan.objectAt(unit, k)]!)),
    ),
    totalObjects: ids.length,
    argument,
  };
  return link.request(op.call, flags, encodeCall(call), timeoutMilliseconds);
}

/** What another agent may do better; anything else is the caller's to see. */
function onlyAgentErrors(error: unknown): FarAgentError | ObjectAbsentError {
  if (error instanceof FarAgentError || error instanceof ObjectAbsentError) return error;
  throw error;
}

function afterFailure(
  state: ClusterState,
  { group }: CallInput,
  member: Member,
  error: FarAgentError | ObjectAbsentError,
  excluded: number,
): { excluded: number; lastError: FarMemoryError } {
  if (error instanceof FarAgentError) return { excluded: excluded | member.bit, lastError: error };
  const version = expectedOf(state, group, error.id)?.version;
  if (version !== undefined) dropHolder(state, group, error.id, version, member);
  return { excluded, lastError: unreachable(state, group, error.id) };
}

async function computeHere(
  state: ClusterState,
  { operator, group, ids, argument }: CallInput,
  plan: UnitPlan,
  units: readonly number[],
): Promise<Uint8Array> {
  const worker = operator.start(argument, ids.length);
  for (let from = 0; from < units.length; from += fetchedUnits) {
    const some = units.slice(from, from + fetchedUnits);
    const fetched = await Promise.all(
      some.map((unit) =>
        Promise.all(
          Array.from({ length: plan.objectsPerUnit }, (_, k) =>
            fetchObject(state, group, ids[plan.objectAt(unit, k)]!),
          ),
        ),
      ),
    );
    for (const [index, unit] of some.entries()) worker.add(unit, fetched[index]!);
  }
  return worker.finish();
}

async function fetchObject(state: ClusterState, group: number, id: number): Promise<Uint8Array> {
  const { directory } = state;
  const row = directory.find(group, id);
  if (row < 0) throw unreachable(state, group, id);
  const bytes = new Uint8Array(directory.get('size', row));
  await readObject(state, group, id, bytes, 'demand');
  return bytes;
}
