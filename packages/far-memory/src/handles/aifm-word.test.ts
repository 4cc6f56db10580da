import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeAifmWord, encodeAifmWord } from './aifm-word.ts';

describe("AIFM's pointer word (worked example E2)", () => {
  const away = { kind: 'absent', dataStructure: 7, isShared: false, totalBytes: 82, objectId: 0x123456789n } as const;

  it.each([
    [away, 0x048d159e24014907n],
    [{ ...away, dataStructure: 0, isShared: true }, 0x048d159e24014b00n],
  ])('is as the example says', (pointer, word) => {
    expect(encodeAifmWord(pointer).toString(16)).toBe(word.toString(16));
    expect(decodeAifmWord(word)).toEqual(pointer);
  });

  it('knows null whatever its lowest byte, and the busy slot of a hash table is null plus one', () => {
    expect(encodeAifmWord({ kind: 'null' })).toBe(0x100n);
    for (let low = 0n; low < 256n; low++) expect(decodeAifmWord(0x100n | low)).toEqual({ kind: 'null' });
    expect(decodeAifmWord(0x300n)).not.toEqual({ kind: 'null' });
    expect(decodeAifmWord(0x81n)).toBeUndefined();
  });

  it('gives back every pointer that fits its bits, and refuses others', () => {
    const pointer = fc.record({
      kind: fc.constant('absent' as const),
      dataStructure: fc.integer({ min: 0, max: 255 }),
      isShared: fc.boolean(),
      // A size of 0 is no object: with id 0 it would read as null.
      totalBytes: fc.integer({ min: 1, max: 65_535 }),
      objectId: fc.bigInt({ min: 0n, max: 2n ** 38n - 1n }),
    });
    fc.assert(
      fc.property(pointer, (made) => {
        expect(decodeAifmWord(encodeAifmWord(made))).toEqual(made);
      }),
    );
    expect(() => encodeAifmWord({ ...away, objectId: 2n ** 38n })).toThrow(/the object id must fit into 38 bits/);
    expect(() => encodeAifmWord({ ...away, totalBytes: 65_536 })).toThrow(/16 bits/);
    expect(() => encodeAifmWord({ ...away, dataStructure: -1 })).toThrow(/8 bits/);
  });
});
