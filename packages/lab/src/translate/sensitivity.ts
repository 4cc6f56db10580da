import { resolve, type Spec, text } from '@strata/model/machine';
import { resolveTranslationConfig } from '@strata/model/translation';
import { type Configuration, isMapping, merge } from '../config/load.ts';
import type { Figure } from '../figures/figure.ts';
import type { Outcome, Study } from '../studies/study.ts';
import type { Row, Table } from '../terminal/table.ts';
import { type PointRun, pointsOf, runPoints } from './compare.ts';
import { resolveFlat, split } from './configuration.ts';
import { assumptionsIn, type TranslateDocument } from './document.ts';
import { notModelled } from './limits.ts';
import { designsWith } from './plugin.ts';
import type { Point } from './simulations.ts';
import { spreadNotes, spreadTable, varying } from './spread.ts';
import { translate } from './study.ts';
import { type Variation, variations } from './variations.ts';

const sensitivityFields = {
  vary: text('all', 'variations, separated by commas'),
} satisfies Spec;

/** The configuration as it is. */
const asGiven = 'as given';

/** One comparison per variation of what the baseline is taken to be, and where the order of the designs changes. */
export const sensitivity: Study = {
  name: 'translate-sensitivity',
  summary: 'which assumption about the baseline changes which ranking',
  prepare: translate.prepare!,
  resolve(given) {
    const mapping = isMapping(given) ? given : {};
    const { vary } = resolve(sensitivityFields, mapping.vary === undefined ? {} : { vary: mapping.vary });
    plan({ ...mapping, vary });
    return { ...mapping, vary };
  },
  inputs: (configuration) => translate.inputs(plan(configuration)[0]!.points[0]!.configuration),
  async execute(configuration, context) {
    const varied = plan(configuration).flatMap(({ name, points }) => points.map((point) => ({ name, point })));
    const found = await runPoints(
      varied.map(({ point }) => point),
      context,
    );
    const runs = varied.flatMap(({ name }, index): VariedRun[] => {
      const run = found[index];
      return run === undefined ? [] : [{ ...run, variation: name }];
    });
    const outcome = outcomeOf(runs);
    return { ...outcome, interrupted: outcome.interrupted || runs.length < varied.length };
  },
};

interface Varied {
  readonly name: string;
  readonly points: readonly Point[];
}

/** Everything that will be run, resolved: a mistake is told before the first access. */
function plan(configuration: Configuration): Varied[] {
  const { vary, ...given } = configuration;
  const points = pointsOf({ setup: 'virtualized', ...given });
  const chosen =
    vary === 'all'
      ? [...variations]
      : String(vary)
          .split(',')
          .map((name) => variations.get(name.trim()));
  return [
    { name: asGiven, points },
    ...chosen.map((variation) => ({ name: variation.name, points: points.map((point) => varied(point, variation)) })),
  ];
}

function varied({ setup, configuration }: Point, variation: Variation): Point {
  const { input, rest } = split(configuration);
  const override = variation.override(resolveTranslationConfig(rest, designsWith(input.plugin)));
  return { setup, configuration: resolveFlat(merge(configuration, override)) };
}

interface VariedRun extends PointRun {
  readonly variation: string;
}

/** Two designs that have changed places. */
interface Change {
  readonly variation: string;
  readonly setup: string;
  readonly ahead: string;
  readonly behind: string;
}

function outcomeOf(runs: readonly VariedRun[]): Outcome {
  const reference = new Map(
    runs.filter(({ variation }) => variation === asGiven).map(({ typical }) => [typical.setup, typical]),
  );
  const rows = runs.flatMap(({ variation, typical: document }) =>
    rowsOf(variation, document, reference.get(document.setup)!),
  );
  const changes = runs.flatMap(({ variation, typical: document }) =>
    changesOf(variation, document, reference.get(document.setup)!),
  );
  const spread = runs.flatMap((run) => run.spread.map((one) => ({ variation: run.variation, ...one })));
  return {
    stats: {
      variations: rows,
      ...(spread.length === 0 ? {} : { spread }),
      rankings: runs.map(({ variation, typical: document }) => ({
        variation,
        setup: document.setup,
        ranking: rankingOf(document),
      })),
      changes,
    },
    headline: headlineOf(changes, reference),
    tables: [
      sensitivityTable(rows),
      changesTable(changes),
      ...(spread.length === 0 ? [] : [spreadTable(varying(spread))]),
    ],
    figures:
      rows.length === 0 ? [] : [speedupFigure(rows), failuresFigure(rows)].filter((figure) => figure.rows.length > 0),
    claims: [],
    warnings: [...spreadNotes(spread), ...new Set(runs.flatMap(({ warnings }) => warnings))],
    notModelled: notModelled.correct,
    assumptions: assumptionsIn(runs.map(({ typical }) => typical)),
    interrupted: runs.some(({ interrupted }) => interrupted),
  };
}

