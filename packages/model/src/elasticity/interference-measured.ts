/** What the artifact measured while a VM of 20 GiB shrinks to 2 GiB and grows back under load, for 1, 4 and 12 busy threads. */
export interface MeasuredInterference {
  readonly technique: string;
  readonly vfio: boolean;
  /** Seconds in which the bandwidth of STREAM is below 93 % of its median, while shrinking. */
  readonly shrinkSlowSeconds: Triple;
  /** Bandwidth in those seconds, relative to the median; null where the specification gives none, as they are too few to tell. */
  readonly shrinkBandwidth: MaybeTriple;
  readonly growSlowSeconds: Triple;
  readonly growBandwidth: MaybeTriple;
  /** First percentile of the bandwidth of STREAM, relative to the baseline. */
  readonly streamFirstPercentile: Triple;
  /** First percentile of the work done per quantum (FTQ), relative to the baseline. */
  readonly ftqFirstPercentile: Triple;
}
export type Triple = readonly [one: number, four: number, twelve: number];
type MaybeTriple = readonly [one: number | null, four: number | null, twelve: number | null];

export const interferenceSource = 'HyperAlloc artifact, stream and ftq raw data; specification 4.3';
/** Busy threads of the three columns. */
export const measuredThreads = [1, 4, 12] as const;
export const measuredGib = 18;
/** Bandwidth of STREAM Copy without resizing, in GB/s (specification 4.3). */
export const baselineGbPerSecond: Triple = [10.3, 26.04, 68.99];

const unmarked: MaybeTriple = [null, null, null];

export const measuredInterference: readonly MeasuredInterference[] = [
  {
    technique: 'static',
    vfio: false,
    shrinkSlowSeconds: [0.07, 0.13, 0.45],
    shrinkBandwidth: unmarked,
    growSlowSeconds: [0, 0, 0.17],
    growBandwidth: unmarked,
    streamFirstPercentile: [1, 1, 1],
    ftqFirstPercentile: [1, 1, 1],
  },
  {
    technique: 'virtio-balloon',
    vfio: false,
    shrinkSlowSeconds: [25.5, 43.7, 45.8],
    shrinkBandwidth: [0.61, 0.5, 0.46],
    growSlowSeconds: [0, 15.8, 13.8],
    growBandwidth: [null, 0.5, 0.45],
    streamFirstPercentile: [0.603, 0.419, 0.448],
    ftqFirstPercentile: [0.627, 0.732, 0.814],
  },
  {
    technique: 'virtio-balloon-huge',
    vfio: false,
    shrinkSlowSeconds: [1, 1.6, 1.7],
    shrinkBandwidth: unmarked,
    growSlowSeconds: [0, 0.2, 0.2],
    growBandwidth: unmarked,
    streamFirstPercentile: [0.979, 0.979, 0.983],
    ftqFirstPercentile: [1.001, 0.992, 0.984],
  },
  {
    technique: 'virtio-mem',
    vfio: false,
    shrinkSlowSeconds: [0.1, 4.7, 5],
    shrinkBandwidth: [null, 0.52, 0.53],
    growSlowSeconds: [0, 0.4, 0.5],
    growBandwidth: unmarked,
    streamFirstPercentile: [0.993, 0.501, 0.462],
    ftqFirstPercentile: [1.001, 0.839, 0.938],
  },
  {
    technique: 'virtio-mem',
    vfio: true,
    shrinkSlowSeconds: [0.1, 5.7, 5.2],
    shrinkBandwidth: [null, 0.53, 0.51],
    growSlowSeconds: [0, 8.1, 5.9],
    growBandwidth: [null, 0.49, 0.31],
    streamFirstPercentile: [0.995, 0.485, 0.266],
    ftqFirstPercentile: [0.997, 0.822, 0.925],
  },
  {
    technique: 'hyperalloc',
    vfio: false,
    shrinkSlowSeconds: [0.15, 0.16, 0.44],
    shrinkBandwidth: unmarked,
    growSlowSeconds: [0.08, 0.03, 0.06],
    growBandwidth: unmarked,
    streamFirstPercentile: [1.0015, 1.0097, 1.0156],
    ftqFirstPercentile: [1.005, 1, 1.002],
  },
  {
    technique: 'hyperalloc',
    vfio: true,
    shrinkSlowSeconds: [0, 0.1, 0.52],
    shrinkBandwidth: unmarked,
    growSlowSeconds: [0, 0, 0.06],
    growBandwidth: unmarked,
    streamFirstPercentile: [1.0023, 1.0014, 1.0187],
    ftqFirstPercentile: [1.01, 1, 1],
  },
];

/** The artifact's row for a technique, where it measured one. */
export function measuredRowOf(technique: string, vfio: boolean): MeasuredInterference | undefined {
  return measuredInterference.find((row) => row.technique === technique && row.vfio === vfio);
}
