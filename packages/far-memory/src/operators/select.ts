import { FarOperatorError } from '../errors.ts';
import {
  copyInto,
  createValueList,
  type ElementType,
  newValues,
  setValue,
  type ValueList,
  type Values,
} from './elements.ts';
import type { Operator } from './operator.ts';
import { columnOf, doublesOf, pack, unpack } from './pack.ts';
import { countOf, type Mask, readWhere } from './predicate.ts';
import { type Block, columnParameter, isCount, type RelationArgument, readRelation } from './relation.ts';

/** What a selection gives: some columns of some rows, and perhaps their numbers. */
interface Selection {
  readonly relation: RelationArgument;
  readonly columns: readonly string[];
  readonly givesRows: boolean;
  select(block: Block): Mask | undefined;
}

const rowsColumn = 'row';

/** An operator that gives rows in their order. Partial results name the rows, so that they can be put in order again. */
function selection(name: string, read: (argument: RelationArgument) => Omit<Selection, 'relation'>): Operator {
  const readSelection = (argument: Uint8Array, objects: number): Selection => {
    const relation = readRelation(argument, objects);
    return { relation, ...read(relation) };
  };
  return {
    name,
    version: 1,
    plan: (argument, objects) => readRelation(argument, objects).plan,
    start(argument, objects) {
      const { relation, columns, givesRows, select } = readSelection(argument, objects);
      const units = createValueList('f64');
      const counts = createValueList('f64');
      const rows = createValueList('f64');
      const lists = listsOf(relation, columns);
      return {
        add(unit, chunks) {
          const block = relation.block(unit, chunks);
          const mask = select(block);
          if (givesRows)
            for (let row = 0; row < block.rows; row++)
              if (mask === undefined || mask[row] === 1) rows.push(block.firstRow + row);
          for (const [index, column] of columns.entries()) appendSelected(lists[index]!, block.column(column), mask);
          units.push(unit);
          counts.push(countOf(mask, block.rows));
        },
        finish: () =>
          pack(null, { units: units.values(), counts: counts.values(), rows: rows.values(), ...named(lists) }),
      };
    },
    combine(partials, argument, objects) {
      const { relation, columns, givesRows } = readSelection(argument, objects);
      const rows = createValueList('f64');
      const lists = listsOf(relation, columns);
      for (const { from, end, packed } of piecesInOrder(partials)) {
        if (givesRows) rows.append(columnOf(packed, 'rows').subarray(from, end));
        for (const [index, list] of lists.entries())
          list.append(columnOf(packed, `column${index}`).subarray(from, end));
      }
      const result: Record<string, Values> = givesRows ? { [rowsColumn]: rows.values() } : {};
      for (const [index, column] of columns.entries()) result[column] = lists[index]!.values();
      return pack(null, result);
    },
  };
}

function listsOf(relation: RelationArgument, columns: readonly string[]): readonly ValueList[] {
  return columns.map((column) => createValueList(relation.typeOf(column)));
}

function named(lists: readonly ValueList[]): Record<string, Values> {
  return Object.fromEntries(lists.map((list, index) => [`column${index}`, list.values()]));
}

function appendSelected(list: ValueList, values: Values, mask: Mask | undefined): void {
  if (mask === undefined) list.append(values);
  else for (let row = 0; row < values.length; row++) if (mask[row] === 1) list.push(values[row]!);
}

interface Piece {
  readonly unit: number;
  readonly from: number;
  readonly end: number;
  readonly packed: ReturnType<typeof unpack>;
}

/** What each unit contributed, by unit. */
function piecesInOrder(partials: readonly Uint8Array[]): readonly Piece[] {
  const pieces: Piece[] = [];
  for (const packed of partials.map(unpack)) {
    const counts = doublesOf(packed, 'counts');
    let from = 0;
    for (const [index, unit] of doublesOf(packed, 'units').entries()) {
      pieces.push({ unit, from, end: from + counts[index]!, packed });
      from += counts[index]!;
    }
  }
  return pieces.sort((a, b) => a.unit - b.unit);
}

/** Columns of a range of rows: parameters `columns` (default all), `from`, `to` (default all rows), `where`. */
export const scan: Operator = selection('scan', (argument) => {
  const { from = 0, to = argument.relation.rows } = argument.params;
  if (!isCount(from) || !isCount(to))
    throw new FarOperatorError(`from and to must be row numbers, found ${from} and ${to}`);
  const where = readWhere(argument);
  return {
    columns: wantedColumns(argument),
    givesRows: false,
    select(block) {
      const mask = where(block);
      if (from <= block.firstRow && to >= block.firstRow + block.rows) return mask;
      const inRange = mask ?? new Uint8Array(block.rows).fill(1);
      for (let row = 0; row < block.rows; row++)
        if (block.firstRow + row < from || block.firstRow + row >= to) inRange[row] = 0;
      return inRange;
    },
  };
});

/** The numbers of the rows that `where` selects, ascending: result `row`. */
export const filter: Operator = selection('filter', (argument) => ({
  columns: [],
  givesRows: true,
  select: readWhere(argument),
}));

/** Columns of the rows that `where` selects, with the rows' numbers: parameters `columns` (default all), `where`; result `row` and they. */
export const project: Operator = selection('project', (argument) => {
  const columns = wantedColumns(argument);
  if (columns.includes(rowsColumn))
    throw new FarOperatorError(`a column named ${rowsColumn} collides with the row numbers; use scan`);
  return { columns, givesRows: true, select: readWhere(argument) };
});

