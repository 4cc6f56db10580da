import type { Random } from '@strata/model/machine';

/**
 * Ranks 0 to `count` - 1 with probability proportional to 1 / (rank + 1)^exponent, in constant memory: rejection-inversion
 * (Hoermann and Derflinger, ACM TOMACS 6(3), 1996). Exponents above 0, also 1.
 */
export function createZipfRanks(count: number, exponent: number, random: Random): () => number {
  const integralOfFirst = integral(1.5) - 1;
  const integralOfLast = integral(count + 0.5);
  /** Below this distance from the rank the hat and the histogram agree: no test needed. */
  const shortcut = 2 - inverse(integral(2.5) - density(2));

  /** Integral of the density from 1 to x. */
  function integral(x: number): number {
    const logarithm = Math.log(x);
    return expOver((1 - exponent) * logarithm) * logarithm;
  }

  function density(x: number): number {
    return Math.exp(-exponent * Math.log(x));
  }

  function inverse(y: number): number {
    const scaled = Math.max(-1, y * (1 - exponent));
    return Math.exp(logOver(scaled) * y);
  }

  return () => {
    for (;;) {
      const y = integralOfLast + random.unit() * (integralOfFirst - integralOfLast);
      const x = inverse(y);
      const rank = Math.min(count, Math.max(1, Math.round(x)));
      if (rank - x <= shortcut || y >= integral(rank + 0.5) - density(rank)) return rank - 1;
    }
  };
}

/** (e^x - 1) / x, also near 0. */
function expOver(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.expm1(x) / x : 1 + x / 2;
}

/** ln(1 + x) / x, also near 0. */
function logOver(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.log1p(x) / x : 1 - x / 2;
}
