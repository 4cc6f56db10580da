import type { Views } from '../arena/views.ts';
import type { Location } from '../handles/words.ts';
import type { Cell, Guard, Layout, Viewer } from './layout.ts';

type NumberElement = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'f32' | 'f64';
type BigElement = 'u64' | 'i64';

/** A number or bigint of fixed width. */
export interface ScalarLayout<Value> extends Layout<Value> {
  readonly kind: 'scalar';
  /** The view of local memory that holds it. */
  readonly element: NumberElement | BigElement;
}

function cellViewer<Value>(
  layout: {
    read(views: Views, byteOffset: number): Value;
    write(views: Views, byteOffset: number, value: Value): void;
  },
  views: Views,
  guard: Guard | undefined,
): Viewer<Value, Cell<Value>> {
  const view = (_object: Location, byteOffset: number) => layout.read(views, byteOffset);
  return {
    move: view,
    view,
    mutable(object, byteOffset) {
      const generation = guard?.generationOf(object) ?? 0;
      return {
        get value() {
          guard?.checkRead(object, generation);
          return layout.read(views, byteOffset);
        },
        set value(value) {
          guard?.checkWrite(object, generation);
          layout.write(views, byteOffset, value);
        },
      };
    },
  };
}

/**
 * Reading in place, printed per layout: closures made from one text share what the compiler learns, and a column of bytes would slow a
 * column of doubles down.
 */
function printReader<Value>(
  views: Views,
  element: NumberElement | BigElement,
  shift: number,
): (object: Location, byteOffset: number) => Value {
  return new Function('array', `return (object, byteOffset) => array[byteOffset >>> ${shift}];`)(views[element]);
}

/** The same for a copy out of any memory. */
function printRead<Value>(
  element: NumberElement | BigElement,
  shift: number,
): (views: Views, byteOffset: number) => Value {
  return new Function('views', 'byteOffset', `return views.${element}[byteOffset >>> ${shift}];`) as (
    views: Views,
    byteOffset: number,
  ) => Value;
}

/** Out-of-range numbers wrap as typed arrays do. */
function numberLayout(element: NumberElement, byteLength: 1 | 2 | 4 | 8): ScalarLayout<number> {
  const shift = Math.log2(byteLength);
  const read = printRead<number>(element, shift);
  const write = (views: Views, byteOffset: number, value: number) => {
    views[element][byteOffset >>> shift] = value;
  };
  return {
    kind: 'scalar',
    element,
    columns: { value: { type: element, offset: 0 } },
    signature: element,
    byteLength,
    alignment: byteLength,
    read,
    write,
    createViewer(views, guard) {
      const view = printReader<number>(views, element, shift);
      return { ...cellViewer({ read, write }, views, guard), move: view, view };
    },
  };
}

function bigLayout(element: BigElement): ScalarLayout<bigint> {
  const read = printRead<bigint>(element, 3);
  const write = (views: Views, byteOffset: number, value: bigint) => {
    views[element][byteOffset >>> 3] = value;
  };
  return {
    kind: 'scalar',
    element,
    columns: { value: { type: element, offset: 0 } },
    signature: element,
    byteLength: 8,
    alignment: 8,
    read,
    write,
    createViewer(views, guard) {
      const view = printReader<bigint>(views, element, 3);
      return { ...cellViewer({ read, write }, views, guard), move: view, view };
    },
  };
}

export const u8: ScalarLayout<number> = numberLayout('u8', 1);
export const i8: ScalarLayout<number> = numberLayout('i8', 1);
export const u16: ScalarLayout<number> = numberLayout('u16', 2);
export const i16: ScalarLayout<number> = numberLayout('i16', 2);
export const u32: ScalarLayout<number> = numberLayout('u32', 4);
export const i32: ScalarLayout<number> = numberLayout('i32', 4);
export const f32: ScalarLayout<number> = numberLayout('f32', 4);
export const f64: ScalarLayout<number> = numberLayout('f64', 8);
/** Values are bigints. */
export const u64: ScalarLayout<bigint> = bigLayout('u64');
export const i64: ScalarLayout<bigint> = bigLayout('i64');

export { cellViewer };
