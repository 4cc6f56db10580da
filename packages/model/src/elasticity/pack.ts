import { StrataError } from '../machine/errors.ts';
import { createRandom } from '../machine/random.ts';
import type { Curve } from './footprint.ts';
import { mibPerGib } from './units.ts';

export interface PackInput {
  /** Footprints of the fleet; a VM replays one of them over and over. */
  readonly footprints: readonly Curve[];
  readonly hostGib: number;
  /** Memory of the host that VMs may not have. Default 0. */
  readonly reservedGib?: number;
  /** Length of the cycle in seconds; the last value holds to its end. Default: the longest footprint. */
  readonly cycleSeconds?: number;
  /** Share of draws whose peak must fit, 0 to 1. Default 0.95. */
  readonly percentile?: number;
  /** Draws of which VM replays which footprint, and of its phase. Default 60. */
  readonly draws?: number;
  /** Share of the distance between two VMs by which a phase may be off; 1 = anywhere. Default 0.25. */
  readonly jitter?: number;
  readonly seed?: number;
}

export interface PackStep {
  readonly vms: number;
  /** Percentile over draws of the largest sum. */
  readonly peakGib: number;
  readonly fits: boolean;
}

export interface PackResult {
  readonly vms: number;
  readonly peakGib: number;
  /** What the host has left at that peak. */
  readonly marginGib: number;
  /** Every number of VMs that was tried: the last one does not fit. */
  readonly steps: readonly PackStep[];
}

/** Sums are taken this often: shorter peaks are those of one VM and are kept by taking the largest value of each step. */
const stepSeconds = 5;
const mostVms = 4096;

/**
 * How many VMs fit on a host when their phases are spread evenly over a cycle.
 * @throws StrataError `elastic.pack` for sizes that make no sense
 */
export function packVms(input: PackInput): PackResult {
  const { hostGib, reservedGib = 0, percentile = 0.95, draws = 60, jitter = 0.25, seed = 42 } = input;
  const room = hostGib - reservedGib;
  if (!(room > 0) || input.footprints.length === 0)
    throw new StrataError({
      code: 'elastic.pack',
      what: 'no room for VMs',
      expected: 'more than 0 GiB',
      found: `${room} GiB`,
    });
  const longest = Math.max(...input.footprints.map(({ seconds }) => seconds[seconds.length - 1]! - seconds[0]!));
  const cycle = Math.max(longest, input.cycleSeconds ?? longest);
  const slots = Math.max(1, Math.ceil(cycle / stepSeconds));
  const cycles = input.footprints.map((curve) => onGrid(curve, slots));
  const random = createRandom(seed);
  const steps: PackStep[] = [];
  const sum = new Float64Array(slots);
  for (let vms = 1; vms <= mostVms; vms++) {
    const peaks = new Float64Array(draws);
    for (let draw = 0; draw < draws; draw++) {
      sum.fill(0);
      for (let vm = 0; vm < vms; vm++) {
        const values = cycles[cycles.length === 1 ? 0 : random.below(cycles.length)]!;
        const phase = (vm + jitter * (random.unit() - 0.5)) / vms;
        addShifted(sum, values, Math.round((phase - Math.floor(phase)) * slots) % slots);
      }
      peaks[draw] = sum.reduce((most, value) => Math.max(most, value), 0);
    }
    peaks.sort();
    const peakGib = peaks[Math.min(draws - 1, Math.ceil(percentile * draws) - 1)]! / mibPerGib;
    const fits = peakGib <= room;
    steps.push({ vms, peakGib, fits });
    if (!fits) break;
  }
  const best = steps.findLast(({ fits }) => fits);
  return { vms: best?.vms ?? 0, peakGib: best?.peakGib ?? 0, marginGib: room - (best?.peakGib ?? 0), steps };
}

function addShifted(sum: Float64Array, values: Float64Array, shift: number): void {
  const slots = sum.length;
  for (let at = 0; at < slots; at++) sum[at]! += values[at < shift ? at - shift + slots : at - shift]!;
}

/** The largest value in each step; the last value goes on to the end of the cycle. */
function onGrid({ seconds, mib }: Curve, slots: number): Float64Array {
  const grid = new Float64Array(slots).fill(-1);
  for (let at = 0; at < seconds.length; at++) {
    const slot = Math.min(slots - 1, Math.floor((seconds[at]! - seconds[0]!) / stepSeconds));
    grid[slot] = Math.max(grid[slot]!, mib[at]!);
  }
  for (let slot = 0; slot < slots; slot++) if (grid[slot]! < 0) grid[slot] = slot === 0 ? 0 : grid[slot - 1]!;
  return grid;
}
