import { FarOperatorError } from '../errors.ts';
import { isBig, type NumberValues, type Values } from './elements.ts';
import { isRecord } from './pack.ts';
import type { Block, RelationArgument } from './relation.ts';

/**
 * Which rows: `{column, op: '<' | '<=' | '>' | '>=' | '==' | '!=', value}`, `{column, op: 'in', values}`, `{all: [...]}`, `{any: [...]}`,
 * `{not: ...}`. Values of 64-bit columns may be given as decimal text. Comparisons with NaN are false, except `!=`.
 */
export type Predicate =
  | { readonly column: string; readonly op: Comparison; readonly value: number | string }
  | { readonly column: string; readonly op: 'in'; readonly values: readonly (number | string)[] }
  | { readonly all: readonly Predicate[] }
  | { readonly any: readonly Predicate[] }
  | { readonly not: Predicate };

type Comparison = '<' | '<=' | '>' | '>=' | '==' | '!=';

/** One byte per row of a block: 1 = selected. */
export type Mask = Uint8Array;

/** The parameter `where`, ready to run; undefined selects every row. @throws FarOperatorError */
export function readWhere(argument: RelationArgument): (block: Block) => Mask | undefined {
  const { where } = argument.params;
  if (where === undefined || where === null) return () => undefined;
  return compile(argument, where);
}

export function countOf(mask: Mask | undefined, rows: number): number {
  if (mask === undefined) return rows;
  let count = 0;
  for (let row = 0; row < rows; row++) count += mask[row]!;
  return count;
}

function compile(argument: RelationArgument, where: unknown): (block: Block) => Mask {
  if (!isRecord(where)) throw unfit(where);
  const { all, any, not, column, op, value, values } = where;
  if (Array.isArray(all))
    return combined(
      all.map((part) => compile(argument, part)),
      1,
      (a, b) => a & b,
    );
  if (Array.isArray(any))
    return combined(
      any.map((part) => compile(argument, part)),
      0,
      (a, b) => a | b,
    );
  if (not !== undefined) {
    const inner = compile(argument, not);
    return (block) => inner(block).map((selected) => 1 - selected);
  }
  if (typeof column !== 'string') throw unfit(where);
  const isBigColumn = argument.typeOf(column).endsWith('64') && argument.typeOf(column) !== 'f64';
  const operand = (text: unknown) => readOperand(text, isBigColumn);
  if (op === 'in' && Array.isArray(values)) {
    const wanted = new Set(values.map(operand));
    return (block) => maskOf(block.column(column), (element) => wanted.has(element));
  }
  const right = operand(value);
  if (op === '==' || op === '!=' || op === '<' || op === '<=' || op === '>' || op === '>=')
    return typeof right === 'number' ? numberTest(column, op, right) : bigTest(column, op, right);
  throw unfit(where);
}

function combined(
  parts: readonly ((block: Block) => Mask)[],
  start: 0 | 1,
  join: (a: number, b: number) => number,
): (block: Block) => Mask {
  return (block) => {
    const mask = new Uint8Array(block.rows).fill(start);
    for (const part of parts) {
      const other = part(block);
      for (let row = 0; row < mask.length; row++) mask[row] = join(mask[row]!, other[row]!);
    }
    return mask;
  };
}

function numberTest(column: string, op: Comparison, right: number): (block: Block) => Mask {
  const tests: Readonly<Record<Comparison, (left: number) => boolean>> = {
    '<': (left) => left < right,
    '<=': (left) => left <= right,
    '>': (left) => left > right,
    '>=': (left) => left >= right,
    '==': (left) => left === right,
    '!=': (left) => left !== right,
  };
  const test = tests[op];
  return (block) => {
    const values = block.column(column) as NumberValues;
    const mask = new Uint8Array(values.length);
    for (let row = 0; row < mask.length; row++) mask[row] = test(values[row]!) ? 1 : 0;
    return mask;
  };
}

function bigTest(column: string, op: Comparison, right: bigint): (block: Block) => Mask {
  const tests: Readonly<Record<Comparison, (left: number | bigint) => boolean>> = {
    '<': (left) => left < right,
    '<=': (left) => left <= right,
    '>': (left) => left > right,
    '>=': (left) => left >= right,
    '==': (left) => left === right,
    '!=': (left) => left !== right,
  };
  return (block) => maskOf(block.column(column), tests[op]);
}

function maskOf(values: Values, test: (element: number | bigint) => boolean): Mask {
  const mask = new Uint8Array(values.length);
  if (isBig(values)) for (let row = 0; row < mask.length; row++) mask[row] = test(values[row]!) ? 1 : 0;
  else for (let row = 0; row < mask.length; row++) mask[row] = test(values[row]!) ? 1 : 0;
  return mask;
}

function readOperand(value: unknown, isBigColumn: boolean): number | bigint {
  if (typeof value !== 'number' && typeof value !== 'string')
    throw new FarOperatorError(`a value to compare with must be a number, found ${JSON.stringify(value)}`);
  if (!isBigColumn) return Number(value);
  try {
    return BigInt(value);
  } catch {
    throw new FarOperatorError(`a 64-bit column is compared with whole numbers, found ${value}`);
  }
}

function unfit(where: unknown): FarOperatorError {
  return new FarOperatorError(
    `where must be {column, op, value}, {column, op: "in", values}, {all}, {any} or {not}; found ${JSON.stringify(where)}`,
  );
}
