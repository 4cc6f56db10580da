import { expect, it } from 'vitest';
import { holds } from '../machine/claims.ts';
import { nestingClaims } from './claims.ts';

const decided = nestingClaims.filter(({ how }) => how !== 'assumed');
const open = nestingClaims.filter(({ how }) => how === 'assumed');

it.each(decided.map((claim) => [claim.statement, claim] as const))('claim: %s', (_, claim) => {
  const value = claim.value();
  expect(holds(claim.expectation, value), `measured ${value}, published ${claim.published}`).toBe(true);
});

it.each(open.map((claim) => [claim.statement, claim] as const))(
  'claim left open, its exits being assumed: %s',
  (_, claim) => {
    expect(claim.value()).toBeGreaterThanOrEqual(1);
  },
);

it('names every claim once', () => {
  expect(new Set(nestingClaims.map(({ id }) => id)).size).toBe(nestingClaims.length);
});
