/** What reads of the far side have shown of the link. */
export interface Link {
  observe(startMs: number, endMs: number, bytes: number): void;
  /** Bandwidth-delay product: what a window must hold to keep the link busy. */
  bytesPerRoundTrip(): number;
}

/** Rates are taken over intervals of this length, or one round trip if that is longer. */
const INTERVAL_MS = 2;
/** The share that an observation keeps against newer, worse ones. */
const DECAY = 0.98;

/** Shortest round trip and highest rate seen lately, in ms and bytes per ms. */
export function createLink(): Link {
  let roundTripMs = 0;
  let rate = 0;
  let intervalStart = 0;
  let intervalBytes = 0;

  return {
    observe(startMs, endMs, bytes) {
      const elapsed = endMs - startMs;
      roundTripMs = roundTripMs === 0 ? elapsed : Math.min(elapsed, roundTripMs / DECAY);
      intervalBytes += bytes;
      const length = endMs - intervalStart;
      if (length < Math.max(INTERVAL_MS, roundTripMs)) return;
      rate = Math.max(intervalBytes / length, rate * DECAY);
      intervalStart = endMs;
      intervalBytes = 0;
    },
    bytesPerRoundTrip: () => roundTripMs * rate,
  };
}
