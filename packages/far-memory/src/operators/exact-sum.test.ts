import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createExactSum, roundExactly } from './exact-sum.ts';

const doubles = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.integer().map((n) => n / 8),
);

function sumOf(values: readonly number[], way: 'one by one' | 'at once'): number {
  const sum = createExactSum();
  if (way === 'at once') sum.addAll(values);
  else for (const value of values) sum.add(value);
  return sum.round();
}

describe('exact sums', () => {
  it('are what a person expects where rounding each step is not', () => {
    expect(sumOf([1e100, 1, -1e100], 'one by one')).toBe(1);
    expect(sumOf([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1], 'at once')).toBe(5.5);
    expect(sumOf([Number.MAX_VALUE, Number.MAX_VALUE, -Number.MAX_VALUE, -Number.MAX_VALUE, 3], 'one by one')).toBe(3);
    expect(sumOf([Number.MAX_VALUE, Number.MAX_VALUE], 'one by one')).toBe(Number.POSITIVE_INFINITY);
    expect(sumOf([5e-324, 5e-324, -5e-324], 'at once')).toBe(5e-324);
  });

  it('round halves to even, and look below the half', () => {
    expect(sumOf([2 ** 53, 1], 'one by one')).toBe(2 ** 53);
    expect(sumOf([2 ** 53, 1, 2 ** -60], 'one by one')).toBe(2 ** 53 + 2);
    expect(sumOf([2 ** 53 + 2, 1], 'one by one')).toBe(2 ** 53 + 4);
  });

  it('equal the sum by integers, one by one and at once', () => {
    fc.assert(
      fc.property(fc.array(doubles, { maxLength: 200 }), (values) => {
        const exact = roundExactly(values);
        // The sign of a zero sum is all that the integers do not know.
        expect(sumOf(values, 'one by one') + 0).toBe(exact + 0);
        expect(sumOf(values, 'at once') + 0).toBe(exact + 0);
      }),
      { numRuns: 1000 },
    );
  });

  it('do not depend on how the values are dealt out', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.double(), { maxLength: 30 }), { maxLength: 6 }), (parts) => {
        const whole = createExactSum();
        whole.addAll(parts.flat());
        const merged = createExactSum();
        for (const part of parts.toReversed()) {
          const sum = createExactSum();
          sum.addAll(part);
          for (const term of sum.terms()) merged.add(term);
        }
        expect(merged.round() + 0).toBe(whole.round() + 0);
      }),
      { numRuns: 1000 },
    );
  });
});
