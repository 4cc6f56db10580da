import type { Views } from '../arena/views.ts';
import { FarUsageError } from '../errors.ts';
import type { Location } from '../handles/words.ts';
import type { ByteStringLayout } from './byte-strings.ts';
import type { Guard, Layout, Viewer } from './layout.ts';
import type { ScalarLayout } from './scalars.ts';

type FieldValue = number | bigint | string | Uint8Array;
export type FieldLayout =
  | ScalarLayout<number>
  | ScalarLayout<bigint>
  | ByteStringLayout<Uint8Array>
  | ByteStringLayout<string>;
export type Fields = Readonly<Record<string, FieldLayout>>;

/** A copy of a struct. */
export type StructValue<F extends Fields> = {
  -readonly [Name in keyof F]: F[Name] extends Layout<infer Value> ? Value : never;
};

/** Reads a struct where it lies; valid until the next await. `toObject` copies. */
export type Cursor<F extends Fields> = Readonly<StructValue<F>> & { toObject(): StructValue<F> };

/** Also writes it; valid in the turn that obtained it. `assign` sets the fields that it is given. */
export type MutableCursor<F extends Fields> = StructValue<F> & {
  toObject(): StructValue<F>;
  assign(values: Partial<StructValue<F>>): void;
};

export interface StructLayout<F extends Fields> extends Layout<StructValue<F>, Cursor<F>, MutableCursor<F>> {
  readonly kind: 'struct';
  readonly fields: F;
  /** Byte offset of each field. */
  readonly offsets: { readonly [Name in keyof F]: number };
}

/** Rows begin at whole words, whatever their fields. */
const SMALLEST_ALIGNMENT = 4;
const reservedNames = new Set(['toObject', 'assign', 'constructor', '__proto__']);
const namePattern = /^[A-Za-z_$][\w$]*$/;

interface PlacedField {
  readonly name: string;
  readonly layout: FieldLayout;
  readonly offset: number;
}

/** Fields lie in the order given, each at the next multiple of its alignment, as in C. */
function placeFields(fields: Fields): { placed: PlacedField[]; byteLength: number; alignment: 4 | 8 } {
  const names = Object.keys(fields);
  if (names.length === 0) throw new FarUsageError('a struct needs at least one field');
  let end = 0;
  let alignment: 4 | 8 = SMALLEST_ALIGNMENT;
  const placed = names.map((name) => {
    if (!namePattern.test(name) || reservedNames.has(name))
      throw new FarUsageError(`a field cannot be named "${name}": cursors have it as a property`);
    const layout = fields[name]!;
    const offset = Math.ceil(end / layout.alignment) * layout.alignment;
    end = offset + layout.byteLength;
    if (layout.alignment === 8) alignment = 8;
    return { name, layout, offset };
  });
  return { placed, byteLength: Math.ceil(end / alignment) * alignment, alignment };
}

/** Index into the element's view, from the row's first word `this.w`: shifts by constants only. */
function elementIndex(elementBytes: number, offset: number): string {
  if (elementBytes === 8) return `(this.w >>> 1) + ${offset / 8}`;
  if (elementBytes === 4) return `this.w + ${offset / 4}`;
  return `this.w * ${4 / elementBytes} + ${offset / elementBytes}`;
}

function printField(
  { name, layout, offset }: PlacedField,
  index: number,
  isGuarded: boolean,
  isMutable: boolean,
): string {
  const isScalar = layout.kind === 'scalar';
  const place = isScalar ? `${layout.element}[${elementIndex(layout.byteLength, offset)}]` : '';
  const read = isScalar ? place : `layouts[${index}].read(views, this.w * 4 + ${offset})`;
  const write = isScalar ? `${place} = value` : `layouts[${index}].write(views, this.w * 4 + ${offset}, value)`;
  const checkRead = isGuarded ? 'guard.checkRead(this.o, this.g); ' : '';
  const checkWrite = isGuarded ? 'guard.checkWrite(this.o, this.g); ' : '';
  const getter = `get ${name}() { ${checkRead}return ${read}; }`;
  return isMutable ? `${getter}\nset ${name}(value) { ${checkWrite}${write}; }` : getter;
}

