import { StrataError } from '../machine/errors.ts';
import type { ElasticityConfig } from './config.ts';
import { type HostProfile, millisecondsOf, type Operation } from './costs.ts';
import { type Demand, demandUnder, type GuestAllocator } from './demand.ts';
import { requireDmaSafe, resizeVm } from './resize.ts';
import type { Need, Technique } from './techniques/technique.ts';
import { mibPerGib } from './units.ts';

export interface FootprintInput {
  readonly demand: Demand;
  readonly technique: Technique;
  readonly vfio: boolean;
  readonly profile: HostProfile;
  readonly config: ElasticityConfig;
  /** Allocator of the guest instead of the one that the technique comes with. */
  readonly allocator?: GuestAllocator;
}

/** A curve over time: memory in MiB at each of the seconds. */
export interface Curve {
  readonly seconds: Float64Array;
  readonly mib: Float64Array;
}

export interface FootprintSummary {
  /** Integral over the trace (trapezoid). */
  readonly gibMinutes: number;
  readonly peakGib: number;
  /** Over time, not over samples. */
  readonly meanGib: number;
}

export interface FootprintResult extends FootprintSummary {
  readonly resident: Curve;
  /** Size that the guest sees, at the same seconds. */
  readonly limitMib: Float64Array;
  readonly usedHugeMib: Float64Array;
  readonly operations: readonly Operation[];
  /** Time that the technique's operations take, beyond what a VM of static memory needs. */
  readonly costSeconds: number;
  readonly basis: Technique['footprintBasis'];
  readonly notes: readonly string[];
}

/** A trace of a year at one step per second. */
const longestSteps = 32_000_000;

/**
 * What the host has resident for a VM while it needs what the demand says.
 * @throws StrataError `elastic.not-dma-safe`, `elastic.too-long`
 */
export function footprintOf(input: FootprintInput): FootprintResult {
  const { demand, technique, vfio, config } = input;
  requireDmaSafe(technique, vfio);
  const allocator =
    input.allocator ?? (technique.name === 'static' ? (demand.allocator ?? 'buddy') : technique.allocator);
  const prepared = demandUnder(demand, allocator);
  const seconds = gridOf(prepared.seconds, config.stepSeconds);
  const follower = technique.follow({
    config,
    vfio,
    totalMib: demand.totalMib,
    allocator,
    shrinkMsPerGib: shrinkMsPerGib(input),
  });
  const mib = new Float64Array(seconds.length);
  const limitMib = new Float64Array(seconds.length);
  const usedHugeMib = new Float64Array(seconds.length);
  const need: { -readonly [K in keyof Need]: Need[K] } = { usedMib: 0, usedHugeMib: 0 };
  const interpolate = createInterpolation(prepared.seconds);
  for (let at = 0; at < seconds.length; at++) {
    const time = seconds[at]!;
    interpolate.moveTo(time);
    need.usedMib = interpolate.value(prepared.usedMib);
    need.usedHugeMib = Math.min(demand.totalMib, interpolate.value(prepared.usedHugeMib));
    follower.advance(time - seconds[0]!, need);
    mib[at] = follower.residentMib;
    limitMib[at] = follower.limitMib;
    usedHugeMib[at] = need.usedHugeMib;
  }
  const operations = [...follower.operations].map(([cost, count]) => ({ cost, count }));
  const resident = { seconds, mib };
  return {
    ...summaryOf(resident),
    resident,
    limitMib,
    usedHugeMib,
    operations,
    costSeconds: millisecondsOf(operations, input.profile.costs) / 1000,
    basis: technique.footprintBasis,
    notes: [
      ...prepared.notes,
      ...(technique.footprintBasis === 'unvalidated'
        ? [`No recording of footprints under ${technique.name} exists: this curve is modelled and unvalidated.`]
        : []),
    ],
  };
}

function shrinkMsPerGib({ technique, profile, vfio }: FootprintInput): number {
  if (typeof technique.resize === 'string') return 0;
  return resizeVm({ technique, profile, fromGib: 1, toGib: 0, touched: true, vfio }).shrinkMs;
}

/** Integral, peak and mean of a curve. */
export function summaryOf({ seconds, mib }: Curve): FootprintSummary {
  let mibSeconds = 0;
  let peak = mib[0] ?? 0;
  for (let at = 1; at < seconds.length; at++) {
    mibSeconds += ((mib[at]! + mib[at - 1]!) / 2) * (seconds[at]! - seconds[at - 1]!);
    peak = Math.max(peak, mib[at]!);
  }
  const duration = (seconds[seconds.length - 1] ?? 0) - (seconds[0] ?? 0);
  return {
    gibMinutes: mibSeconds / mibPerGib / 60,
    peakGib: peak / mibPerGib,
    meanGib: duration > 0 ? mibSeconds / duration / mibPerGib : peak / mibPerGib,
  };
}

/** Every `step` seconds from the first sample on, and the last sample. */
function gridOf(samples: Float64Array, step: number): Float64Array {
  const first = samples[0]!;
  const last = samples[samples.length - 1]!;
  const whole = Math.floor((last - first) / step);
  if (whole > longestSteps)
    throw new StrataError({
      code: 'elastic.too-long',
      what: 'the trace has too many time steps',
      expected: `at most ${longestSteps}`,
      found: `${whole}`,
      mend: 'Give a longer step: --set stepSeconds=60.',
    });
  const grid = Float64Array.from({ length: whole + 1 }, (_, at) => first + at * step);
  if (last - grid[whole]! <= step * 1e-6) return grid;
  const withEnd = new Float64Array(whole + 2);
  withEnd.set(grid);
  withEnd[whole + 1] = last;
  return withEnd;
}

/** Straight lines between samples; `moveTo` takes ascending times. */
function createInterpolation(samples: Float64Array) {
  let at = 0;
  let share = 0;
  return {
    moveTo(time: number) {
      while (at + 2 < samples.length && samples[at + 1]! <= time) at++;
      share = Math.min(1, Math.max(0, (time - samples[at]!) / (samples[at + 1]! - samples[at]!)));
    },
    value: (values: Float64Array) => {
      const from = values[at]!;
      const to = values[at + 1]!;
      return share === 0 ? from : share === 1 ? to : from + share * (to - from);
    },
  };
}
