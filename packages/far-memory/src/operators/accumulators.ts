import { FarOperatorError } from '../errors.ts';
import {
  createValueList,
  type ElementType,
  isBig,
  isFloat,
  isSigned,
  newValues,
  setValue,
  type ValueList,
  type Values,
} from './elements.ts';
import { createExactSum, type ExactSum } from './exact-sum.ts';
import type { Mask } from './predicate.ts';

/**
 * Aggregates of groups. None depends on the order of the values or on how they were dealt out: states of the same group from different places
 * are merged by giving one the other's state. A state is a list of elements of one type.
 */
export interface Accumulator {
  readonly stateType: ElementType;
  add(group: number, value: number | bigint): void;
  /** All selected values into one group. */
  addAll(group: number, values: Values, mask: Mask | undefined): void;
  stateOf(group: number): readonly (number | bigint)[] | Values;
  merge(group: number, state: readonly (number | bigint)[] | Values): void;
  resultType: ElementType;
  /** The aggregate of a group; undefined where there is none (the least of no values). */
  resultOf(group: number): number | bigint | undefined;
}

export const aggregates = ['count', 'sum', 'mean', 'min', 'max', 'median'] as const;
export type Aggregate = (typeof aggregates)[number];

export function isAggregate(value: unknown): value is Aggregate {
  return aggregates.some((aggregate) => aggregate === value);
}

/** @param type of the values that are added; of no matter for `count` */
export function createAccumulator(aggregate: Aggregate, type: ElementType): Accumulator {
  switch (aggregate) {
    case 'count':
      return countAccumulator();
    case 'sum':
      return isFloat(type) ? floatSum((sum) => sum.round()) : integerSum(type);
    case 'mean':
      return mean(type);
    case 'min':
      return extreme(type, (a, b) => a < b || (a === b && Object.is(a, -0)));
    case 'max':
      return extreme(type, (a, b) => a > b || (a === b && Object.is(b, -0)));
    case 'median':
      return median(type);
  }
}

function countAccumulator(): Accumulator {
  const counts: number[] = [];
  const grow = (group: number, by: number) => {
    counts[group] = (counts[group] ?? 0) + by;
  };
  return {
    stateType: 'f64',
    resultType: 'f64',
    add: (group) => grow(group, 1),
    addAll(group, values, mask) {
      grow(group, mask === undefined ? values.length : mask.reduce((sum, selected) => sum + selected, 0));
    },
    stateOf: (group) => [counts[group] ?? 0],
    merge: (group, state) => grow(group, Number(state[0] ?? 0)),
    resultOf: (group) => counts[group] ?? 0,
  };
}

function floatSum(finish: (sum: ExactSum) => number): Accumulator {
  const sums: ExactSum[] = [];
  const sumOf = (group: number) => {
    sums[group] ??= createExactSum();
    return sums[group];
  };
  return {
    stateType: 'f64',
    resultType: 'f64',
    add: (group, value) => sumOf(group).add(Number(value)),
    addAll(group, values, mask) {
      if (!isBig(values)) sumOf(group).addAll(mask === undefined ? values : values.filter((_, row) => mask[row] === 1));
    },
    stateOf: (group) => sumOf(group).terms(),
    merge(group, state) {
      for (const term of state) sumOf(group).add(Number(term));
    },
    resultOf: (group) => finish(sumOf(group)),
  };
}

/** Integers are added exactly; the sum of signed ones is an i64, of unsigned ones a u64, or an error when it does not fit. */
function integerSum(type: ElementType): Accumulator {
  const exact = exactIntegers();
  const resultType = isSigned(type) ? 'i64' : 'u64';
  return {
    ...exact,
    resultType,
    resultOf(group) {
      const sum = exact.sumOf(group);
      const fits = resultType === 'i64' ? BigInt.asIntN(64, sum) === sum : BigInt.asUintN(64, sum) === sum;
      if (!fits)
        throw new FarOperatorError(
          `the sum ${sum} does not fit into ${resultType}; sum a part, or convert the column to f64`,
        );
      return sum;
    },
  };
}

