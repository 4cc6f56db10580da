import fc from 'fast-check';
import { expect, it } from 'vitest';
import { copyBytes } from './copy.ts';

it('copies what set() copies, whatever the alignment, into shared memory and other', () => {
  const source = Uint8Array.from({ length: 200_000 }, (_, at) => (at * 31 + (at >>> 8)) % 251);
  const place = fc.nat({ max: 40 });
  const length = fc.oneof(fc.nat({ max: 1500 }), fc.integer({ min: 65_500, max: 65_600 }), fc.constant(150_000));
  fc.assert(
    fc.property(
      place,
      place,
      fc.integer({ min: 1, max: 40 }),
      length,
      fc.boolean(),
      (view, at, offset, bytes, isShared) => {
        const size = 160_000;
        const make = () => new Uint8Array(isShared ? new SharedArrayBuffer(size) : new ArrayBuffer(size), view);
        const [expected, found] = [make(), make()];
        expected.set(source.subarray(offset, offset + bytes), at);
        copyBytes(found, at, source.subarray(1), offset - 1, bytes);
        expect(Buffer.compare(Uint8Array.from(found), Uint8Array.from(expected))).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
});
