export { builtIns } from './built-ins.ts';
export * from './operator.ts';
export { createOperatorTable, loadOperators, type OperatorTable } from './operator-table.ts';
