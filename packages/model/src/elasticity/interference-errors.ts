import { xeon6252 } from './costs.ts';
import { interferenceOf } from './interference.ts';
import { measuredGib, measuredInterference, measuredRowOf, measuredThreads } from './interference-measured.ts';
import { techniques } from './techniques/index.ts';

/** One figure of the artifact beside what the model says. */
export interface InterferenceComparison {
  readonly technique: string;
  readonly vfio: boolean;
  readonly threads: number;
  readonly figure: 'shrink slow s' | 'shrink bandwidth' | 'grow slow s' | 'grow bandwidth' | 'STREAM p1' | 'FTQ p1';
  readonly modelled: number;
  readonly measured: number;
  /** Whether a constant of the model was fitted to this very figure; all others are predictions. */
  readonly fitted: boolean;
}

const largestGib = 20;
const fitted: ReadonlySet<string> = new Set([
  'virtio-balloon 1 shrink slow s',
  'virtio-balloon 1 shrink bandwidth',
  'virtio-mem 4 shrink slow s',
]);

/** What the artifact measured for a technique with so many threads, if it did. */
export function measuredAt(technique: string, vfio: boolean, threads: number) {
  const row = measuredRowOf(technique, vfio);
  const counts: readonly number[] = measuredThreads;
  const at = counts.indexOf(threads);
  if (row === undefined || at < 0) return undefined;
  return {
    shrink: { slowSeconds: row.shrinkSlowSeconds[at]!, relativeBandwidth: row.shrinkBandwidth[at] ?? null },
    grow: { slowSeconds: row.growSlowSeconds[at]!, relativeBandwidth: row.growBandwidth[at] ?? null },
    streamFirstPercentile: row.streamFirstPercentile[at]!,
    ftqFirstPercentile: row.ftqFirstPercentile[at]!,
  };
}

/** All figures of the artifact's runs, modelled and measured. */
export function interferenceComparisons(): readonly InterferenceComparison[] {
  return measuredInterference
    .filter(({ technique }) => technique !== 'static')
    .flatMap(({ technique, vfio }) => measuredThreads.flatMap((threads) => comparisonsOf(technique, vfio, threads)));
}

function comparisonsOf(technique: string, vfio: boolean, threads: number): InterferenceComparison[] {
  const measured = measuredAt(technique, vfio, threads)!;
  const modelled = interferenceOf({
    technique: techniques.get(technique),
    vfio,
    threads,
    fromGib: largestGib,
    toGib: largestGib - measuredGib,
    profile: xeon6252,
  });
  const of = (figure: InterferenceComparison['figure'], model: number, truth: number): InterferenceComparison => ({
    technique,
    vfio,
    threads,
    figure,
    modelled: model,
    measured: truth,
    fitted: !vfio && fitted.has(`${technique} ${threads} ${figure}`),
  });
  const bandwidth = (figure: InterferenceComparison['figure'], model: number, truth: number | null) =>
    truth === null ? [] : [of(figure, model, truth)];
  return [
    of('shrink slow s', modelled.shrink.slowSeconds, measured.shrink.slowSeconds),
    ...bandwidth('shrink bandwidth', modelled.shrink.slowBandwidth, measured.shrink.relativeBandwidth),
    of('grow slow s', modelled.grow.slowSeconds, measured.grow.slowSeconds),
    ...bandwidth('grow bandwidth', modelled.grow.slowBandwidth, measured.grow.relativeBandwidth),
    of('STREAM p1', modelled.streamFirstPercentile, measured.streamFirstPercentile),
    of('FTQ p1', modelled.ftqFirstPercentile, measured.ftqFirstPercentile),
  ];
}
