import { FarUsageError } from '../errors.ts';
import type { ScalarLayout } from '../layout/scalars.ts';
import { elementArrays, isBig, newValues, setValue, type Values } from '../operators/elements.ts';
import { type Packed, pack, unpack } from '../operators/pack.ts';
import type { ColumnLayout, Relation } from '../operators/relation.ts';
import type { Memory } from './memory.ts';
import { builtInVersion, createVector, type FarVector, type OperatorParameters } from './vector.ts';

/** A number or bigint column of a frame. */
export type ColumnScalar = ScalarLayout<number> | ScalarLayout<bigint>;
export type FrameColumns = Readonly<Record<string, ColumnScalar>>;

export interface DataFrameOptions {
  /** Rows of one object of a column: a power of two. 4096 when left out; less where a segment is smaller than that. */
  readonly chunkRows?: number;
  /** For reports. */
  readonly name?: string;
}

/** Columns of one length, each in chunks of its own: what an analysis does not touch stays away. */
export interface DataFrame {
  readonly length: number;
  readonly columns: readonly string[];
  /**
   * Appends rows: the same number of values for every column. What changes the frame (this, `derive`, `drop`) happens one after the other,
   * in the order of the calls. Rejects with FarUsageError, and nothing was appended.
   */
  append(values: Readonly<Record<string, ArrayLike<number> | ArrayLike<bigint>>>): Promise<void>;
  /**
   * A new column, computed here from the rows' values in others, chunk by chunk. Values of u64 and i64 columns come as numbers: rejects with
   * FarUsageError for one beyond 2^53 - 1, which no number holds exactly, and for a result that is no whole number in a u64 or i64 column.
   * No column is made then.
   */
  derive(
    name: string,
    layout: ColumnScalar,
    from: readonly string[],
    compute: (...values: number[]) => number | bigint,
  ): Promise<void>;
  /** A copy of a column, or of its rows `start` to `end - 1`: whole numbers from 0, where those past the last row are left out. */
  values(column: string, start?: number, end?: number): Promise<Values>;
  /**
   * Runs a built-in operator where the columns are: `run('groupBy', { key: 'day', aggregates: [{ op: 'median', column: 'seconds' }] })`. Only the
   * columns that the parameters name are touched. Rejects with FarOperatorError, FarObjectLostError or FarAgentError.
   */
  run(
    operator: string,
    parameters?: OperatorParameters,
    columns?: Readonly<Record<string, Values>>,
  ): Promise<Packed['columns']>;
  /** Resolves when the far side holds all rows. */
  flush(): Promise<void>;
  drop(): Promise<void>;
}

type Column = FarVector<number | bigint, unknown, unknown>;

const DEFAULT_CHUNK_ROWS = 4096;
const WIDEST_ELEMENT_BYTES = 8;

