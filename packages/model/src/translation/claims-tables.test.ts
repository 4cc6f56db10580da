import { describe, expect, it } from 'vitest';
import { holds } from '../machine/claims.ts';
import { tableDesignClaims } from './claims-tables.ts';

/** Counts that follow from the design and not from the application: these must come out. */
const counted = [
  'translation.nested-ecpt.steps',
  'translation.fpt.references-native',
  'translation.fpt.references-virtualized',
];

describe('the claims of designs with tables or TLBs of their own', () => {
  it('have a stable name each', () => {
    const ids = tableDesignClaims.map(({ claim }) => claim.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(tableDesignClaims.map((one) => [one.claim.id, one] as const))('%s', (id, { claim, measure, why }) => {
    const measured = measure();
    expect(Number.isFinite(measured)).toBe(true);
    expect(why, 'says why the figures differ').toMatch(/\w+ \w+/);
    if (counted.includes(id)) expect(measured).toSatisfy((value: number) => holds(claim.expectation, value));
    // A speedup far from 1 on these workloads would be a defect of the model, whatever the verdict.
    else expect(Math.abs(Math.log2(measured))).toBeLessThan(1);
  });
});
