import type { Operator } from './operator.ts';

/** The operators that every agent has. */
export const builtIns: readonly Operator[] = [];
