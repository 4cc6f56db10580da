import { describe, expect, it } from 'vitest';
import { holds } from '../machine/claims.ts';
import { translationClaims, translationMeasurements } from './claims.ts';

describe('the claims about the walk', () => {
  it.each(translationClaims.map((claim) => [claim.statement, claim] as const))('%s', (_statement, claim) => {
    const measured = translationMeasurements.get(claim.measure)!();
    expect(measured, claim.id).toSatisfy((value: number) => holds(claim.expectation, value));
  });
});
