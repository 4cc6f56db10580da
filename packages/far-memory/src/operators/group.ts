import type { Accumulator } from './accumulators.ts';
import { resultsOf } from './accumulators.ts';
import { createValueList, type Values } from './elements.ts';
import type { Operator } from './operator.ts';
import { columnOf, doublesOf, pack, unpack } from './pack.ts';
import { readWhere } from './predicate.ts';
import { type Block, columnParameter, type RelationArgument, readRelation } from './relation.ts';
import { createAccumulators, mergeStates, packStates, readAggregates } from './states.ts';

interface Grouping {
  readonly relation: RelationArgument;
  readonly key: string;
  readonly columns: readonly string[];
  readonly names: readonly string[];
  accumulators(): readonly Accumulator[];
}

function readGrouping(argument: Uint8Array, objects: number): Grouping {
  const relation = readRelation(argument, objects);
  const key = columnParameter(relation, 'key');
  const wanted = readAggregates(relation, key);
  return {
    relation,
    key,
    columns: wanted.map(({ column }) => column),
    names: wanted.map(({ as }) => as),
    accumulators: () => createAccumulators(relation, wanted),
  };
}

/** Adds one row's values to a group. */
function addRow(accumulators: readonly Accumulator[], values: readonly Values[], group: number, row: number): void {
  for (let i = 0; i < accumulators.length; i++) accumulators[i]!.add(group, values[i]![row]!);
}

function resultColumns(grouping: Grouping, accumulators: readonly Accumulator[], keys: Values): Uint8Array {
  const columns: Record<string, Values> = { [grouping.key]: keys };
  for (const [index, name] of grouping.names.entries()) columns[name] = resultsOf(accumulators[index]!, keys.length);
  return pack(null, columns);
}

/**
 * Groups of equal keys wherever they are, in the order in which each key first appears: parameters `key`, `aggregates`, `where`; result the
 * key and one column per aggregate. NaN equals NaN, and -0 equals 0.
 */
export const groupBy: Operator = {
  name: 'groupBy',
  version: 1,
  plan: (argument, objects) => readRelation(argument, objects).plan,
  start(argument, objects) {
    const grouping = readGrouping(argument, objects);
    const where = readWhere(grouping.relation);
    const accumulators = grouping.accumulators();
    const groups = createGroups(grouping);
    return {
      add(unit, chunks) {
        const block = grouping.relation.block(unit, chunks);
        const mask = where(block);
        const keys = block.column(grouping.key);
        const values = grouping.columns.map((column) => block.column(column));
        for (let row = 0; row < block.rows; row++) {
          if (mask !== undefined && mask[row] === 0) continue;
          addRow(accumulators, values, groups.of(keys[row]!, block.firstRow + row), row);
        }
      },
      finish: () => pack(null, { ...groups.columns(), ...packStates(accumulators, groups.size) }),
    };
  },
  combine(partials, argument, objects) {
    const grouping = readGrouping(argument, objects);
    const accumulators = grouping.accumulators();
    const groups = createGroups(grouping);
    const all = partials.map(unpack).map((partial) => {
      const keys = columnOf(partial, 'keys');
      return { partial, keys, rows: doublesOf(partial, 'rows') };
    });
    inOrderOfRows(all, ({ keys, rows }, at) => groups.of(keys[at]!, rows[at]!));
    for (const { partial, keys, rows } of all)
      mergeStates(
        accumulators,
        partial,
        Float64Array.from(rows, (row, group) => groups.of(keys[group]!, row)),
      );
    return resultColumns(grouping, accumulators, groups.columns().keys);
  },
};

/** Groups or runs of one partial: their keys, in the order of their first rows. */
interface Keyed {
  readonly keys: Values;
  readonly rows: Float64Array;
}

/** Visits what all partials have, in the order of the whole: each partial alone is in that order already. */
function inOrderOfRows<P extends Keyed>(partials: readonly P[], visit: (partial: P, index: number) => void): void {
  const next = partials.map(() => 0);
  for (;;) {
    let first = -1;
    for (let p = 0; p < partials.length; p++) {
      if (next[p] === partials[p]!.rows.length) continue;
      if (first < 0 || partials[p]!.rows[next[p]!]! < partials[first]!.rows[next[first]!]!) first = p;
    }
    if (first < 0) return;
    visit(partials[first]!, next[first]!++);
  }
}

interface Groups {
  readonly size: number;
  of(key: number | bigint, row: number): number;
  columns(): { readonly keys: Values; readonly rows: Values };
}

