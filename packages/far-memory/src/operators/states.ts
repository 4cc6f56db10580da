import { FarOperatorError } from '../errors.ts';
import { type Accumulator, type Aggregate, createAccumulator, isAggregate } from './accumulators.ts';
import { createValueList, type Values } from './elements.ts';
import { columnOf, doublesOf, isRecord, type Packed } from './pack.ts';
import type { RelationArgument } from './relation.ts';

/** An aggregate that a grouping was asked for: which, of which column, under which name. */
export interface WantedAggregate {
  readonly op: Aggregate;
  readonly column: string;
  readonly as: string;
}

/** The parameter `aggregates`: a list of {op, column, as}; `as` is by default `op_column`. @throws FarOperatorError */
export function readAggregates(
  { relation, params, typeOf }: RelationArgument,
  key: string,
): readonly WantedAggregate[] {
  const { aggregates = [{ op: 'count' }] } = params;
  if (!Array.isArray(aggregates)) throw new FarOperatorError('aggregates must be a list of {op, column, as}');
  const wanted = aggregates.map((entry: unknown): WantedAggregate => {
    const { op, column = key, as } = isRecord(entry) ? entry : {};
    if (!isAggregate(op) || typeof column !== 'string')
      throw new FarOperatorError(
        `an aggregate must be {op: count | sum | mean | min | max | median, column, as}, found ${JSON.stringify(entry)}; columns are ${Object.keys(relation.columns).join(', ')}`,
      );
    typeOf(column);
    return { op, column, as: typeof as === 'string' ? as : op === 'count' ? 'count' : `${op}_${column}` };
  });
  const names = [key, ...wanted.map(({ as }) => as)];
  if (new Set(names).size < names.length)
    throw new FarOperatorError(`two result columns have one name (${names.join(', ')}); give one another \`as\``);
  return wanted;
}

export function createAccumulators(
  argument: RelationArgument,
  wanted: readonly WantedAggregate[],
): readonly Accumulator[] {
  return wanted.map(({ op, column }) => createAccumulator(op, argument.typeOf(column)));
}

/** The states of all groups as columns: all elements one after the other, and how many each group has. */
export function packStates(accumulators: readonly Accumulator[], groups: number): Record<string, Values> {
  const columns: Record<string, Values> = {};
  for (const [index, accumulator] of accumulators.entries()) {
    const lengths = new Float64Array(groups);
    const elements = createValueList(accumulator.stateType);
    for (let group = 0; group < groups; group++) {
      const state = accumulator.stateOf(group);
      lengths[group] = state.length;
      for (const element of state) elements.push(element);
    }
    columns[`state${index}`] = elements.values();
    columns[`lengths${index}`] = lengths;
  }
  return columns;
}

/** Merges the states of a partial result; `target` says which group of the whole each of its groups is. */
export function mergeStates(accumulators: readonly Accumulator[], partial: Packed, target: ArrayLike<number>): void {
  for (const [index, accumulator] of accumulators.entries()) {
    const elements = columnOf(partial, `state${index}`);
    const lengths = doublesOf(partial, `lengths${index}`);
    let at = 0;
    for (let group = 0; group < lengths.length; group++) {
      const end = at + lengths[group]!;
      accumulator.merge(target[group]!, elements.subarray(at, end));
      at = end;
    }
  }
}
