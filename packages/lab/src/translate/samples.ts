import { type Moments, type SamplePlan, type SampleStatistics, sampledFigures } from '@strata/model/translation';
import type { Row, Table } from '../terminal/table.ts';
import { type Estimate, estimateFrom } from './seeds.ts';

/** What the samples of one simulation say about each other, beside the figures of all of them together. */
export interface SamplesDocument extends SamplePlan {
  /** Samples counted to their end; only these are in the estimates. */
  readonly complete: number;
  /** Accesses left out between samples. */
  readonly leftOut: number;
  readonly confidence: 0.95;
  /** Over samples; null with fewer than two that have the figure. */
  readonly walksPerThousandAccesses: SampleEstimate | null;
  readonly designs: Readonly<Record<string, Readonly<Record<string, SampleEstimate | null>>>>;
}

export interface SampleEstimate extends Estimate {
  /** Samples that have the figure. */
  readonly samples: number;
}

export function samplesDocument(plan: SamplePlan, statistics: SampleStatistics): SamplesDocument {
  return {
    ...plan,
    complete: statistics.complete,
    leftOut: statistics.leftOut,
    confidence: 0.95,
    walksPerThousandAccesses: sampleEstimate(statistics.walksPerThousandAccesses),
    designs: Object.fromEntries(
      Object.entries(statistics.designs).map(([name, figures]) => [
        name,
        Object.fromEntries(sampledFigures.map((figure) => [figure, sampleEstimate(figures[figure])])),
      ]),
    ),
  };
}

function sampleEstimate(moments: Moments | undefined): SampleEstimate | null {
  if (moments === undefined || moments.count < 2) return null;
  return { ...estimateFrom(moments), samples: moments.count };
}

export function samplesTable({ walksPerThousandAccesses, designs }: SamplesDocument): Table {
  const rows: Row[] = [
    ...(walksPerThousandAccesses === null
      ? []
      : [{ design: '', figure: 'walksPerThousandAccesses', ...walksPerThousandAccesses }]),
    ...Object.entries(designs).flatMap(([design, figures]) =>
      Object.entries(figures).flatMap(([figure, estimate]): Row[] =>
        estimate === null ? [] : [{ design, figure, ...estimate }],
      ),
    ),
  ];
  return {
    name: 'samples',
    rows,
    columns: [
      { name: 'design', type: 'text' },
      { name: 'figure', type: 'text' },
      { name: 'samples', type: 'integer' },
      { name: 'mean', type: 'real', decimals: 3 },
      { name: 'low', type: 'real', title: '95 % from', decimals: 3 },
      { name: 'high', type: 'real', title: 'to', decimals: 3 },
      { name: 'min', type: 'real', decimals: 3 },
      { name: 'max', type: 'real', decimals: 3 },
    ],
  };
}

/** What was counted and what every sample restarts. */
export function sampleNotes({ length, period, warmup, complete, leftOut }: SamplesDocument): string[] {
  const count = (value: number) => value.toLocaleString('en-US');
  return [
    `sampled: ${count(complete)} samples of ${count(length)} accesses, one of every ${count(period)}, each after a warm-up of ${count(warmup)}; ${count(leftOut)} accesses were left out. ` +
      'Every sample restarts the counts; caches, TLBs, walk caches and tables keep what they held at the end of the one before.',
    ...(warmup === 0 && leftOut > 0
      ? ['samples without a warm-up begin with what the sample before left in caches and TLBs. Give --warmup.']
      : []),
  ];
}
