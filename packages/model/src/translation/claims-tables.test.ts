import { describe, expect, it } from 'vitest';
import { holds } from '../machine/claims.ts';
import { tableDesignClaims } from './claims-tables.ts';

describe('the claims of designs with tables or TLBs of their own', () => {
  it('have a stable name each', () => {
    const ids = tableDesignClaims.map(({ claim }) => claim.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(tableDesignClaims.map((one) => [one.claim.id, one] as const))('%s', (id, { claim, measure }) => {
    const value = measure();
    console.log(id, value, holds(claim.expectation, value));
    expect(value).toBeGreaterThan(0);
  });
});
