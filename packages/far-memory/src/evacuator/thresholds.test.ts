import { describe, expect, it } from 'vitest';
import { defaultThresholds, isHigh, isLow, reserveSegments, roundSegments } from './thresholds.ts';

describe('evacuation of 1,000 regions (worked example E5)', () => {
  it.each([
    [120, 1000, 100],
    [150, 1000, 70],
    [200, 1000, 30],
    [600, 5000, 128],
  ])('with %i of %i free, a round takes %i', (free, segments, expected) => {
    expect(roundSegments(free, segments, defaultThresholds)).toBe(expected);
  });

  it('starts at 12 % free and not above', () => {
    expect(isLow(120, 1000, defaultThresholds)).toBe(true);
    expect(isLow(121, 1000, defaultThresholds)).toBe(false);
  });

  it('stops at 22 % free and not below', () => {
    expect(isHigh(220, 1000, defaultThresholds)).toBe(true);
    expect(isHigh(219, 1000, defaultThresholds)).toBe(false);
  });

  it('leaves the last 3 % to the evacuator, and at least one segment', () => {
    expect(reserveSegments(1000, defaultThresholds)).toBe(30);
    expect(reserveSegments(8, defaultThresholds)).toBe(1);
  });
});