/** Names from the fastest walk to the slowest; equal ones in the order of the report. */
function rankingOf({ designs }: TranslateDocument): string[] {
  return Object.entries(designs)
    .filter(([, { cyclesPerWalk }]) => cyclesPerWalk !== null)
    .sort(([, a], [, b]) => a.cyclesPerWalk! - b.cyclesPerWalk!)
    .map(([name]) => name);
}

function changesOf(variation: string, document: TranslateDocument, reference: TranslateDocument): Change[] {
  const before = rankingOf(reference);
  const now = rankingOf(document);
  return now.flatMap((ahead, rank) =>
    now
      .slice(rank + 1)
      .filter((behind) => before.indexOf(behind) < before.indexOf(ahead))
      .map((behind) => ({ variation, setup: document.setup, ahead, behind })),
  );
}

function rowsOf(variation: string, document: TranslateDocument, reference: TranslateDocument): Row[] {
  const before = rankingOf(reference);
  const now = rankingOf(document);
  return Object.entries(document.designs).map(
    ([design, { cyclesPerWalk, referencesPerWalk, speedup, coverage, ...costs }]): Row => ({
      variation,
      setup: document.setup,
      design,
      cyclesPerWalk,
      referencesPerWalk,
      coverage,
      speedup,
      tableBytes: costs.tableBytes,
      maintenanceCycles: costs.maintenanceCycles,
      bytesMigrated: costs.bytesMigrated,
      allocationFailures: costs.allocationFailures,
      ...fragmentationOf(document),
      rank: now.indexOf(design) + 1,
      rankAsGiven: before.indexOf(design) + 1,
      baselineReferencesPerWalk: document.referencesPerWalk,
      baselineCyclesPerWalk: document.designs.radix?.cyclesPerWalk,
    }),
  );
}

/** Of the memory below the process, which designs find as broken up for their own tables at the start. */
function fragmentationOf({ spaces }: TranslateDocument): Pick<Row, 'unusableIndex' | 'fragmentationIndex'> {
  const own = spaces?.find(({ dimension }) => dimension === 0);
  return { unusableIndex: own?.unusableIndex ?? null, fragmentationIndex: own?.fragmentationIndex ?? null };
}

function headlineOf(changes: readonly Change[], reference: ReadonlyMap<string, TranslateDocument>): string {
  const order = [...reference].map(([setup, document]) => `${setup}, fastest first: ${rankingOf(document).join(', ')}`);
  return [...order, changes.length === 0 ? 'No variation changes the order.' : 'Where the order changes:'].join('\n');
}

function sensitivityTable(rows: readonly Row[]): Table {
  return {
    name: 'sensitivity',
    rows,
    columns: [
      { name: 'variation', type: 'text' },
      { name: 'setup', type: 'text' },
      { name: 'design', type: 'text' },
      { name: 'cyclesPerWalk', type: 'real', title: 'cycles/walk' },
      { name: 'referencesPerWalk', type: 'real', title: 'refs/walk' },
      { name: 'coverage', type: 'real', decimals: 3 },
      { name: 'speedup', type: 'real', decimals: 3 },
      { name: 'tableBytes', type: 'integer', title: 'table bytes' },
      { name: 'maintenanceCycles', type: 'integer', title: 'maintenance' },
      { name: 'bytesMigrated', type: 'integer', title: 'bytes migrated' },
      { name: 'allocationFailures', type: 'integer', title: 'failed allocations' },
      { name: 'unusableIndex', type: 'real', title: 'unusable index', decimals: 3 },
      { name: 'fragmentationIndex', type: 'real', title: 'fragmentation index', decimals: 3 },
      { name: 'rank', type: 'integer' },
      { name: 'rankAsGiven', type: 'integer', title: 'rank as given' },
      { name: 'baselineReferencesPerWalk', type: 'real', title: 'radix refs' },
      { name: 'baselineCyclesPerWalk', type: 'real', title: 'radix cycles' },
    ],
  };
}

