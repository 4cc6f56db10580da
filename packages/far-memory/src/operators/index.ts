export { type Aggregate, aggregates } from './accumulators.ts';
export { builtIns } from './built-ins.ts';
export type { ElementType, Values } from './elements.ts';
export * from './operator.ts';
export { createOperatorTable, loadOperators, type OperatorTable } from './operator-table.ts';
export { columnOf, doublesOf, type Packed, pack, unpack } from './pack.ts';
export type { Predicate } from './predicate.ts';
export type { ColumnLayout, Relation } from './relation.ts';
