import { FarOperatorError } from '../errors.ts';
import { isBig, newValues, setValue, type Values } from './elements.ts';
import type { Operator } from './operator.ts';
import { isCount, type RelationArgument } from './relation.ts';
import { wholeColumn } from './select.ts';

/**
 * The row numbers that put a column in ascending order: stable, NaN last, -0 equal to 0. Parameters `column`, `descending` (which turns the
 * order of values, not of equal rows; NaN then comes first). Result `row`.
 */
export const sortIndices: Operator = wholeColumn(
  'sortIndices',
  (argument) => {
    if (argument.params.where !== undefined)
      throw new FarOperatorError('sortIndices takes every row; filter its result');
  },
  (values, _type, { params }) => ({ row: Float64Array.from(sortedIndices(values, params.descending === true)) }),
);

/** Value number `n` (from 0) of the selected values in ascending order, NaN last: parameters `column`, `n`, `where`; result `nth`. */
export const nth: Operator = wholeColumn(
  'nth',
  (argument) => void rankOf(argument),
  (values, type, argument) => {
    const rank = rankOf(argument);
    const found = values.slice().sort()[rank];
    const result = newValues(type, found === undefined ? 0 : 1);
    if (found !== undefined) setValue(result, 0, found);
    return { nth: result };
  },
);

function rankOf({ params }: RelationArgument): number {
  if (!isCount(params.n)) throw new FarOperatorError(`n must be a whole number from 0, found ${params.n}`);
  return params.n;
}

/** Merge sort from runs of one, bottom up: stable, and nothing is allocated but the two lists. */
function sortedIndices(values: Values, isDescending: boolean): Uint32Array {
  const { length } = values;
  if (length > 2 ** 32) throw new FarOperatorError(`${length} rows cannot be sorted at once; at most 2^32`);
  const ascending = isBig(values) ? (a: number, b: number) => values[a]! < values[b]! : precedes(values);
  const comesFirst = isDescending ? (a: number, b: number) => ascending(b, a) : ascending;
  let from = Uint32Array.from({ length }, (_, row) => row);
  let to = new Uint32Array(length);
  for (let width = 1; width < length; width *= 2) {
    for (let start = 0; start < length; start += 2 * width)
      mergeRuns(from, to, start, Math.min(start + width, length), Math.min(start + 2 * width, length), comesFirst);
    [from, to] = [to, from];
  }
  return from;
}

function precedes(values: ArrayLike<number>): (a: number, b: number) => boolean {
  return (a, b) => {
    const left = values[a]!;
    const right = values[b]!;
    return left < right || (Number.isNaN(right) && !Number.isNaN(left));
  };
}

function mergeRuns(
  from: Uint32Array,
  to: Uint32Array,
  start: number,
  middle: number,
  end: number,
  comesFirst: (a: number, b: number) => boolean,
): void {
  let left = start;
  let right = middle;
  for (let at = start; at < end; at++) {
    const takesRight = left >= middle || (right < end && comesFirst(from[right]!, from[left]!));
    to[at] = takesRight ? from[right++]! : from[left++]!;
  }
}
