import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createViews } from '../arena/views.ts';
import type { Location } from '../handles/words.ts';
import { blob, bytes, FarUsageError, f32, f64, i16, i64, struct, u8, u16, u64, utf8, varbytes } from '../index.ts';

const views = createViews(new SharedArrayBuffer(4096));
const START = 64 as Location;

const Everything = struct({
  a: u8,
  b: f64,
  c: i16,
  d: u64,
  e: bytes(3),
  f: varbytes(5),
  g: utf8(9),
  h: f32,
  i: i64,
  j: u16,
});
const value = fc.record({
  a: fc.nat(255),
  b: fc.double(),
  c: fc.integer({ min: -32768, max: 32767 }),
  d: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  e: fc.uint8Array({ minLength: 3, maxLength: 3 }),
  f: fc.uint8Array({ maxLength: 5 }),
  g: fc.string({ maxLength: 9 }),
  h: fc.float(),
  i: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  j: fc.nat(65535),
});

describe('a blob', () => {
  it('is bytes that are read and written in place, and copied where a value is asked for', () => {
    const layout = blob(100);
    const viewer = layout.createViewer(views, undefined);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 100, maxLength: 100 }), (drawn) => {
        layout.write(views, START * 4, drawn);
        const [seen, copy] = [viewer.view(START, START * 4), layout.read(views, START * 4)];
        expect(seen).toEqual(drawn);
        expect(seen.buffer).toBe(views.buffer);
        viewer.mutable(START, START * 4)[99] = drawn[99]! ^ 1;
        expect(seen[99]).toBe(drawn[99]! ^ 1);
        expect(copy).toEqual(drawn);
      }),
    );
    expect(() => layout.write(views, 0, new Uint8Array(99))).toThrow(FarUsageError);
  });
});

describe('a struct', () => {
  it('lies as C lays it out', () => {
    expect(Everything.offsets).toEqual({ a: 0, b: 8, c: 16, d: 24, e: 32, f: 36, g: 48, h: 64, i: 72, j: 80 });
    expect(Everything.byteLength).toBe(88);
    expect(struct({ a: u8 }).byteLength).toBe(4);
    expect(Everything.signature).toBe(
      'struct{a:u8,b:f64,c:i16,d:u64,e:bytes(3),f:varbytes(5),g:utf8(9),h:f32,i:i64,j:u16}',
    );
  });

  it('reads what was written: as a whole, field by field, and through cursors', () => {
    const viewer = Everything.createViewer(views, undefined);
    fc.assert(
      fc.property(value, value, (first, second) => {
        Everything.write(views, START * 4, first);
        expect(Everything.read(views, START * 4)).toEqual(first);
        expect(viewer.move(START, START * 4).toObject()).toEqual(first);
        const cursor = viewer.mutable(START, START * 4);
        cursor.assign(second);
        expect(viewer.view(START, START * 4).toObject()).toEqual(second);
        cursor.c = first.c;
        cursor.g = first.g;
        expect(cursor.toObject()).toEqual({ ...second, c: first.c, g: first.g });
      }),
    );
  });

  it('puts every number where a DataView finds it', () => {
    fc.assert(
      fc.property(value, (drawn) => {
        Everything.write(views, START * 4, drawn);
        const view = new DataView(views.buffer, START * 4);
        expect(view.getUint8(0)).toBe(drawn.a);
        expect(view.getFloat64(8, true)).toBe(drawn.b);
        expect(view.getInt16(16, true)).toBe(drawn.c);
        expect(view.getBigUint64(24, true)).toBe(drawn.d);
        expect(view.getFloat32(64, true)).toBe(drawn.h);
        expect(view.getUint16(80, true)).toBe(drawn.j);
      }),
    );
  });

  it('cannot be written through a cursor for reading', () => {
    const cursor = Everything.createViewer(views, undefined).view(START, START * 4);
    expect(() => Object.assign(cursor, { a: 1 })).toThrow(TypeError);
  });

  it.each([
    [() => struct({}), /at least one field/],
    [() => struct({ toObject: u8 }), /cannot be named "toObject"/],
    [() => struct({ 'a b': u8 }), /cannot be named "a b"/],
    [() => bytes(-1), /from 0 on, not -1/],
    [() => Everything.write(views, 0, {} as never), /has no field "a"/],
    [() => bytes(3).write(views, 0, new Uint8Array(2)), /takes 3 bytes, not 2/],
    [() => varbytes(3).write(views, 0, new Uint8Array(4)), /at most 3 bytes, not 4/],
    [() => utf8(3).write(views, 0, 'déjà'), /at most 3 bytes/],
  ])('refuses what does not fit it %#', (make, message) => {
    expect(make).toThrow(FarUsageError);
    expect(make).toThrow(message);
  });
});