function wantedColumns({ relation, params, typeOf }: RelationArgument): readonly string[] {
  const { columns = Object.keys(relation.columns) } = params;
  if (!Array.isArray(columns) || !columns.every((column) => typeof column === 'string'))
    throw new FarOperatorError(`columns must be a list of names, found ${JSON.stringify(columns)}`);
  for (const column of columns) typeOf(column);
  return columns;
}

/** One whole column, in order: what operators that need all values at once start from. */
export function collectColumn(partials: readonly Uint8Array[], type: ElementType, rows: number): Values {
  const values = newValues(type, rows);
  let at = 0;
  for (const { from, end, packed } of piecesInOrder(partials)) {
    copyInto(values, columnOf(packed, 'column0').subarray(from, end), at);
    at += end - from;
  }
  return values.subarray(0, at);
}

/** An operator over one whole column: gathered where it lies, finished in `combine`. */
export function wholeColumn(
  name: string,
  check: (argument: RelationArgument) => void,
  finish: (values: Values, type: ElementType, argument: RelationArgument) => Record<string, Values>,
): Operator {
  const collect = selection(name, (argument) => ({
    columns: [columnParameter(argument)],
    givesRows: false,
    select: readWhere(argument),
  }));
  return {
    ...collect,
    plan(argument, objects) {
      check(readRelation(argument, objects));
      return collect.plan(argument, objects);
    },
    combine(partials, argument, objects) {
      const relation = readRelation(argument, objects);
      const type = relation.typeOf(columnParameter(relation));
      return pack(null, finish(collectColumn(partials, type, relation.relation.rows), type, relation));
    },
  };
}

/** `value[i] = column[indices[i]]` (AIFM: copy by index): parameter `column`, argument column `indices` (f64); result `value`. */
export const gather: Operator = {
  name: 'gather',
  version: 1,
  plan(argument, objects) {
    const relation = readRelation(argument, objects);
    checkedIndices(relation, relation.relation.rows);
    return relation.plan;
  },
  start(argument, objects) {
    const relation = readRelation(argument, objects);
    const column = columnParameter(relation);
    const indices = checkedIndices(relation, relation.relation.rows);
    const { starts, places } = byUnit(indices, relation);
    const positions = createValueList('f64');
    const values = createValueList(relation.typeOf(column));
    return {
      add(unit, chunks) {
        const block = relation.block(unit, chunks);
        const elements = block.column(column);
        for (let at = starts[unit]!; at < starts[unit + 1]!; at++) {
          positions.push(places[at]!);
          values.push(elements[indices[places[at]!]! - block.firstRow]!);
        }
      },
      finish: () => pack(null, { positions: positions.values(), values: values.values() }),
    };
  },
  combine(partials, argument, objects) {
    const relation = readRelation(argument, objects);
    const result = newValues(relation.typeOf(columnParameter(relation)), doublesOf(relation.packed, 'indices').length);
    for (const packed of partials.map(unpack)) {
      const values = columnOf(packed, 'values');
      for (const [at, position] of doublesOf(packed, 'positions').entries()) setValue(result, position, values[at]!);
    }
    return pack(null, { value: result });
  },
};

/** Which places of `indices` ask for rows of which unit. */
function byUnit(
  indices: Float64Array,
  { relation, plan }: RelationArgument,
): { starts: Float64Array; places: Float64Array } {
  const starts = new Float64Array(plan.units + 1);
  const unitOf = (index: number) => Math.floor(index / relation.rowsPerObject);
  for (const index of indices) starts[unitOf(index) + 1]! += 1;
  for (let unit = 0; unit < plan.units; unit++) starts[unit + 1]! += starts[unit]!;
  const next = starts.slice();
  const places = new Float64Array(indices.length);
  for (const [place, index] of indices.entries()) {
    const unit = unitOf(index);
    places[next[unit]!] = place;
    next[unit]! += 1;
  }
  return { starts, places };
}

/**
 * `value[indices[i]] = column[i]` (AIFM: shuffle by index): parameter `column`, `size` (default: as many as rows), argument column `indices`
 * (f64, one per row); result `value`. Places that no index names are 0; of two rows for one place the later one stays.
 */
export const scatter: Operator = wholeColumn(
  'scatter',
  (argument) => void scatterTargets(argument),
  (values, type, argument) => {
    const { indices, size } = scatterTargets(argument);
    const result = newValues(type, size);
    for (const [row, index] of indices.entries()) setValue(result, index, values[row]!);
    return { value: result };
  },
);

function scatterTargets(argument: RelationArgument): { indices: Float64Array; size: number } {
  const { rows } = argument.relation;
  const { size = rows, where } = argument.params;
  if (!isCount(size)) throw new FarOperatorError(`size must be a number of rows, found ${size}`);
  if (where !== undefined) throw new FarOperatorError('scatter takes every row; it has no where');
  const indices = checkedIndices(argument, size);
  if (indices.length !== rows) throw new FarOperatorError(`${rows} rows need as many indices, found ${indices.length}`);
  return { indices, size };
}

function checkedIndices({ packed }: RelationArgument, below: number): Float64Array {
  const indices = doublesOf(packed, 'indices');
  for (const [position, index] of indices.entries())
    if (!isCount(index) || index >= below)
      throw new FarOperatorError(`index ${index} at position ${position} is no row from 0 to below ${below}`);
  return indices;
}
