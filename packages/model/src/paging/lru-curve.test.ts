import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAdvisor } from './advise.ts';
import { createHybridPool } from './hybrid-pool.ts';
import { createLruCurve } from './lru-curve.ts';
import { createLruPool } from './lru-pool.ts';

const trace = fc.array(fc.record({ unit: fc.nat(60), isWrite: fc.boolean() }), { maxLength: 400 });

describe('one pass for every amount of local memory', () => {
  test('misses and write-backs are those of a list of each length', () => {
    fc.assert(
      fc.property(trace, (accesses) => {
        const capacities = Float64Array.from({ length: 70 }, (_, at) => (at + 1) * 64);
        const curve = createLruCurve(capacities);
        for (const { unit, isWrite } of accesses) curve.touch(unit, 64, isWrite, unit);
        curve.points().forEach((point, at) => {
          const pool = createLruPool(61, at + 1);
          for (const { unit, isWrite } of accesses) pool.touch(unit, isWrite);
          const { misses, writeBacks } = pool;
          expect(point).toEqual({ misses, writeBacks, bytesIn: misses * 64, bytesOut: writeBacks * 64 });
        });
      }),
    );
  });

  test('with sizes that differ, a unit is local where it and everything newer fit', () => {
    fc.assert(
      fc.property(trace, (accesses) => {
        const sizeOf = (unit: number) => 10 + ((unit * 37) % 100);
        const capacities = Float64Array.of(150, 400, 1000, 2500);
        const curve = createLruCurve(capacities);
        const newest: number[] = [];
        const misses = [0, 0, 0, 0];
        for (const { unit, isWrite } of accesses) {
          curve.touch(unit, sizeOf(unit), isWrite, unit);
          const at = newest.indexOf(unit);
          const depth = at < 0 ? Infinity : newest.slice(0, at + 1).reduce((sum, one) => sum + sizeOf(one), 0);
          capacities.forEach((capacity, which) => {
            if (depth > capacity) misses[which]!++;
          });
          if (at >= 0) newest.splice(at, 1);
          newest.unshift(unit);
        }
        expect(curve.points().map((point) => point.misses)).toEqual(misses);
      }),
    );
  });
});

describe('the advisor', () => {
  const long = fc.array(fc.record({ object: fc.nat(3000), isWrite: fc.boolean() }), {
    minLength: 100,
    maxLength: 1500,
  });

  test('splits off each hybrid memory as if it had been there from the start', () => {
    fc.assert(
      fc.property(long, (accesses) => {
        const advisor = createAdvisor({ localBytes: [50_000], mostUnits: 1e6 });
        const pools = [16_384, 32_768, 50_000, 65_536].map((localBytes) => ({
          localBytes,
          pool: createHybridPool(localBytes),
        }));
        for (const { object, isWrite } of accesses) {
          advisor.note(object, 64, object * 64, isWrite);
          for (const { pool } of pools) pool.touch(object, 64, Math.floor(object / 64), isWrite);
        }
        const { points } = advisor.result();
        for (const { localBytes, pool } of pools) {
          const point = points.find((one) => one.granularity === 'hybrid' && one.localBytes === localBytes);
          if (point === undefined) continue;
          const { fetches, bytesIn, writeBacks, bytesOut } = pool;
          expect(point).toMatchObject({ fetches, bytesIn, writeBacks, bytesOut });
        }
        expect(points.some(({ granularity }) => granularity === 'hybrid')).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test('gives the reference results of specification A3.3 at 1 MiB (E9)', () => {
    const { points, samplingRate } = adviceOnUniform(65_536, 1e6, 1e6);
    const at = (granularity: string) =>
      points.find((one) => one.granularity === granularity && one.localBytes === 2 ** 20);
    expect(samplingRate).toBe(1);
    expect(at('object')).toMatchObject({ fetches: 752_379, bytesIn: 48_152_256 });
    expect(at('page')).toMatchObject({ fetches: 750_231, bytesIn: 3_072_946_176 });
  }, 240_000);

  test('samples what is too much to follow, and stays near the exact figures', () => {
    const exact = adviceOnUniform(2 ** 18, 1e7, 4e5);
    const sampled = adviceOnUniform(2 ** 18, 2 ** 17, 4e5);
    expect(exact.samplingRate).toBe(1);
    expect(sampled.samplingRate).toBeLessThan(1);
    for (const point of exact.points.filter(({ localBytes }) => localBytes === 2 ** 20 || localBytes === 2 ** 22)) {
      const estimate = sampled.points.find(
        ({ granularity, localBytes }) => granularity === point.granularity && localBytes === point.localBytes,
      )!;
      expect(Math.abs(estimate.fetches / point.fetches - 1)).toBeLessThan(0.05);
      expect(Math.abs(estimate.bytesIn / point.bytesIn - 1)).toBeLessThan(0.05);
    }
  }, 240_000);
});

function adviceOnUniform(objects: number, mostUnits: number, accesses: number) {
  const advisor = createAdvisor({ localBytes: [2 ** 20], mostUnits });
  let state = 12_345;
  for (let access = 0; access < accesses; access++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const object = (state >>> 0) % objects;
    advisor.note(object, 64, object * 64, false);
  }
  return advisor.result();
}
