import { flatten } from '@strata/model/machine';
import type { Moments } from '@strata/model/translation';
import { generatorSpec } from '@strata/traces/generators';
import type { Row, Table } from '../terminal/table.ts';
import type { InputValues } from './configuration.ts';
import type { TranslateDocument } from './document.ts';

/** A figure over simulations that differ in their seed alone. */
export interface Estimate {
  readonly mean: number;
  /** The mean lies between these with 95 % confidence (Student's t over the seeds). */
  readonly low: number;
  readonly high: number;
  readonly min: number;
  readonly max: number;
}

export interface SeedsDocument {
  readonly seeds: readonly number[];
  readonly confidence: 0.95;
  /** By design; null where some seed has no such figure. */
  readonly designs: Readonly<Record<string, Readonly<Record<Figure, Estimate | null>>>>;
}

const figures = ['cyclesPerWalk', 'speedup', 'referencesPerWalk', 'applicationSpeedup'] as const;
type Figure = (typeof figures)[number];

/** Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom; any table of statistics. */
const quantiles = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const normalQuantile = 1.96;

/** Mean and confidence interval of at least two values. */
export function estimateOf(values: readonly number[]): Estimate {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return estimateFrom({ count, mean, variance, min: Math.min(...values), max: Math.max(...values) });
}

/** @param moments of at least two values */
export function estimateFrom({ count, mean, variance, min, max }: Moments): Estimate {
  // Beyond the table the quantile nears the normal one as 1/n (error below 0.002).
  const quantile = quantiles[count - 2] ?? normalQuantile + 2.4 / (count - 1);
  const half = quantile * Math.sqrt(variance / count);
  return { mean, low: mean - half, high: mean + half, min, max };
}

/** The trace of one seed: a generator whose seed is not given is random too; a file is what it is. */
export function traceOfSeed({ trace }: InputValues, seed: number): string {
  if (!trace.startsWith('gen:') || /[:,]seed=/.test(trace)) return trace;
  const name = trace.slice('gen:'.length).split(',')[0] ?? '';
  const isRandom = flatten(generatorSpec(name)).some(({ path }) => path === 'seed');
  return isRandom ? `${trace},seed=${seed}` : trace;
}

export function seedsDocument(seeds: readonly number[], documents: readonly TranslateDocument[]): SeedsDocument {
  const names = Object.keys(documents[0]?.designs ?? {});
  const estimate = (name: string, figure: Figure): Estimate | null => {
    const values = documents.map(({ designs }) => designs[name]?.[figure]);
    const known = values.filter((value) => typeof value === 'number');
    return known.length === values.length ? estimateOf(known) : null;
  };
  const designs = names.map((name) => [
    name,
    Object.fromEntries(figures.map((figure) => [figure, estimate(name, figure)])) as Record<Figure, Estimate | null>,
  ]);
  return { seeds, confidence: 0.95, designs: Object.fromEntries(designs) };
}

/** Said where seeds show nothing: all estimates are single values. */
export function withoutRandomness({ seeds, designs }: SeedsDocument): string[] {
  const estimates = Object.values(designs).flatMap((one) => Object.values(one));
  const differs = estimates.some((estimate) => estimate !== null && estimate.min !== estimate.max);
  return differs
    ? []
    : [`all ${seeds.length} seeds gave the same figures: nothing is random in this trace and machine.`];
}

export function seedsTable({ seeds, designs }: SeedsDocument): Table {
  const rows = Object.entries(designs).flatMap(([design, estimates]) =>
    Object.entries(estimates).flatMap(([figure, estimate]): Row[] =>
      estimate === null ? [] : [{ design, figure, seeds: seeds.length, ...estimate }],
    ),
  );
  return {
    name: 'seeds',
    rows,
    columns: [
      { name: 'design', type: 'text' },
      { name: 'figure', type: 'text' },
      { name: 'seeds', type: 'integer' },
      { name: 'mean', type: 'real', decimals: 3 },
      { name: 'low', type: 'real', title: '95 % from', decimals: 3 },
      { name: 'high', type: 'real', title: 'to', decimals: 3 },
      { name: 'min', type: 'real', decimals: 3 },
      { name: 'max', type: 'real', decimals: 3 },
    ],
  };
}
