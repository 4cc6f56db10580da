/** Equal steps after which a pattern is believed (AIFM, prefetcher.hpp). */
export const STRIDE_THRESHOLD = 8;

/** Finds a constant step in the indices of first touches and keeps a window of objects ahead of them. */
export interface StrideDetector {
  /** An object was touched that was not hot. */
  record(index: number): void;
}

export interface StrideOptions {
  /** Equal steps to wait for; `STRIDE_THRESHOLD` is AIFM's. */
  readonly threshold: number;
  /** Objects to keep ahead. */
  readonly window: () => number;
  /** Objects that exist. */
  readonly length: () => number;
  /** Starts a fetch; false when there is no room for it now. */
  readonly prefetch: (index: number) => boolean;
}

export function createStrideDetector({ threshold, window, length, prefetch }: StrideOptions): StrideDetector {
  let last = Number.NaN;
  let stride = 0;
  let repeats = 0;
  /** Next index to fetch, once the pattern is believed. */
  let next = 0;

  function fetchAhead(index: number): void {
    const limit = index + stride * window();
    // After a jump of the window, or where the program overtook the fetches.
    if ((next - index) * stride <= 0) next = index + stride;
    while ((limit - next) * stride >= 0 && next >= 0 && next < length()) {
      if (!prefetch(next)) return;
      next += stride;
    }
  }

  return {
    record(index) {
      if (index === last) return;
      const step = index - last;
      last = index;
      if (step !== stride) {
        stride = step;
        repeats = 0;
        return;
      }
      repeats++;
      if (repeats === threshold) next = index + stride;
      if (repeats >= threshold) fetchAhead(index);
    },
  };
}
