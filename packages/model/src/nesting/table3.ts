import type { CostSource } from './predict.ts';

/** DVH (ASPLOS 2020), Table 3, in cycles: second-hand but agreeing transcriptions (specification section 2.1). */
export const table3 = {
  hypercall: { vm: 1_575, nested: 37_733, nestedDvh: 38_743, three: 857_578, threeDvh: 929_724 },
  devnotify: { vm: 4_984, nested: 48_390, nestedDvh: 13_815, three: 1_008_935, threeDvh: 15_150 },
  timer: { vm: 2_005, nested: 43_359, nestedDvh: 3_247, three: 1_033_946, threeDvh: 3_304 },
  ipi: { vm: 3_273, nested: 39_456, nestedDvh: 5_116, three: 787_971, threeDvh: 5_228 },
} as const;

export type MeasuredKind = keyof typeof table3;
export const measuredKinds = Object.keys(table3) as MeasuredKind[];

/** What Table 3 measured, without any model; undefined where it has no cell. */
export function measuredCycles(level: number, kind: string, dvh: boolean): number | undefined {
  if (!Object.hasOwn(table3, kind)) return undefined;
  const row = table3[kind as MeasuredKind];
  if (level === 1) return row.vm;
  if (level === 2) return dvh ? row.nestedDvh : row.nested;
  return level === 3 ? (dvh ? row.threeDvh : row.three) : undefined;
}

/** Table 3 where it has a cell, `otherwise` where not. */
export function measuredOr(otherwise: CostSource, dvh: boolean): CostSource {
  return {
    cycles: (level, kind) => measuredCycles(level, kind, dvh) ?? otherwise.cycles(level, kind),
    error: (level, kind) => (measuredCycles(level, kind, dvh) === undefined ? otherwise.error(level, kind) : 0),
    basis: (level, kind) =>
      measuredCycles(level, kind, dvh) === undefined ? otherwise.basis(level, kind) : 'published',
  };
}

/** The naive predictors of level 3 that a model has to beat (specification section 4.4). */
export const naivePredictors: Readonly<Record<string, (kind: MeasuredKind) => number>> = {
  'twice level 2': (kind) => 2 * table3[kind].nested,
  'own ratio again': (kind) => table3[kind].nested ** 2 / table3[kind].vm,
  "hypercall's ratio": (kind) => (table3[kind].nested * table3.hypercall.nested) / table3.hypercall.vm,
};
