import { describe, expect, it } from 'vitest';
import { holds } from '../machine/claims.ts';
import { ioMeasuredClaims } from './claims.ts';
import { fittedToItself } from './machine-claims.ts';

const decided = ioMeasuredClaims.filter(({ open }) => open === undefined);
const left = ioMeasuredClaims.filter(({ open }) => open !== undefined);

describe('the published statements about I/O translation', () => {
  it.each(decided.map((each) => ({ ...each, id: each.claim.id, statement: each.claim.statement })))(
    '$id: $statement',
    { timeout: 120_000 },
    ({ claim, value }) => {
      const measured = value();
      expect(holds(claim.expectation, measured), `measured ${measured}`).toBe(true);
    },
  );

  // A claim that has come to hold is no longer open, and its reason no longer true.
  it.each(left.map((each) => ({ ...each, id: each.claim.id })))(
    '$id is open, with a reason: it does not come out, or was fitted to',
    { timeout: 120_000 },
    ({ claim, value, open }) => {
      expect(open).toMatch(/\w+ \w+ \w+/);
      expect(holds(claim.expectation, value())).toBe(open === fittedToItself);
      if (open === fittedToItself) expect(claim.rests?.on).toBe('fitted');
    },
  );

  it('are told apart by one name each, and name the constants that they rest on', () => {
    const ids = ioMeasuredClaims.map(({ claim }) => claim.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { claim } of ioMeasuredClaims)
      if (claim.rests !== undefined) expect(claim.rests.what, claim.id).toMatch(/\d/);
  });
});
