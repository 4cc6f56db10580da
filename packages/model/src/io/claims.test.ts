import { describe, expect, it } from 'vitest';
import { holds } from '../machine/claims.ts';
import { ioClaims, ioComparisons, ioMeasurements } from './claims.ts';

describe('the published statements about I/O translation', () => {
  it.each(ioClaims)('$id: $statement', { timeout: 120_000 }, ({ expectation, measure }) => {
    const value = ioMeasurements.get(measure)!();
    expect(holds(expectation, value), `measured ${value}`).toBe(true);
  });

  // Where ours is not the published figure, it is at least of its size and on its side of what is compared.
  it.each(ioComparisons.filter(({ id }) => id.startsWith('io.nested')))(
    '$id: within a factor of 1.5 of $published $unit',
    { timeout: 120_000 },
    ({ measure, published, why }) => {
      expect(why).toMatch(/\w+ \w+/);
      expect(Math.abs(Math.log(measure() / published))).toBeLessThan(Math.log(1.5));
    },
  );
});
