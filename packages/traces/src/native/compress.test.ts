import { inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compressParts } from './compress.ts';

/** Bytes that deflate cannot shorten, or only zeros. */
function part(noise: boolean, length: number, seed: number): Uint8Array {
  let state = seed | 1;
  return Uint8Array.from({ length }, () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return noise ? state >>> 24 : 0;
  });
}

describe('compressParts', () => {
  it('is one deflate stream of all parts, whatever their order and size', async () => {
    const parts = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 150_000 })), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(parts, fc.integer(), async (wanted, seed) => {
        const pieces = wanted.map(([noise, length], index) => part(noise, length, seed + index));
        const starts = [0];
        for (const piece of pieces) starts.push(starts.at(-1)! + piece.length);
        const raw = Buffer.concat(pieces);
        const packed = await compressParts(raw, starts.slice(0, Math.max(1, pieces.length)));
        expect(Buffer.compare(inflateRawSync(packed), raw)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('keeps noise as it is, with five bytes for each 65,535, and deflates what lies around it', async () => {
    const raw = Buffer.concat([part(false, 50_000, 1), part(true, 200_000, 2), part(false, 50_000, 3)]);
    const packed = await compressParts(raw, [0, 50_000, 250_000]);
    expect(packed.length).toBeGreaterThan(200_020);
    expect(packed.length).toBeLessThan(201_000);
  });
});
