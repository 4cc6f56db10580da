import { StrataError } from '../machine/errors.ts';

/** What the artifact measured while a VM of 20 GiB shrinks to 2 GiB and grows back under load, for 1, 4 and 12 busy threads. */
export interface MeasuredInterference {
  readonly technique: string;
  readonly vfio: boolean;
  /** Seconds in which the bandwidth of STREAM is below 93 % of its median, while shrinking. */
  readonly shrinkSlowSeconds: Triple;
  /** Bandwidth in those seconds, relative to the median; 1 where they are too few to tell. */
  readonly shrinkBandwidth: Triple;
  readonly growSlowSeconds: Triple;
  readonly growBandwidth: Triple;
  /** First percentile of the work done per quantum (FTQ), relative to the baseline. */
  readonly ftqFirstPercentile: Triple;
}
type Triple = readonly [one: number, four: number, twelve: number];

export const interferenceSource = 'HyperAlloc artifact, stream and ftq raw data; specification 4.3';
const measuredThreads = [1, 4, 12] as const;
const measuredGib = 18;
/** Bandwidth of STREAM Copy without resizing, in GB/s (specification 4.3). */
export const baselineGbPerSecond: Triple = [10.3, 26.04, 68.99];

const row = (
  technique: string,
  vfio: boolean,
  shrinkSlowSeconds: Triple,
  shrinkBandwidth: Triple,
  growSlowSeconds: Triple,
  growBandwidth: Triple,
  ftqFirstPercentile: Triple,
): MeasuredInterference => ({
  technique,
  vfio,
  shrinkSlowSeconds,
  shrinkBandwidth,
  growSlowSeconds,
  growBandwidth,
  ftqFirstPercentile,
});

export const measuredInterference: readonly MeasuredInterference[] = [
  row('static', false, [0.07, 0.13, 0.45], [1, 1, 1], [0, 0, 0.17], [1, 1, 1], [1, 1, 1]),
  row(
    'virtio-balloon',
    false,
    [25.5, 43.7, 45.8],
    [0.61, 0.5, 0.46],
    [0, 15.8, 13.8],
    [1, 0.5, 0.45],
    [0.627, 0.732, 0.814],
  ),
  row('virtio-balloon-huge', false, [1, 1.6, 1.7], [0.93, 0.93, 0.93], [0, 0.2, 0.2], [1, 1, 1], [1.001, 0.992, 0.984]),
  row('virtio-mem', false, [0.1, 4.7, 5], [1, 0.52, 0.53], [0, 0.4, 0.5], [1, 0.93, 0.93], [1.001, 0.839, 0.938]),
  row('virtio-mem', true, [0.1, 5.7, 5.2], [1, 0.53, 0.51], [0, 8.1, 5.9], [1, 0.49, 0.31], [0.997, 0.822, 0.925]),
  row('hyperalloc', false, [0.15, 0.16, 0.44], [1, 1, 1], [0.08, 0.03, 0.06], [1, 1, 1], [1.005, 1, 1.002]),
  row('hyperalloc', true, [0, 0.1, 0.52], [1, 1, 1], [0, 0, 0.06], [1, 1, 1], [1.01, 1, 1]),
];

export interface InterferenceResult {
  readonly threads: number;
  readonly baselineGbPerSecond: number;
  readonly shrink: Phase;
  readonly grow: Phase;
  /** First percentile of the bandwidth in the artifact's run of 140 s, relative to the median. */
  readonly streamFirstPercentile: number;
  readonly ftqFirstPercentile: number;
  /** Bytes that the load did not move because of both resizes, in GB. */
  readonly lostGb: number;
  readonly basis: 'measured' | 'interpolated';
}

export interface Phase {
  readonly slowSeconds: number;
  readonly relativeBandwidth: number;
}

/** Length of the artifact's run of STREAM, over which the percentile is taken. */
const runSeconds = 140;

/**
 * What a load on so many threads loses while a VM shrinks and grows by `movedGib`. Measured for 1, 4 and 12 threads and 18 GiB; in between,
 * straight lines over threads, and durations in proportion to the memory moved.
 * @throws StrataError `elastic.no-interference`, `elastic.threads`
 */
export function interferenceOf(
  technique: string,
  vfio: boolean,
  threads: number,
  movedGib: number,
): InterferenceResult {
  const measured = measuredInterference.find((row) => row.technique === technique && row.vfio === vfio);
  if (measured === undefined)
    throw new StrataError({
      code: 'elastic.no-interference',
      what: `the interference of ${technique}${vfio ? ' with VFIO' : ''} was never measured`,
      expected: `one of ${measuredInterference.map((row) => row.technique + (row.vfio ? ' --vfio' : '')).join(', ')}`,
    });
  if (!(threads >= 1 && threads <= 12))
    throw new StrataError({
      code: 'elastic.threads',
      what: 'nothing was measured for that many threads',
      expected: '1 to 12',
      found: `${threads}`,
    });
  const scale = movedGib / measuredGib;
  const phase = (seconds: Triple, bandwidth: Triple): Phase => ({
    slowSeconds: atThreads(seconds, threads) * scale,
    relativeBandwidth: atThreads(bandwidth, threads),
  });
  const shrink = phase(measured.shrinkSlowSeconds, measured.shrinkBandwidth);
  const grow = phase(measured.growSlowSeconds, measured.growBandwidth);
  const baseline = atThreads(baselineGbPerSecond, threads);
  const lost = ({ slowSeconds, relativeBandwidth }: Phase) => slowSeconds * (1 - relativeBandwidth) * baseline;
  return {
    threads,
    baselineGbPerSecond: baseline,
    shrink,
    grow,
    streamFirstPercentile: firstPercentile([shrink, grow]),
    ftqFirstPercentile: atThreads(measured.ftqFirstPercentile, threads),
    lostGb: lost(shrink) + lost(grow),
    basis: measuredThreads.some((count) => count === threads) && movedGib === measuredGib ? 'measured' : 'interpolated',
  };
}

/** Bandwidth that all but the slowest hundredth of the samples reach: slow seconds count only when they fill it. */
function firstPercentile(phases: readonly Phase[]): number {
  let left = runSeconds / 100;
  for (const { slowSeconds, relativeBandwidth } of [...phases].sort(
    (a, b) => a.relativeBandwidth - b.relativeBandwidth,
  )) {
    left -= slowSeconds;
    if (left < 0) return relativeBandwidth;
  }
  return 1;
}

function atThreads(values: Triple, threads: number): number {
  const upper = threads <= 4 ? 1 : 2;
  const from = measuredThreads[upper - 1]!;
  const share = (threads - from) / (measuredThreads[upper]! - from);
  return values[upper - 1]! + share * (values[upper]! - values[upper - 1]!);
}