/** One class per struct and purpose, so that each access site sees one shape and constant offsets. */
function printCursorClass(placed: readonly PlacedField[], isGuarded: boolean, isMutable: boolean): string {
  const members = placed.map((field, index) => printField(field, index, isGuarded, isMutable)).join('\n');
  const copy = placed.map(({ name }) => `${name}: this.${name}`).join(', ');
  const assign = placed
    .map(({ name }) => `if (values.${name} !== undefined) this.${name} = values.${name};`)
    .join('\n');
  return `const { u8, i8, u16, i16, u32, i32, u64, i64, f32, f64 } = views;
return class ${isMutable ? 'MutableCursor' : 'Cursor'} {
constructor() { this.w = 0; ${isGuarded ? 'this.o = 0; this.g = 0;' : ''} }
place(object, byteOffset) { this.w = byteOffset >>> 2; ${isGuarded ? 'this.o = object; this.g = guard.generationOf(object);' : ''} return this; }
${members}
toObject() { return { ${copy} }; }
${isMutable ? `assign(values) { ${assign} }` : ''}
};`;
}

interface PlaceableCursor<View> {
  place(object: Location, byteOffset: number): View;
}

function compile<View>(
  placed: readonly PlacedField[],
  views: Views,
  guard: Guard | undefined,
  isMutable: boolean,
): new () => PlaceableCursor<View> {
  const text = printCursorClass(placed, guard !== undefined, isMutable);
  const layouts = placed.map(({ layout }) => layout);
  return new Function('views', 'guard', 'layouts', text)(views, guard, layouts);
}

/**
 * A record of scalars, bytes and text, compiled to accessors of constant offsets.
 * @throws FarUsageError for an empty struct or a name that cannot be a property.
 */
export function struct<const F extends Fields>(fields: F): StructLayout<F> {
  const { placed, byteLength, alignment } = placeFields(fields);
  const offsets = Object.fromEntries(placed.map(({ name, offset }) => [name, offset]));

  function read(views: Views, byteOffset: number): StructValue<F> {
    const value: Record<string, FieldValue> = {};
    for (const { name, layout, offset } of placed) value[name] = layout.read(views, byteOffset + offset);
    return value as StructValue<F>;
  }

  function writeField(views: Views, byteOffset: number, { name, layout }: PlacedField, value: FieldValue): void {
    if (value === undefined) throw new FarUsageError(`a value of ${signature} has no field "${name}"`);
    const writer: { write(views: Views, byteOffset: number, value: FieldValue): void } = layout as Layout<FieldValue>;
    writer.write(views, byteOffset, value);
  }

  const signature = `struct{${placed.map(({ name, layout }) => `${name}:${layout.signature}`).join(',')}}`;
  return {
    kind: 'struct',
    fields,
    offsets: offsets as { readonly [Name in keyof F]: number },
    columns: Object.fromEntries(
      placed.flatMap(({ name, layout, offset }) =>
        layout.kind === 'scalar' ? [[name, { type: layout.element, offset }]] : [],
      ),
    ),
    signature,
    byteLength,
    alignment,
    read,
    write(views, byteOffset, value) {
      const values = value as Readonly<Record<string, FieldValue>>;
      for (const field of placed) writeField(views, byteOffset + field.offset, field, values[field.name]!);
    },
    createViewer(views, guard): Viewer<Cursor<F>, MutableCursor<F>> {
      const CursorClass = compile<Cursor<F>>(placed, views, guard, false);
      const MutableClass = compile<MutableCursor<F>>(placed, views, guard, true);
      const shared = new CursorClass();
      return {
        move: (object, byteOffset) => shared.place(object, byteOffset),
        view: (object, byteOffset) => new CursorClass().place(object, byteOffset),
        mutable: (object, byteOffset) => new MutableClass().place(object, byteOffset),
      };
    },
  };
}
