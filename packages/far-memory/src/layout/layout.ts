import type { Views } from '../arena/views.ts';
import type { Location } from '../handles/words.ts';

/**
 * How a value lies in memory. `Value` is what is stored and copied out, `View` what reading in place gives (the value itself for scalars, a
 * cursor for structs), `Mutable` what writing in place takes.
 */
export interface Layout<Value, View = Value, Mutable = Cell<Value>> {
  /** For messages, and for two programs to compare: `struct{vendor:u8,pickup:f64}`. */
  readonly signature: string;
  /** Bytes of one value, a multiple of `alignment`. */
  readonly byteLength: number;
  readonly alignment: 1 | 2 | 4 | 8;
  /** The scalars of a value, which operators see as columns: its fields, or `value`. */
  readonly columns?: Readonly<Record<string, ScalarPlace>>;
  /** Set when values need less than `byteLength`: how maps store them. */
  readonly exact?: ExactForm<Value>;
  /** A copy of the value at a byte offset of local memory. */
  read(views: Views, byteOffset: number): Value;
  /** @throws FarUsageError when the value does not fit the layout. */
  write(views: Views, byteOffset: number, value: Value): void;
  /** Makes what reads and writes in place; `guard` is there in debug mode. */
  createViewer(views: Views, guard: Guard | undefined): Viewer<View, Mutable>;
}

/** Where a scalar lies in a value, in bytes. */
export interface ScalarPlace {
  readonly type: 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u64' | 'i64' | 'f32' | 'f64';
  readonly offset: number;
}

/** Variable-length bytes without their padding. */
export interface ExactForm<Value> {
  /** Writes the value's bytes at `byteOffset` of `into` and returns how many. */
  encode(into: Uint8Array, byteOffset: number, value: Value): number;
  decode(from: Uint8Array, byteOffset: number, byteLength: number): Value;
}

/** Places cursors. `object` is the object that the bytes belong to. */
export interface Viewer<View, Mutable> {
  /** The one cursor of this viewer, moved: it shows another place after the next call. */
  readonly move: (object: Location, byteOffset: number) => View;
  /** A cursor of its own. */
  readonly view: (object: Location, byteOffset: number) => View;
  readonly mutable: (object: Location, byteOffset: number) => Mutable;
}

/** Debug mode: what every access through a cursor asks first. */
export interface Guard {
  /** Taken when a cursor is placed. */
  generationOf(object: Location): number;
  /** @throws FarUsageError when the object was moved, freed or evicted since. */
  checkRead(object: Location, generation: number): void;
  /** Also when it was written back since, so that a write would be lost. */
  checkWrite(object: Location, generation: number): void;
}

/** A scalar in place. */
export interface Cell<Value> {
  value: Value;
}
