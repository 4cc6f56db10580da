import { count, max, mean, median, min, sum } from './aggregate.ts';
import { groupBy, groupRuns, unique } from './group.ts';
import { histogram } from './histogram.ts';
import type { Operator } from './operator.ts';
import { nth, sortIndices } from './order.ts';
import { filter, gather, project, scan, scatter } from './select.ts';

/** The operators that every agent has, over rows in chunks (see relation.ts). */
export const builtIns: readonly Operator[] = [
  scan,
  filter,
  project,
  count,
  sum,
  mean,
  min,
  max,
  median,
  nth,
  groupRuns,
  groupBy,
  unique,
  gather,
  scatter,
  sortIndices,
  histogram,
];
