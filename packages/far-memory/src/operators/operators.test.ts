import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { builtIns } from './built-ins.ts';
import { type ElementType, elementArrays, newValues, setValue, type Values } from './elements.ts';
import { type Operator, runOperator } from './operator.ts';
import { createOperatorTable } from './operator-table.ts';
import { pack, unpack } from './pack.ts';

const table = createOperatorTable(builtIns);

/** A small table in chunks: every column in objects of its own, column after column. */
interface Chunked {
  readonly relation: unknown;
  readonly objects: readonly Uint8Array[];
}

function valuesFrom(type: ElementType, list: readonly (number | bigint)[]): Values {
  const values = newValues(type, list.length);
  for (const [at, value] of list.entries()) setValue(values, at, value);
  return values;
}

function chunked(columns: Readonly<Record<string, Values>>, rowsPerObject: number): Chunked {
  const objects: Uint8Array[] = [];
  const layouts: Record<string, unknown> = {};
  let rows = 0;
  for (const [name, values] of Object.entries(columns)) {
    rows = values.length;
    const type = Object.entries(elementArrays).find(([, array]) => values instanceof array)![0];
    layouts[name] = { type, first: objects.length };
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const step = rowsPerObject * values.BYTES_PER_ELEMENT;
    for (let from = 0; from < bytes.length; from += step) objects.push(bytes.slice(from, from + step));
  }
  return { relation: { rows, rowsPerObject, columns: layouts }, objects };
}

/** The result of an operator over columns, as plain lists. */
function run(
  name: string,
  columns: Readonly<Record<string, Values>>,
  params: Readonly<Record<string, unknown>> = {},
  extra: Readonly<Record<string, Values>> = {},
  rowsPerObject = 2,
): Readonly<Record<string, readonly (number | bigint)[]>> {
  const { relation, objects } = chunked(columns, rowsPerObject);
  return lists(runOperator(table.get(name, 1), pack({ relation, ...params }, extra), objects));
}

function lists(bytes: Uint8Array): Readonly<Record<string, readonly (number | bigint)[]>> {
  return Object.fromEntries(Object.entries(unpack(bytes).columns).map(([name, values]) => [name, [...values]]));
}

const f64 = (...list: number[]) => Float64Array.from(list);
const i32 = (...list: number[]) => Int32Array.from(list);