function exactIntegers(): Pick<Accumulator, 'stateType' | 'add' | 'addAll' | 'stateOf' | 'merge'> & {
  sumOf(group: number): bigint;
} {
  // Numbers as long as they are exact, then carried over.
  const low: number[] = [];
  const high: bigint[] = [];
  const carryAbove = 2 ** 52;
  // So many integers of 32 bits add up below 2^52.
  const exactAtOnce = 2 ** 20;
  function add(group: number, value: number | bigint): void {
    if (typeof value === 'bigint') {
      high[group] = (high[group] ?? 0n) + value;
      return;
    }
    const sum = (low[group] ?? 0) + value;
    if (sum < carryAbove && sum > -carryAbove) {
      low[group] = sum;
      return;
    }
    high[group] = (high[group] ?? 0n) + BigInt(sum);
    low[group] = 0;
  }
  const sumOf = (group: number) => (high[group] ?? 0n) + BigInt(low[group] ?? 0);
  function addAll(group: number, values: Values, mask: Mask | undefined): void {
    if (isBig(values)) {
      for (let row = 0; row < values.length; row++) if (mask === undefined || mask[row] === 1) add(group, values[row]!);
      return;
    }
    for (let from = 0; from < values.length; from += exactAtOnce) {
      let sum = 0;
      const end = Math.min(from + exactAtOnce, values.length);
      for (let row = from; row < end; row++) if (mask === undefined || mask[row] === 1) sum += values[row]!;
      add(group, sum);
    }
  }
  return {
    stateType: 'i64',
    add,
    addAll,
    // 128 bits in two words.
    stateOf: (group) => [BigInt.asIntN(64, sumOf(group)), BigInt.asIntN(64, sumOf(group) >> 64n)],
    merge: (group, [lowWord = 0n, highWord = 0n]) =>
      add(group, (BigInt(highWord) << 64n) + BigInt.asUintN(64, BigInt(lowWord))),
    sumOf,
  };
}

/** The exact sum, rounded to a double, over the count; none of no values. */
function mean(type: ElementType): Accumulator {
  const count = countAccumulator();
  const floats = isFloat(type) ? floatSum((sum) => sum.round()) : undefined;
  const integers = floats ? undefined : exactIntegers();
  const sums = floats ?? integers!;
  const totalOf = (group: number) => (floats ? Number(floats.resultOf(group)) : Number(integers!.sumOf(group)));
  return {
    stateType: sums.stateType,
    resultType: 'f64',
    add(group, value) {
      count.add(group, value);
      sums.add(group, value);
    },
    addAll(group, values, mask) {
      count.addAll(group, values, mask);
      sums.addAll(group, values, mask);
    },
    stateOf(group) {
      const counted = Number(count.resultOf(group));
      return [floats ? counted : BigInt(counted), ...sums.stateOf(group)];
    },
    merge(group, [counted = 0, ...sum]) {
      count.merge(group, [Number(counted)]);
      sums.merge(group, sum);
    },
    resultOf(group) {
      const counted = Number(count.resultOf(group));
      return counted === 0 ? undefined : totalOf(group) / counted;
    },
  };
}

/** The least or greatest; NaN counts only when there is nothing else, and -0 is below 0. */
function extreme(type: ElementType, isBetter: (a: number | bigint, b: number | bigint) => boolean): Accumulator {
  const best: (number | bigint | undefined)[] = [];
  function add(group: number, value: number | bigint): void {
    const before = best[group];
    if (before === undefined || Number.isNaN(before) || isBetter(value, before)) best[group] = value;
  }
  return {
    stateType: type,
    resultType: type,
    add,
    addAll(group, values, mask) {
      for (let row = 0; row < values.length; row++) if (mask === undefined || mask[row] === 1) add(group, values[row]!);
    },
    stateOf(group) {
      const value = best[group];
      return value === undefined ? [] : [value];
    },
    merge(group, state) {
      for (const value of state) add(group, value);
    },
    resultOf: (group) => best[group],
  };
}

function median(type: ElementType): Accumulator {
  const lists: ValueList[] = [];
  const listOf = (group: number) => {
    lists[group] ??= createValueList(type);
    return lists[group];
  };
  return {
    stateType: type,
    resultType: type,
    add: (group, value) => listOf(group).push(value),
    addAll(group, values, mask) {
      if (mask === undefined) listOf(group).append(values);
      else for (let row = 0; row < values.length; row++) if (mask[row] === 1) listOf(group).push(values[row]!);
    },
    stateOf: (group) => listOf(group).values(),
    merge(group, state) {
      for (const value of state) listOf(group).push(value);
    },
    resultOf: (group) => medianOf(listOf(group).values(), type),
  };
}

/**
 * The middle value; of an even number the mean of the two middle ones in the arithmetic of the type: integers truncate towards zero
 * (specs/far-memory.md E16). NaN sorts last. None of no values.
 */
export function medianOf(values: Values, type: ElementType): number | bigint | undefined {
  const sorted = values.slice().sort();
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined || sorted.length % 2 === 1) return upper;
  const lower = sorted[middle - 1]!;
  if (typeof upper === 'bigint' || typeof lower === 'bigint') return (BigInt(lower) + BigInt(upper)) / 2n;
  const half = (lower + upper) / 2;
  if (!isFloat(type)) return Math.trunc(half);
  // Two great values whose sum overflows.
  return Number.isFinite(half) ? half : lower / 2 + upper / 2;
}

/** The results of all groups, in one array of the result's type. */
export function resultsOf(accumulator: Accumulator, groups: number): Values {
  const results = Array.from({ length: groups }, (_, group) => accumulator.resultOf(group)).filter(
    (result) => result !== undefined,
  );
  const values = newValues(accumulator.resultType, results.length);
  for (const [group, result] of results.entries()) setValue(values, group, result);
  return values;
}
