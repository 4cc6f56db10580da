import { type Aggregate, resultsOf } from './accumulators.ts';
import type { Operator } from './operator.ts';
import { pack, unpack } from './pack.ts';
import { readWhere } from './predicate.ts';
import { columnParameter, type RelationArgument, readRelation } from './relation.ts';
import { createAccumulators, mergeStates, packStates, type WantedAggregate } from './states.ts';

/**
 * One aggregate of one column over the rows that `where` selects: parameters `column`, `where`; result one column named as the operator, with
 * one row, or none where the aggregate of no values does not exist (min, max, mean, median).
 */
function aggregateOperator(aggregate: Aggregate): Operator {
  return {
    name: aggregate,
    version: 1,
    plan: (argument, objects) => readRelation(argument, objects).plan,
    start(argument, objects) {
      const relation = readRelation(argument, objects);
      const { column } = wantedOf(relation, aggregate);
      const where = readWhere(relation);
      const accumulators = createAccumulators(relation, [wantedOf(relation, aggregate)]);
      return {
        add(unit, chunks) {
          const block = relation.block(unit, chunks);
          accumulators[0]!.addAll(0, block.column(column), where(block));
        },
        finish: () => pack(null, packStates(accumulators, 1)),
      };
    },
    combine(partials, argument, objects) {
      const relation = readRelation(argument, objects);
      const accumulators = createAccumulators(relation, [wantedOf(relation, aggregate)]);
      for (const partial of partials) mergeStates(accumulators, unpack(partial), [0]);
      return pack(null, { [aggregate]: resultsOf(accumulators[0]!, 1) });
    },
  };
}

function wantedOf(relation: RelationArgument, op: Aggregate): WantedAggregate {
  // Which column does not matter for a count.
  const column =
    op === 'count' && relation.params.column === undefined
      ? Object.keys(relation.relation.columns)[0]!
      : columnParameter(relation);
  relation.typeOf(column);
  return { op, column, as: op };
}

export const count: Operator = aggregateOperator('count');
export const sum: Operator = aggregateOperator('sum');
export const mean: Operator = aggregateOperator('mean');
export const min: Operator = aggregateOperator('min');
export const max: Operator = aggregateOperator('max');
export const median: Operator = aggregateOperator('median');