describe('built-in operators, worked examples (E16)', () => {
  it('finds the greatest of negative doubles', () => {
    expect(run('max', { x: f64(-5, -3) })).toEqual({ max: [-3] });
  });

  it('truncates the median of integers and not of doubles', () => {
    expect(run('median', { x: i32(1, 2) })).toEqual({ median: [1] });
    expect(run('median', { x: i32(-1, -2) })).toEqual({ median: [-1] });
    expect(run('median', { x: f64(1, 2) })).toEqual({ median: [1.5] });
    expect(run('median', { x: BigInt64Array.from([1n, 2n ** 62n + 1n]) })).toEqual({ median: [2n ** 61n + 1n] });
  });

  it('makes three groups of the runs 1 1 2 1', () => {
    expect(run('groupRuns', { day: i32(1, 1, 2, 1) })).toEqual({ day: [1, 2, 1], count: [2, 1, 1] });
    expect(run('groupBy', { day: i32(1, 1, 2, 1) })).toEqual({ day: [1, 2], count: [3, 1] });
  });

  it('joins a run that crosses objects', () => {
    const columns = { day: i32(7, 7, 7, 7, 7), dist: f64(1, 5, 2, 4, 3) };
    const aggregates = [
      { op: 'median', column: 'dist' },
      { op: 'sum', column: 'dist' },
    ];
    expect(run('groupRuns', columns, { key: 'day', aggregates })).toEqual({
      day: [7],
      median_dist: [3],
      sum_dist: [15],
    });
  });

  it('keeps the first appearance in unique', () => {
    expect(run('unique', { x: i32(3, 1, 3, 2, 1) })).toEqual({ value: [3, 1, 2], row: [0, 1, 3] });
  });

  it('gathers and scatters by index', () => {
    expect(run('gather', { v: i32(10, 20, 30) }, {}, { indices: f64(2, 0) })).toEqual({ value: [30, 10] });
    expect(run('scatter', { v: i32(10, 20, 30) }, {}, { indices: f64(2, 0, 1) })).toEqual({ value: [20, 30, 10] });
  });

  it('has an empty result for no rows', () => {
    const x = f64();
    for (const name of ['min', 'max', 'mean', 'median']) expect(run(name, { x })).toEqual({ [name]: [] });
    expect(run('sum', { x })).toEqual({ sum: [0] });
    expect(run('count', { x })).toEqual({ count: [0] });
    expect(run('nth', { x }, { n: 0 })).toEqual({ nth: [] });
    expect(run('unique', { x })).toEqual({ value: [], row: [] });
    expect(run('groupBy', { x })).toEqual({ x: [], count: [] });
    expect(run('groupRuns', { x })).toEqual({ x: [], count: [] });
    expect(run('sortIndices', { x })).toEqual({ row: [] });
    expect(run('scan', { x })).toEqual({ x: [] });
    expect(run('filter', { x }, { where: { column: 'x', op: '>', value: 0 } })).toEqual({ row: [] });
    expect(run('gather', { x }, {}, { indices: f64() })).toEqual({ value: [] });
    expect(run('scatter', { x }, {}, { indices: f64() })).toEqual({ value: [] });
    expect(run('histogram', { x }, { min: 0, max: 1, bins: 2 })).toEqual({ count: [0, 0], outside: [0, 0, 0] });
  });

  it('adds integers exactly, beyond 2^53 too', () => {
    expect(run('sum', { x: Uint32Array.from({ length: 5 }, () => 0xffff_ffff) })).toEqual({ sum: [5n * 0xffff_ffffn] });
    expect(run('sum', { x: BigInt64Array.from([2n ** 62n, 2n ** 62n - 1n, -1n]) })).toEqual({ sum: [2n ** 63n - 2n] });
    expect(() => run('sum', { x: BigInt64Array.from([2n ** 62n, 2n ** 62n]) })).toThrow(/does not fit into i64/);
  });

  it('reads columns that are not aligned, in a Buffer too', () => {
    const chunk = Buffer.concat([Buffer.of(9, 9, 9), Buffer.from(new Uint8Array(f64(1.5, 2.5).buffer))]);
    const argument = pack({ relation: { rows: 2, rowsPerObject: 2, columns: { x: { type: 'f64', offset: 3 } } } });
    expect(lists(runOperator(table.get('sum', 1), argument, [chunk]))).toEqual({ sum: [4] });
  });

  it('reads the fields of structs', () => {
    const rows = new DataView(new ArrayBuffer(3 * 13));
    for (const [row, [vendor, dist]] of [
      [1, 2.5],
      [2, 4.5],
      [1, 0.25],
    ].entries()) {
      rows.setUint8(row * 13, vendor!);
      rows.setFloat64(row * 13 + 5, dist!, true);
    }
    const columns = { vendor: { type: 'u8', stride: 13 }, dist: { type: 'f64', stride: 13, offset: 5 } };
    const argument = pack({
      relation: { rows: 3, rowsPerObject: 3, columns },
      column: 'dist',
      where: { column: 'vendor', op: '==', value: 1 },
    });
    expect(lists(runOperator(table.get('sum', 1), argument, [new Uint8Array(rows.buffer)]))).toEqual({ sum: [2.75] });
  });
});

const special = fc.constantFrom(Number.NaN, -0, 0, Number.POSITIVE_INFINITY, 1e300, -1e300, 0.1);
const elements: Readonly<Record<string, fc.Arbitrary<number | bigint>>> = {
  f64: fc.oneof(fc.double(), fc.integer({ min: -3, max: 3 }), special),
  f32: fc.oneof(fc.float(), fc.integer({ min: -3, max: 3 })),
  i32: fc.oneof(fc.integer(), fc.integer({ min: -3, max: 3 })),
  u8: fc.integer({ min: 0, max: 5 }),
  u64: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 55n }), fc.bigInt({ min: 0n, max: 3n })),
  i64: fc.oneof(fc.bigInt({ min: -(2n ** 55n), max: 2n ** 55n }), fc.bigInt({ min: -3n, max: 3n })),
};
const typeNames = ['f64', 'f32', 'i32', 'u8', 'u64', 'i64'] as const;