function changesTable(changes: readonly Change[]): Table {
  return {
    name: 'ranking_changes',
    rows: changes.map((change): Row => ({ ...change })),
    columns: [
      { name: 'variation', type: 'text' },
      { name: 'setup', type: 'text' },
      { name: 'ahead', type: 'text', title: 'now ahead' },
      { name: 'behind', type: 'text', title: 'now behind' },
    ],
  };
}

const shapes = [
  'circle',
  'square',
  'triangle-up',
  'diamond',
  'cross',
  'triangle-down',
  'triangle-right',
  'triangle-left',
  'M0,-1L0.95,-0.31L0.59,0.81L-0.59,0.81L-0.95,-0.31Z',
  'arrow',
  'M-1,-1L1,1M1,-1L-1,1M-1,0L1,0',
  'M-1,-0.3L1,-0.3L1,0.3L-1,0.3Z',
];

function speedupFigure(rows: readonly Row[]): Figure {
  const shown = rows.filter(({ design, speedup }) => design !== 'radix' && speedup !== null);
  const several = new Set(shown.map(({ setup }) => setup)).size > 1;
  return {
    name: 'sensitivity',
    title: 'Walk speedup over radix under each assumption',
    caption:
      'Speedup of each design over radix in the same pass, one assumption about the machine or memory changed at a time.',
    width: 'double',
    spec: {
      // The edge makes the lighter colours of the palette visible on white.
      mark: { type: 'point', filled: true, size: 40, stroke: '#444', strokeWidth: 0.4 },
      encoding: {
        // Widths are estimated without a font, too wide: a limit near them cuts.
        y: { field: 'row', type: 'nominal', sort: null, title: null, axis: { labelLimit: 400 } },
        x: { field: 'speedup', type: 'quantitative', title: 'Speedup over radix', scale: { zero: false } },
        // Colours repeat after eight designs, shapes do not.
        color: { field: 'design', type: 'nominal', sort: null, title: null, legend: { orient: 'bottom', columns: 5 } },
        shape: { field: 'design', type: 'nominal', sort: null, title: null, scale: { range: shapes } },
      },
    },
    rows: shown.map(
      ({ variation, setup, design, speedup }): Row => ({
        row: several ? `${variation}, ${setup}` : variation,
        design,
        speedup,
      }),
    ),
  };
}

/** Requests for contiguous memory that designs made in vain, against how broken up memory is at the end: a panel each, as many lie alike. */
function failuresFigure(rows: readonly Row[]): Figure {
  const states = new Set(rows.map(({ unusableIndex }) => unusableIndex));
  const shown = rows.filter(
    ({ design, unusableIndex }) =>
      typeof unusableIndex === 'number' &&
      rows.some((row) => row.design === design && Number(row.allocationFailures) > 0),
  );
  const several = new Set(shown.map(({ setup }) => setup)).size > 1;
  const series = { field: 'setup', type: 'nominal', sort: null, title: null };
  return {
    name: 'allocation-failures',
    title: 'Failed allocations against fragmentation',
    caption:
      'Requests of each design for contiguous memory that failed, against the unusable free space index at 2 MiB of the memory below the process. Designs without a failure anywhere are left out; each panel has a scale of its own.',
    width: 'double',
    spec: {
      facet: { field: 'design', type: 'nominal', sort: null, title: null },
      columns: 3,
      spacing: 14,
      resolve: { scale: { y: 'independent' } },
      spec: {
        width: 150,
        height: 75,
        mark: { type: 'line', point: true },
        encoding: {
          x: {
            field: 'unusableIndex',
            type: 'quantitative',
            title: 'Unusable index',
            axis: { values: [0, 0.5, 1] },
            scale: { domain: [0, 1] },
          },
          y: {
            field: 'allocationFailures',
            type: 'quantitative',
            title: null,
            axis: { tickCount: 3, format: '~s' },
          },
          ...(several ? { color: series, strokeDash: series } : {}),
        },
      },
    },
    rows:
      states.size < 2
        ? []
        : shown
            .filter(({ variation }) => variation === asGiven || String(variation).startsWith('fragmented'))
            .map(
              ({ setup, design, unusableIndex, allocationFailures }): Row => ({
                setup,
                design,
                unusableIndex,
                allocationFailures,
              }),
            ),
  };
}
