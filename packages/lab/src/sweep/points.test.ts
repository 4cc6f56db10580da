import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAxis, pointsOf } from './points.ts';

describe('axes', () => {
  it('are a path and values as YAML reads them', async () => {
    expect(await parseAxis('machine.l2.ways=4,8')).toEqual({ path: 'machine.l2.ways', values: [4, 8] });
    expect(await parseAxis('trace="gen:gups,seed=1",gen:chase')).toEqual({
      path: 'trace',
      values: ['gen:gups,seed=1', 'gen:chase'],
    });
  });

  it.each(['', 'a', 'a=', '=1', 'a b=1'])('refuse %j', async (text) => {
    await expect(parseAxis(text)).rejects.toThrow(/not an axis/);
  });
});

describe('points', () => {
  it('are every combination once, the last axis fastest', () =>
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }), (sizes) => {
        const axes = sizes.map((size, at) => ({ path: `a${at}`, values: Array.from({ length: size }, (_, n) => n) }));
        const points = pointsOf({ base: true }, axes);
        const expected = sizes.reduce<number[][]>(
          (rows, size) => rows.flatMap((row) => Array.from({ length: size }, (_, n) => [...row, n])),
          [[]],
        );
        expect(points.map(({ coordinates }) => Object.values(coordinates))).toEqual(expected);
        expect(points.every(({ configuration }) => configuration.base === true)).toBe(true);
      }),
    ));

  it('refuse two axes for one path, and more points than anybody means', () => {
    const axis = { path: 'a', values: [1, 2] };
    expect(() => pointsOf({}, [axis, axis])).toThrow(/two axes for a/);
    const wide = (path: string) => ({ path, values: Array(1000).fill(0) });
    expect(() => pointsOf({}, [wide('a'), wide('b')])).toThrow(/1000000 points/);
  });
});