const input = fc
  .record({
    type: fc.constantFrom(...typeNames),
    keyType: fc.constantFrom(...typeNames),
    rows: fc.nat(40),
    rowsPerObject: fc.integer({ min: 1, max: 7 }),
  })
  .chain(({ type, keyType, rows, rowsPerObject }) =>
    fc.record({
      rowsPerObject: fc.constant(rowsPerObject),
      x: fc.array(elements[type]!, { minLength: rows, maxLength: rows }).map((list) => valuesFrom(type, list)),
      key: fc.array(elements[keyType]!, { minLength: rows, maxLength: rows }).map((list) => valuesFrom(keyType, list)),
      indices: fc.array(fc.nat(Math.max(0, rows - 1)), { minLength: rows, maxLength: rows }),
      places: fc.array(fc.nat(2), { minLength: 50, maxLength: 50 }),
      threshold: fc.integer({ min: -2, max: 4 }),
    }),
  );

const paramsOf = (name: string, threshold: number, hasFloats: boolean): Readonly<Record<string, unknown>> => {
  const where = { column: 'x', op: '>=', value: threshold };
  const aggregates = ['count', 'mean', 'min', 'max', 'median', ...(hasFloats ? ['sum'] : [])].map((op) => ({
    op,
    column: 'x',
  }));
  if (name === 'groupRuns') return { key: 'key', aggregates };
  if (name === 'groupBy') return { key: 'key', aggregates, where };
  if (name === 'nth') return { column: 'x', n: 2 };
  if (name === 'histogram') return { column: 'x', min: -3, max: 3, bins: 7, where };
  if (name === 'scan') return { from: 3, to: 11, where };
  if (name === 'gather' || name === 'scatter' || name === 'sortIndices') return { column: 'x' };
  return { column: 'x', where };
};

/** The units dealt out to three places, each with a partial result of its own, combined. */
function runApart(
  operator: Operator,
  argument: Uint8Array,
  objects: readonly Uint8Array[],
  places: readonly number[],
): Uint8Array {
  const plan = operator.plan(argument, objects.length);
  const workers = [0, 1, 2].map(() => operator.start(argument, objects.length));
  for (let unit = 0; unit < plan.units; unit++)
    workers[places[unit]!]!.add(
      unit,
      Array.from({ length: plan.objectsPerUnit }, (_, k) => objects[plan.objectAt(unit, k)]!),
    );
  return operator.combine(workers.map((worker) => worker.finish()).toReversed(), argument, objects.length);
}

describe('every built-in operator', () => {
  it.each(builtIns.map((operator) => ({ name: operator.name, operator })))(
    '$name gives the same bytes on one place and on three',
    ({ name, operator }) => {
      fc.assert(
        fc.property(input, ({ x, key, rowsPerObject, indices, places, threshold }) => {
          const { relation, objects } = chunked({ x, key }, rowsPerObject);
          const hasFloats = !(x instanceof BigInt64Array || x instanceof BigUint64Array);
          const argument = pack(
            { relation, ...paramsOf(name, threshold, hasFloats) },
            { indices: Float64Array.from(indices) },
          );
          const here = runOperator(operator, argument, objects);
          expect(runApart(operator, argument, objects, places)).toEqual(here);
        }),
        { numRuns: 120 },
      );
    },
  );
});

