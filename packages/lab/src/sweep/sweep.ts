import { type Registry, StrataError } from '@strata/model/machine';
import { type Configuration, isMapping } from '../config/load.ts';
import type { Outcome, Study } from '../studies/study.ts';
import { type Cell, type Row, type Table, tableOf } from '../terminal/table.ts';
import { type Axis, type Point, pointsOf } from './points.ts';
import { simulatePoints } from './pool.ts';

interface SweepConfiguration {
  /** Name of the study whose points these are. */
  readonly study: string;
  readonly base: Configuration;
  readonly axes: readonly Axis[];
}

/** The study of many points of another study: a base configuration and axes. */
export function createSweep(studies: Registry<Study>): Study {
  return {
    name: 'sweep',
    summary: 'many points of a study: a base configuration and axes',

    async prepare(given) {
      const { study, base, axes } = sweepOf(given);
      for (const { configuration } of pointsOf(base, axes)) await studies.get(study).prepare?.(configuration);
    },

    resolve(given) {
      const { study, base, axes } = sweepOf(given);
      const chosen = studies.get(study);
      // A mistake in any point is told before hours are spent on the others.
      const resolved = pointsOf(base, axes).map(({ configuration }) => chosen.resolve(configuration));
      return { study, base, axes, seed: resolved[0]?.seed ?? 0 };
    },

    inputs(configuration) {
      const { study, base, axes } = sweepOf(configuration);
      const chosen = studies.get(study);
      const inputs = pointsOf(base, axes).flatMap((point) => chosen.inputs(chosen.resolve(point.configuration)));
      return [...new Map(inputs.map((input) => [`${input.role} ${input.path}`, input])).values()];
    },

    async execute(configuration, { signal, progress, workers }) {
      const { study, base, axes } = sweepOf(configuration);
      const points = pointsOf(base, axes);
      const outcomes = await simulatePoints(study, points, {
        workers,
        signal,
        onProgress: ({ done, share }) => progress.update({ done, total: points.length, share }),
      });
      // A point that an interrupt cut short is not comparable with the others.
      const complete = points.filter(({ index }) => outcomes[index]?.interrupted === false);
      return {
        stats: {
          study,
          points: complete.map((point) => ({
            point: point.index,
            axes: point.coordinates,
            ...outcomes[point.index]!.stats,
          })),
        },
        tables: tablesOf(complete, outcomes),
        figures: [],
        claims: [],
        warnings: [...new Set(outcomes.flatMap((outcome) => outcome?.warnings ?? []))],
        notModelled: [...new Set(outcomes.flatMap((outcome) => outcome?.notModelled ?? []))],
        assumptions: Object.assign({}, ...outcomes.map((outcome) => outcome?.assumptions)),
        interrupted: complete.length < points.length,
      };
    },
  };
}

function sweepOf(given: unknown): SweepConfiguration {
  const { study = 'translate', base = {}, axes = [] } = isMapping(given) ? given : {};
  if (typeof study !== 'string' || !isMapping(base) || !isAxes(axes))
    throw new StrataError({
      code: 'config.wrong-type',
      what: 'not a sweep',
      where: 'configuration',
      expected: 'study: a name, base: a configuration, axes: a list of {path, values}',
    });
  return { study, base, axes };
}

function isAxes(value: unknown): value is Axis[] {
  return (
    Array.isArray(value) &&
    value.every((axis) => isMapping(axis) && typeof axis.path === 'string' && Array.isArray(axis.values))
  );
}

/** The tables of all points below each other, each row with its place on the axes in front. */
function tablesOf(points: readonly Point[], outcomes: readonly (Outcome | undefined)[]): Table[] {
  const names = [...new Set(points.flatMap(({ index }) => outcomes[index]!.tables.map(({ name }) => name)))];
  return names.map((name) => {
    const rows = points.flatMap((point) => {
      const table = outcomes[point.index]!.tables.find((one) => one.name === name);
      return (table?.rows ?? []).map((row): Row => ({ point: point.index, ...coordinatesOf(point), ...row }));
    });
    return tableOf(name, rows);
  });
}

/** Dots would need quotes in SQL: `machine.tlb.l2.ways` becomes `machine_tlb_l2_ways`. */
function coordinatesOf({ coordinates }: Point): Row {
  return Object.fromEntries(
    Object.entries(coordinates).map(([path, value]) => [path.replaceAll('.', '_'), cellOf(value)]),
  );
}

function cellOf(value: unknown): Cell {
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string'
    ? value
    : JSON.stringify(value);
}