function createGroups({ relation, key }: Pick<Grouping, 'relation' | 'key'>): Groups {
  const numbers = new Map<number | bigint, number>();
  const keys = createValueList(relation.typeOf(key));
  const rows = createValueList('f64');
  return {
    get size() {
      return numbers.size;
    },
    of(value, row) {
      const known = numbers.get(value);
      if (known !== undefined) return known;
      const group = numbers.size;
      numbers.set(value, group);
      keys.push(value);
      rows.push(row);
      return group;
    },
    columns: () => ({ keys: keys.values(), rows: rows.values() }),
  };
}

/**
 * Groups of equal keys that follow each other, in the order of the rows (specs/far-memory.md A1.9: [1, 1, 2, 1] has three): parameters and
 * result as of groupBy, without `where`.
 */
export const groupRuns: Operator = {
  name: 'groupRuns',
  version: 1,
  plan: (argument, objects) => readRelation(argument, objects).plan,
  start(argument, objects) {
    const grouping = readGrouping(argument, objects);
    const accumulators = grouping.accumulators();
    const runs = createRuns(grouping);
    return {
      add(unit, chunks) {
        const block = grouping.relation.block(unit, chunks);
        addRuns(grouping, block, runs, accumulators);
      },
      finish: () => pack(null, { ...runs.columns(), ...packStates(accumulators, runs.size) }),
    };
  },
  combine(partials, argument, objects) {
    const grouping = readGrouping(argument, objects);
    const accumulators = grouping.accumulators();
    const runs = createRuns(grouping);
    const all = partials.map(unpack).map((partial) => {
      const rows = doublesOf(partial, 'rows');
      const target = new Float64Array(rows.length);
      return { partial, keys: columnOf(partial, 'keys'), rows, ends: doublesOf(partial, 'ends'), target };
    });
    inOrderOfRows(all, ({ keys, rows, ends, target }, at) => {
      target[at] = runs.of(keys[at]!, rows[at]!, ends[at]!);
    });
    for (const { partial, target } of all) mergeStates(accumulators, partial, target);
    return resultColumns(grouping, accumulators, runs.columns().keys);
  },
};

function addRuns(grouping: Grouping, block: Block, runs: Runs, accumulators: readonly Accumulator[]): void {
  const keys = block.column(grouping.key);
  const values = grouping.columns.map((column) => block.column(column));
  for (let row = 0; row < block.rows; row++) {
    const at = block.firstRow + row;
    addRow(accumulators, values, runs.of(keys[row]!, at, at + 1), row);
  }
}

interface Runs {
  readonly size: number;
  /** The run of rows `from` to before `end`: the last one when the key is its key and the rows follow on it. */
  of(key: number | bigint, from: number, end: number): number;
  columns(): { readonly keys: Values; readonly rows: Values; readonly ends: Values };
}

function createRuns({ relation, key }: Grouping): Runs {
  const keys = createValueList(relation.typeOf(key));
  const rows = createValueList('f64');
  const ends: number[] = [];
  let last: number | bigint | undefined;
  return {
    get size() {
      return ends.length;
    },
    of(value, from, end) {
      if (ends.length > 0 && ends.at(-1) === from && isSameKey(last, value)) {
        ends[ends.length - 1] = end;
        return ends.length - 1;
      }
      last = value;
      keys.push(value);
      rows.push(from);
      ends.push(end);
      return ends.length - 1;
    },
    columns: () => ({ keys: keys.values(), rows: rows.values(), ends: Float64Array.from(ends) }),
  };
}

function isSameKey(a: number | bigint | undefined, b: number | bigint): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
}

/** The distinct values of a column, in the order in which each first appears: parameters `column`, `where`; result `value`, `row`. */
export const unique: Operator = {
  name: 'unique',
  version: 1,
  plan: (argument, objects) => readRelation(argument, objects).plan,
  start(argument, objects) {
    const relation = readRelation(argument, objects);
    const column = columnParameter(relation);
    const where = readWhere(relation);
    const seen = createGroups({ relation, key: column });
    return {
      add(unit, chunks) {
        const block = relation.block(unit, chunks);
        const mask = where(block);
        const values = block.column(column);
        for (let row = 0; row < block.rows; row++)
          if (mask === undefined || mask[row] === 1) seen.of(values[row]!, block.firstRow + row);
      },
      finish: () => packUnique(seen),
    };
  },
  combine(partials, argument, objects) {
    const relation = readRelation(argument, objects);
    const seen = createGroups({ relation, key: columnParameter(relation) });
    const all = partials
      .map(unpack)
      .map((partial) => ({ keys: columnOf(partial, 'value'), rows: doublesOf(partial, 'row') }));
    inOrderOfRows(all, ({ keys, rows }, at) => seen.of(keys[at]!, rows[at]!));
    return packUnique(seen);
  },
};

function packUnique(seen: Groups): Uint8Array {
  const { keys, rows } = seen.columns();
  return pack(null, { value: keys, row: rows });
}
