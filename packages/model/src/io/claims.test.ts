import { describe, expect, it } from 'vitest';
import { holds } from '../machine/claims.ts';
import { ioClaims, ioMeasurements } from './claims.ts';

describe('the published statements about I/O translation', () => {
  it.each(ioClaims.filter(({ measure }) => ioMeasurements.has(measure)))(
    '$id: $statement',
    ({ expectation, measure }) => {
      const value = ioMeasurements.get(measure)!();
      expect(holds(expectation, value), `measured ${value}`).toBe(true);
    },
  );
});
