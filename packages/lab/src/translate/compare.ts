import { real, resolve, type Spec, text } from '@strata/model/machine';
import { baselineDesign, dimensionsOf, type Setup } from '@strata/model/translation';
import { designsWithFormula } from '@strata/model/translation/compat';
import { type Configuration, isMapping } from '../config/load.ts';
import type { Outcome, Study, StudyContext } from '../studies/study.ts';
import type { Row, Table } from '../terminal/table.ts';
import { applicationSpeedup, perfDocument, readWalkCounters } from './application.ts';
import { comparisonFigure } from './comparison-figure.ts';
import { resolveFlat, split } from './configuration.ts';
import { assumptionsIn, memoryTable, type TranslateDocument } from './document.ts';
import { notModelled } from './limits.ts';
import { designsWith, pluginDesigns } from './plugin.ts';
import { type Point, simulateAll } from './simulations.ts';
import { medianOf, type Spread, spreadNotes, spreadOf, spreadTable, varying } from './spread.ts';
import { translate } from './study.ts';

const comparisonFields = {
  walkOverhead: real(0, 'share of the application’s cycles spent in page walks under radix; 0 = not known', {
    min: 0,
    max: 1,
  }),
  perfStat: text('', 'text of perf stat, from which that share is taken'),
} satisfies Spec;

export const allSetups = Object.keys(dimensionsOf) as readonly Setup[];

/** The same trace under several set-ups, all designs that each has side by side. */
export const compare: Study = {
  name: 'translate-compare',
  summary: 'one trace under several set-ups, all designs side by side',
  prepare: translate.prepare!,
  resolve: (given) => resolveComparison(given).configuration,
  inputs: (configuration) => [
    ...translate.inputs(pointsOf(configuration)[0]!.configuration),
    ...(configuration.perfStat === '' ? [] : [{ role: 'perfStat', path: String(configuration.perfStat) }]),
  ],
  async execute(configuration, context) {
    const { points, walkOverhead, perfFile } = resolveComparison(configuration);
    const counters = perfFile === '' ? undefined : await readWalkCounters(perfFile);
    const runs = (await runPoints(points, context)).filter((run) => run !== undefined);
    const measured = counters === undefined ? undefined : perfDocument(counters);
    const overhead = measured?.walkOverhead ?? walkOverhead;
    const outcome = outcomeOf(runs, overhead, measured?.event ?? 'given', counters?.warnings ?? []);
    return { ...outcome, interrupted: outcome.interrupted || runs.length < points.length };
  },
};

interface Comparison {
  readonly configuration: Configuration;
  readonly points: readonly Point[];
  /** Given; 0 = not known. */
  readonly walkOverhead: number;
  /** Counters from which it is taken, or empty. */
  readonly perfFile: string;
}

function resolveComparison(given: unknown): Comparison {
  const mapping = isMapping(given) ? given : {};
  const own = resolve(comparisonFields, pick(mapping, Object.keys(comparisonFields)));
  return {
    // What was given is enough to repeat it; the points are resolved anew.
    configuration: { ...mapping, ...own },
    points: pointsOf(mapping),
    walkOverhead: own.walkOverhead,
    perfFile: own.perfStat || (typeof mapping.perf === 'string' ? mapping.perf : ''),
  };
}