/** What a person would write without any thought of speed. */
describe('operators against naive code', () => {
  const isEqual = (a: number | bigint, b: number | bigint) => a === b || (Number.isNaN(a) && Number.isNaN(b));

  it('agree on random columns', () => {
    fc.assert(
      fc.property(input, ({ x, key, rowsPerObject, indices, threshold }) => {
        const values = [...x];
        const keys = [...key];
        const columns = { x, key };
        const byIndex = { indices: Float64Array.from(indices) };
        const where = { column: 'x', op: '>=', value: threshold };
        const at = (name: string, params = {}) =>
          run(name, columns, { column: 'x', ...params }, byIndex, rowsPerObject);
        const selected = values.flatMap((value, row) => (value >= threshold ? [row] : []));
        expect(at('filter', { where }).row).toEqual(selected);
        expect(at('project', { where })).toEqual({
          row: selected,
          x: selected.map((row) => values[row]),
          key: selected.map((row) => keys[row]),
        });
        expect(at('count', { where }).count).toEqual([selected.length]);
        expect(at('scan', { from: 1, to: 5 }).key).toEqual(keys.slice(1, 5));
        expect(at('gather').value).toEqual(indices.map((index) => values[index]));
        const scattered = values.map((value): number | bigint => (typeof value === 'bigint' ? 0n : 0));
        for (const [row, index] of indices.entries()) scattered[index] = values[row]!;
        expect(at('scatter').value).toEqual(scattered);
        const rows = values.map((_, row) => row);
        const compare = (a: number, b: number) => {
          const [left, right] = [values[a]!, values[b]!];
          if (Number.isNaN(left) || Number.isNaN(right))
            return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
          return left < right ? -1 : left > right ? 1 : 0;
        };
        expect(at('sortIndices').row).toEqual(rows.toSorted(compare));
        const first: (number | bigint)[] = [];
        for (const value of keys) if (!first.some((known) => isEqual(known, value))) first.push(value);
        expect(at('unique', { column: 'key' }).value).toEqual(first);
        const groups = first.map((wanted) => rows.filter((row) => isEqual(keys[row]!, wanted)));
        expect(at('groupBy', { key: 'key' }).count).toEqual(groups.map((group) => group.length));
        const comparable = values.filter((value) => !Number.isNaN(value));
        if (comparable.length > 0) {
          const least = comparable.reduce((a, b) => (b < a ? b : a));
          expect(Number(at('min').min![0]) + 0).toBe(Number(least) + 0);
        }
        if (x instanceof Int32Array || x instanceof Uint8Array)
          expect(at('sum').sum).toEqual([values.reduce((sum: bigint, value) => sum + BigInt(value), 0n)]);
      }),
      { numRuns: 200 },
    );
  });
});

describe('operators refuse', () => {
  const x = f64(1, 2, 3);
  it.each([
    ['an unknown column', () => run('sum', { x }, { column: 'y' }), /no column y; there are x/],
    ['an index that is no row', () => run('gather', { x }, {}, { indices: f64(3) }), /index 3 at position 0/],
    ['too few indices', () => run('scatter', { x }, {}, { indices: f64(0) }), /3 rows need as many indices, found 1/],
    [
      'a predicate that says nothing',
      () => run('filter', { x }, { where: { column: 'x' } }),
      /where must be|must be a number/,
    ],
    ['bins without a range', () => run('histogram', { x }, { min: 1, max: 1, bins: 3 }), /min the smaller/],
    ['bytes that are no argument', () => runOperator(table.get('sum', 1), new Uint8Array(3), []), /not packed columns/],
    ['an unknown operator', () => table.get('avg', 1), /no operator avg here; known are scan/],
    ['another version', () => table.get('sum', 2), /operator sum is here in version 1, not 2/],
  ])('%s', (_, work, sentence) => {
    expect(work).toThrow(sentence);
  });

  it('objects that are too short for their rows', () => {
    const argument = pack({ relation: { rows: 4, rowsPerObject: 4, columns: { x: { type: 'f64' } } } });
    expect(() => runOperator(table.get('sum', 1), argument, [new Uint8Array(31)])).toThrow(
      /do not fit into an object of 31 bytes/,
    );
    expect(() => runOperator(table.get('sum', 1), argument, [])).toThrow(/need 1 objects, found 0/);
  });
});
