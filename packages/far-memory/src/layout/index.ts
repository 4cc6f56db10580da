export { type BlobLayout, type ByteStringLayout, blob, bytes, utf8, varbytes } from './byte-strings.ts';
export type { Cell, ExactForm, Layout } from './layout.ts';
export { f32, f64, i8, i16, i32, i64, type ScalarLayout, u8, u16, u32, u64 } from './scalars.ts';
export { type Cursor, type Fields, type MutableCursor, type StructLayout, type StructValue, struct } from './struct.ts';