/** `setup` and `designs` may be `all`; a design that a set-up does not have is left out of it. */
export function pointsOf(given: Configuration): Point[] {
  const { setup = 'all', designs = 'all', walkOverhead: _, perfStat: __, ...rest } = given;
  const registry = designsWith(typeof rest.plugin === 'string' ? rest.plugin : '');
  const setups = setup === 'all' ? allSetups : [setup as Setup];
  const isAll = designs === 'all' || (isMapping(designs) && 'all' in designs);
  const plugged = isAll ? [] : pluginDesigns(typeof rest.plugin === 'string' ? rest.plugin : '', namesOf(designs));
  const wanted = isAll ? undefined : [...namesOf(designs), ...plugged];
  const options = isMapping(designs) ? designs : {};
  return setups.map((one) => {
    const has = [...registry].filter(
      ({ name, setups }) => setups.includes(one) && (rest.mode !== 'compat' || hasFormula(one, name)),
    );
    const named = wanted === undefined ? has : has.filter(({ name }) => isWanted(wanted, name));
    // One set-up that has none of them: the resolution says so.
    const isRefused = setup !== 'all' && !named.some(({ name }) => name !== baselineDesign);
    const offered =
      isRefused && wanted !== undefined ? [...registry].filter(({ name }) => isWanted(wanted, name)) : named;
    // A name that no design has is told by the resolution.
    const unknown = wanted === undefined ? [] : namesOf(wanted).filter((name) => !registry.has(name));
    const chosen = [...offered.map(({ name }) => name), ...unknown].map((name) => [name, options[name] ?? {}]);
    return {
      setup: one,
      configuration: resolveFlat({ ...rest, setup: one, designs: Object.fromEntries(chosen) }),
    };
  });
}

/** Whether the original computes that design: what `compat` can compare. */
function hasFormula(setup: Setup, name: string): boolean {
  return designsWithFormula(setup).some((design) => design === name);
}

function isWanted(wanted: unknown, name: string): boolean {
  return namesOf(wanted).includes(name);
}

function namesOf(wanted: unknown): string[] {
  return Array.isArray(wanted) ? wanted.map(String) : isMapping(wanted) ? Object.keys(wanted) : [];
}

function pick(mapping: Configuration, keys: readonly string[]): Configuration {
  return Object.fromEntries(Object.entries(mapping).filter(([key]) => keys.includes(key)));
}

export interface PointRun {
  /** Of the first seed. */
  readonly document: TranslateDocument;
  /** The same with the median over the seeds in place of each figure of a design. */
  readonly typical: TranslateDocument;
  /** How far the seeds lie apart; empty with one seed. */
  readonly spread: readonly Spread[];
  readonly warnings: readonly string[];
  readonly interrupted: boolean;
}

/** By point; undefined for those that an interrupt left out. */
export async function runPoints(
  points: readonly Point[],
  context: StudyContext,
): Promise<readonly (PointRun | undefined)[]> {
  return (await simulateAll(points, context)).map((seeds, point) => {
    if (seeds.length === 0) return undefined;
    // An interrupted simulation saw less of the trace than the others.
    const whole = seeds.filter(({ interrupted }) => !interrupted).map(({ document }) => document);
    const { document } = seeds[0]!;
    return {
      document,
      typical: whole.length > 1 ? medianOf(whole) : document,
      spread: whole.length > 1 ? spreadOf(whole) : [],
      warnings: seeds.flatMap(({ warnings }) => warnings),
      interrupted: seeds.some(({ interrupted }) => interrupted) || seeds.length < seedsOf(points[point]!),
    };
  });
}

function seedsOf({ configuration }: Point): number {
  return split(configuration).input.seeds;
}

/** @param origin of the overhead: an event of perf stat, or that it was given */
function outcomeOf(runs: readonly PointRun[], overhead: number, origin: string, warnings: readonly string[]): Outcome {
  const documents = runs.map(({ typical }) => typical);
  const rows = documents.flatMap((document) => rowsOf(document, overhead));
  const spread = runs.flatMap((run) => run.spread);
  const memory = runs.map(({ document }) => memoryTable(document));
  return {
    stats: {
      comparison: rows,
      walkOverhead: overhead === 0 ? null : overhead,
      walkOverheadFrom: overhead === 0 ? null : origin,
      ...(spread.length === 0 ? {} : { spread }),
      setups: Object.fromEntries(runs.map(({ document }) => [document.setup, document])),
    },
    headline: [
      ...documents.map(qualityOf),
      ...(overhead === 0
        ? []
        : [
            `application: ${(100 * overhead).toFixed(1)} % of its cycles in page walks under radix (${origin}), made as much shorter as the walks`,
          ]),
    ].join('\n'),
    tables: [
      comparisonTable(rows),
      ...memory.slice(0, 1).map((table) => ({ ...table, rows: memory.flatMap((one) => one.rows) })),
      ...(spread.length === 0 ? [] : [spreadTable(varying(spread))]),
    ],
    figures: rows.length === 0 ? [] : [comparisonFigure(rows, documents.map(qualityOf))],
    claims: [],
    warnings: [...new Set([...spreadNotes(spread), ...warnings, ...runs.flatMap((run) => run.warnings)])],
    notModelled: notModelled.correct,
    assumptions: assumptionsIn(documents),
    interrupted: runs.some(({ interrupted }) => interrupted),
  };
}

