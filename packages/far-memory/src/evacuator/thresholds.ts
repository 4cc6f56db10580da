/** When evacuation starts and stops, as shares of free segments. Defaults: AIFM, manager.hpp (A1.1). */
export interface Thresholds {
  /** Mutators wait at this share. */
  readonly empty: number;
  /** Evacuation starts at this share. */
  readonly low: number;
  /** Evacuation stops at this share. */
  readonly high: number;
}

export const defaultThresholds: Thresholds = { empty: 0.03, low: 0.12, high: 0.22 };

/** Bounds of one round as shares of all segments, and in segments (A1.1, "GC round"). */
const SMALLEST_ROUND = 0.03;
const LARGEST_ROUND = 0.1;
const LARGEST_ROUND_SEGMENTS = 128;

/** How many segments a round evacuates (worked example E5). */
export function roundSegments(free: number, segments: number, { high }: Thresholds): number {
  const share = Math.min(Math.max(high - free / segments, SMALLEST_ROUND), LARGEST_ROUND);
  return Math.max(1, Math.min(Math.round(share * segments), LARGEST_ROUND_SEGMENTS));
}

/** Free segments that mutators must leave to the evacuator: at least one, or nothing could be moved. */
export function reserveSegments(segments: number, { empty }: Thresholds): number {
  return Math.max(1, Math.floor(segments * empty));
}

/** Whether evacuation has to start. Small memories start before mutators would have to wait. */
export function isLow(free: number, segments: number, thresholds: Thresholds): boolean {
  return free <= Math.max(segments * thresholds.low, reserveSegments(segments, thresholds) + 1);
}

export function isHigh(free: number, segments: number, thresholds: Thresholds): boolean {
  return free >= Math.max(segments * thresholds.high, reserveSegments(segments, thresholds) + 2);
}