export function createDataFrame(
  memory: Memory,
  layouts: FrameColumns,
  { chunkRows, name = 'data frame' }: DataFrameOptions = {},
): DataFrame {
  const group = memory.newGroup();
  const largest = 2 ** Math.floor(Math.log2(memory.heap.arena.maxObjectBytes / WIDEST_ELEMENT_BYTES));
  const rowsPerChunk = chunkRows ?? Math.min(DEFAULT_CHUNK_ROWS, largest);
  if (!Number.isInteger(Math.log2(rowsPerChunk)) || rowsPerChunk > largest)
    throw new FarUsageError(
      `chunkRows is ${rowsPerChunk}; expected a power of two of at most ${largest}, since 8 bytes of each row must fit a segment`,
    );
  const columns = new Map<string, { readonly layout: ColumnScalar; readonly vector: Column }>();
  let length = 0;
  let isDropped = false;
  /** Settles when the last change has ended. */
  let changes: Promise<unknown> = Promise.resolve();
  if (Object.keys(layouts).length === 0) throw new FarUsageError('a data frame needs at least one column');
  for (const [column, layout] of Object.entries(layouts))
    columns.set(column, { layout, vector: vectorOf(column, layout) });

  function vectorOf(column: string, layout: ColumnScalar): Column {
    const options = { chunkBytes: rowsPerChunk * layout.byteLength, name: `${name}.${column}`, group };
    // Which of the two scalars a column has is checked where values come in.
    return layout.element === 'u64' || layout.element === 'i64'
      ? (createVector(memory, layout as ScalarLayout<bigint>, options) as Column)
      : (createVector(memory, layout as ScalarLayout<number>, options) as Column);
  }

  /** One change after the other: two appends at a time would mix the rows of one column otherwise than those of another. */
  function inOrder<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = changes.then(change);
    changes = result.catch(() => undefined);
    return result;
  }

  function requireAlive(): void {
    if (isDropped) throw new FarUsageError(`the ${name} was dropped`);
  }

  function columnNamed(column: string): { readonly layout: ColumnScalar; readonly vector: Column } {
    requireAlive();
    const found = columns.get(column);
    if (found === undefined)
      throw new FarUsageError(`no column ${column}; there are ${[...columns.keys()].join(', ')}`);
    return found;
  }

  /** Columns that anything in the parameters names; the first where none is, which is enough to count rows. */
  function namedIn(parameters: OperatorParameters): readonly string[] {
    const found = new Set<string>();
    const look = (value: unknown): void => {
      if (typeof value === 'string' && columns.has(value)) found.add(value);
      else if (Array.isArray(value)) value.forEach(look);
      else if (typeof value === 'object' && value !== null) Object.values(value).forEach(look);
    };
    look(parameters);
    return found.size > 0 ? [...found] : [...columns.keys()].slice(0, 1);
  }

  /** The columns' chunks side by side, each valid until the next is asked for. */
  async function* chunksOf(names: readonly string[]) {
    const iterations = names.map((column) => columnNamed(column).vector.chunks({ to: length }));
    try {
      for (;;) {
        const steps = await Promise.all(iterations.map((iteration) => iteration.next()));
        const chunks = steps.flatMap(({ value }) => (value === undefined ? [] : [value]));
        if (chunks.length < names.length || chunks.length === 0) return;
        yield chunks;
      }
    } finally {
      await Promise.all(iterations.map((iteration) => iteration.return?.(undefined)));
    }
  }

  async function append(values: Parameters<DataFrame['append']>[0]): Promise<void> {
    requireAlive();
    const counts = new Set([...columns.keys()].map((column) => values[column]?.length));
    const [count] = counts;
    const stranger = Object.keys(values).find((column) => !columns.has(column));
    if (stranger !== undefined || counts.size !== 1 || count === undefined)
      throw new FarUsageError(
        `append takes values of one number for each of ${[...columns.keys()].join(', ')}; found ${Object.entries(values)
          .map(([column, list]) => `${column}: ${list.length}`)
          .join(', ')}`,
      );
    try {
      for (const [column, { layout, vector }] of columns) await vector.push(typed(layout, values[column]!, column));
    } catch (error) {
      // All columns or none: those that took the rows give them back.
      for (const { vector } of columns.values()) await vector.resize(length);
      throw error;
    }
    length += count;
  }

  async function derive(...[column, layout, from, compute]: Parameters<DataFrame['derive']>): Promise<void> {
    requireAlive();
    if (columns.has(column)) throw new FarUsageError(`there is a column ${column} already`);
    if (from.length === 0) throw new FarUsageError('derive needs at least one column to compute from');
    const vector = vectorOf(column, layout);
    const row: number[] = new Array(from.length).fill(0);
    try {
      for await (const chunks of chunksOf(from)) {
        const [{ length: rows }] = chunks as [(typeof chunks)[0]];
        const results = newValues(layout.element, rows);
        for (let at = 0; at < rows; at++) {
          for (let input = 0; input < chunks.length; input++)
            row[input] = exactNumber(chunks[input]!.valueAt(at), from[input]!);
          setExactly(results, at, compute(...row), column);
        }
        await vector.push(results as Iterable<number | bigint>);
      }
    } catch (error) {
      // Not `drop`, which would forget the group, and with it the other columns.
      await vector.resize(0);
      throw error;
    }
    columns.set(column, { layout, vector });
  }

  async function drop(): Promise<void> {
    requireAlive();
    isDropped = true;
    length = 0;
    for (const { vector } of columns.values()) await vector.drop();
    columns.clear();
  }

  /** What an operator is told of these columns, whose rows the far side now holds. */
  async function flushed(
    names: readonly string[],
  ): Promise<{ readonly relation: Relation; readonly ids: Float64Array }> {
    requireAlive();
    const ids: Float64Array[] = [];
    const relationColumns: Record<string, ColumnLayout> = {};
    let first = 0;
    for (const column of names) {
      const { layout, vector } = columnNamed(column);
      await vector.flush();
      const own = vector.remoteIds();
      ids.push(own);
      relationColumns[column] = { type: layout.element, first };
      first += own.length;
    }
    return {
      relation: { rows: length, rowsPerObject: rowsPerChunk, columns: relationColumns },
      ids: Float64Array.from(ids.flatMap((own) => [...own])),
    };
  }

  return {
    get length() {
      return length;
    },
    get columns() {
      return [...columns.keys()];
    },
    append: (values) => inOrder(() => append(values)),
    derive: (column, layout, from, compute) => inOrder(() => derive(column, layout, from, compute)),
    async values(column, start = 0, end = length) {
      const { layout, vector } = columnNamed(column);
      for (const row of [start, end])
        if (!Number.isInteger(row) || row < 0)
          throw new FarUsageError(`values takes rows as whole numbers from 0; found ${start} to ${end}`);
      const to = Math.min(end, length);
      const copied = newValues(layout.element, Math.max(0, to - start));
      for await (const chunk of vector.chunks({ from: start, to, nt: true }))
        for (let at = 0; at < chunk.length; at++) setValue(copied, chunk.start - start + at, chunk.valueAt(at));
      return copied;
    },
    async run(operator, parameters = {}, extra = {}) {
      // Rows that are appended between the flushing of two columns would be in one of them only.
      const { relation, ids: all } = await inOrder(() => flushed(namedIn(parameters)));
      const argument = pack({ ...parameters, relation }, extra);
      return unpack(await memory.heap.store.call(operator, builtInVersion, group, all, argument)).columns;
    },
    async flush() {
      requireAlive();
      for (const { vector } of columns.values()) await vector.flush();
    },
    drop: () => inOrder(drop),
  };
}

/** As an array of the column's own element type, which a vector copies as bytes. */
function typed(
  layout: ColumnScalar,
  values: ArrayLike<number> | ArrayLike<bigint>,
  column: string,
): Iterable<number | bigint> {
  if (values instanceof elementArrays[layout.element]) return values as Iterable<number | bigint>;
  const copied = newValues(layout.element, values.length);
  for (let at = 0; at < values.length; at++) setExactly(copied, at, values[at]!, column);
  return copied as Iterable<number | bigint>;
}

/** A value of a column as a number. @throws FarUsageError where none is exact */
function exactNumber(value: number | bigint, column: string): number {
  if (typeof value === 'number') return value;
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new FarUsageError(
    `${value} of column ${column} is beyond 2^53 - 1, which no number holds exactly; keep it in a u64 or i64 column, and use run() or values() on it`,
  );
}

/** Other numbers wrap as typed arrays do. @throws FarUsageError for what would not be exact */
function setExactly(into: Values, at: number, value: number | bigint, column: string): void {
  if (!isBig(into)) {
    into[at] = exactNumber(value, column);
    return;
  }
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value))
    throw new FarUsageError(`column ${column} holds 64-bit integers; ${value} is none, or not exact`);
  into[at] = BigInt(value);
}
