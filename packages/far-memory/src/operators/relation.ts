import { FarOperatorError } from '../errors.ts';
import { type ElementType, elementBytes, isElementType, type Values, valuesIn } from './elements.ts';
import type { UnitPlan } from './operator.ts';
import { isRecord, type Packed, unpack } from './pack.ts';

/** Rows in chunks: what the built-in operators work on. Chunk `b` of a column is object `first + b` of the call. */
export interface Relation {
  readonly rows: number;
  readonly rowsPerObject: number;
  readonly columns: Readonly<Record<string, ColumnLayout>>;
}

export interface ColumnLayout {
  readonly type: ElementType;
  /** Position, among the call's objects, of the column's first chunk; columns of one struct have it in common. Default 0. */
  readonly first?: number;
  /** Bytes from one row to the next; default the element's size. */
  readonly stride?: number;
  /** Bytes before the first element; default 0. */
  readonly offset?: number;
}

/** The rows of one unit. */
export interface Block {
  readonly firstRow: number;
  readonly rows: number;
  column(name: string): Values;
}

/** An operator's argument, read and checked. */
export interface RelationArgument {
  readonly relation: Relation;
  /** What else the operator was told. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly packed: Packed;
  readonly plan: UnitPlan;
  typeOf(column: string): ElementType;
  block(unit: number, objects: readonly Uint8Array[]): Block;
}

/** @throws FarOperatorError for an argument that does not describe rows, or does not fit to this many objects */
export function readRelation(argument: Uint8Array, objects: number): RelationArgument {
  const packed = unpack(argument);
  if (!isRecord(packed.meta))
    throw new FarOperatorError('the argument must say {relation: {rows, rowsPerObject, columns}, ...}');
  const { relation: described, ...params } = packed.meta;
  const relation = checkedRelation(described);
  const units = Math.ceil(relation.rows / relation.rowsPerObject);
  const firsts = [...new Set(Object.values(relation.columns).map(({ first = 0 }) => first))].sort((a, b) => a - b);
  const needed = units === 0 ? 0 : Math.max(...firsts) + units;
  if (needed > objects)
    throw new FarOperatorError(
      `${relation.rows} rows of ${relation.rowsPerObject} per object need ${needed} objects, found ${objects}`,
    );
  const layoutOf = (name: string) => {
    const layout = Object.hasOwn(relation.columns, name) ? relation.columns[name] : undefined;
    if (layout === undefined)
      throw new FarOperatorError(`no column ${name}; there are ${Object.keys(relation.columns).join(', ')}`);
    return layout;
  };
  return {
    relation,
    params,
    packed,
    plan: { units, objectsPerUnit: firsts.length, objectAt: (unit, k) => firsts[k]! + unit },
    typeOf: (name) => layoutOf(name).type,
    block(unit, chunks) {
      const firstRow = unit * relation.rowsPerObject;
      const rows = Math.min(relation.rowsPerObject, relation.rows - firstRow);
      return {
        firstRow,
        rows,
        column(name) {
          const layout = layoutOf(name);
          return readColumn(name, layout, chunks[firsts.indexOf(layout.first ?? 0)]!, rows);
        },
      };
    },
  };
}

function readColumn(name: string, { type, stride, offset = 0 }: ColumnLayout, chunk: Uint8Array, rows: number): Values {
  const size = elementBytes(type);
  const step = stride ?? size;
  if (offset + (rows - 1) * step + size > chunk.byteLength)
    throw new FarOperatorError(
      `column ${name}: ${rows} rows of ${type}, ${step} bytes apart from byte ${offset}, do not fit into an object of ${chunk.byteLength} bytes`,
    );
  if (step === size) return valuesIn(type, chunk, offset, rows);
  const gathered = new Uint8Array(rows * size);
  for (let row = 0; row < rows; row++) {
    const from = offset + row * step;
    for (let byte = 0; byte < size; byte++) gathered[row * size + byte] = chunk[from + byte]!;
  }
  return valuesIn(type, gathered, 0, rows);
}

function checkedRelation(value: unknown): Relation {
  if (!isRecord(value)) throw new FarOperatorError('the argument has no relation {rows, rowsPerObject, columns}');
  const { rows, rowsPerObject, columns } = value;
  if (!isCount(rows) || !isCount(rowsPerObject) || rowsPerObject === 0)
    throw new FarOperatorError(
      `rows and rowsPerObject must be whole numbers, rowsPerObject at least 1; found ${rows} and ${rowsPerObject}`,
    );
  if (!isRecord(columns) || Object.keys(columns).length === 0)
    throw new FarOperatorError('the relation has no columns');
  for (const [name, layout] of Object.entries(columns)) checkLayout(name, layout);
  return { rows, rowsPerObject, columns: columns as Relation['columns'] };
}

function checkLayout(name: string, layout: unknown): void {
  if (!isRecord(layout) || !isElementType(layout.type))
    throw new FarOperatorError(
      `column ${name}: expected a type of u8, i8, u16, i16, u32, i32, u64, i64, f32, f64; found ${JSON.stringify(layout)}`,
    );
  const { type, first = 0, stride = elementBytes(type), offset = 0 } = layout;
  if (![first, stride, offset].every(isCount) || Number(stride) < 1)
    throw new FarOperatorError(`column ${name}: first, stride and offset must be whole numbers, stride at least 1`);
}

export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** A parameter that names a column, by default the only one. @throws FarOperatorError */
export function columnParameter({ relation, params }: RelationArgument, name = 'column'): string {
  const value = params[name];
  if (typeof value === 'string') return value;
  const names = Object.keys(relation.columns);
  if (value === undefined && names.length === 1) return names[0]!;
  throw new FarOperatorError(`parameter ${name} must name a column of ${names.join(', ')}`);
}