/** A speedup is worth what its baseline is. */
function qualityOf({ setup, trace, walks, referencesPerWalk, designs }: TranslateDocument): string {
  const { cyclesPerWalk = null } = designs.radix ?? {};
  return `${setup}: ${trace.references.toLocaleString('en-US')} accesses, ${walks.toLocaleString('en-US')} walks; baseline radix ${referencesPerWalk?.toFixed(2) ?? '-'} references, ${cyclesPerWalk?.toFixed(1) ?? '-'} cycles per walk`;
}

function rowsOf({ setup, designs }: TranslateDocument, overhead: number): Row[] {
  const baselineBytes = designs.radix?.tableBytes ?? null;
  return Object.entries(designs).map(([design, result]): Row => {
    const bytes = result.tableBytes ?? null;
    return {
      setup,
      design,
      cyclesPerWalk: result.cyclesPerWalk,
      referencesPerWalk: result.referencesPerWalk,
      coverage: result.coverage,
      tableBytes: bytes,
      memoryOverhead: bytes === null || baselineBytes === null || baselineBytes === 0 ? null : bytes / baselineBytes,
      maintenanceCycles: result.maintenanceCycles,
      bytesMigrated: result.bytesMigrated,
      allocationFailures: result.allocationFailures,
      speedup: result.speedup,
      speedupWithMaintenance: result.speedupWithMaintenance,
      baselineReferencesPerWalk: designs.radix?.referencesPerWalk,
      baselineCyclesPerWalk: designs.radix?.cyclesPerWalk,
      applicationSpeedup: overhead === 0 || result.speedup === 0 ? null : applicationSpeedup(overhead, result.speedup),
    };
  });
}

function comparisonTable(rows: readonly Row[]): Table {
  const columns = [
    { name: 'setup', type: 'text' },
    { name: 'design', type: 'text' },
    { name: 'cyclesPerWalk', type: 'real', title: 'cycles/walk' },
    { name: 'referencesPerWalk', type: 'real', title: 'refs/walk' },
    { name: 'coverage', type: 'real', decimals: 3 },
    { name: 'tableBytes', type: 'integer', title: 'table bytes' },
    { name: 'memoryOverhead', type: 'real', title: 'tables/radix' },
    { name: 'maintenanceCycles', type: 'integer', title: 'maintenance' },
    { name: 'bytesMigrated', type: 'integer', title: 'bytes migrated' },
    { name: 'allocationFailures', type: 'integer', title: 'failed allocations' },
    { name: 'speedup', type: 'real', decimals: 3 },
    { name: 'speedupWithMaintenance', type: 'real', title: 'with maint.', decimals: 3 },
    { name: 'baselineReferencesPerWalk', type: 'real', title: 'radix refs' },
    { name: 'baselineCyclesPerWalk', type: 'real', title: 'radix cycles' },
    { name: 'applicationSpeedup', type: 'real', title: 'application', decimals: 3 },
  ] as const;
  const isKnown = rows.some(({ applicationSpeedup: known }) => known !== null);
  return {
    name: 'comparison',
    rows,
    columns: columns.filter(({ name }) => name !== 'applicationSpeedup' || isKnown),
  };
}
