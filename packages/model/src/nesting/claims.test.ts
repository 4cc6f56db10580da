import { expect, it } from 'vitest';
import { holds } from '../machine/claims.ts';
import { nestingClaims } from './claims.ts';

it.each(nestingClaims.map((claim) => [claim.statement, claim] as const))('claim: %s', (_, claim) => {
  const value = claim.value();
  expect(holds(claim.expectation, value), `measured ${value}, published ${claim.published}`).toBe(true);
});

it('names every claim once', () => {
  expect(new Set(nestingClaims.map(({ id }) => id)).size).toBe(nestingClaims.length);
});
