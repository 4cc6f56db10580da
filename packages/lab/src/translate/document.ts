import type { ActivityCounts, ResizedCounts, SpaceResult } from '@strata/model/translation';
import type { Figure } from '../figures/figure.ts';
import type { Assumptions } from '../studies/study.ts';
import type { Row, Table } from '../terminal/table.ts';
import type { PerfDocument } from './application.ts';
import { type SamplesDocument, samplesTable } from './samples.ts';

interface HitCounts {
  readonly hits: number;
  readonly misses: number;
  readonly hitRate?: number | null;
}

/** One design in the document of either mode; what a mode does not have is absent. */
export interface DesignDocument {
  readonly cyclesPerWalk: number | null;
  readonly speedup: number | null;
  readonly speedupWithMaintenance?: number | null;
  readonly referencesPerWalk: number | null;
  readonly walks?: number;
  readonly coverage?: number | null;
  readonly tableBytes?: number | null;
  readonly maintenanceCycles?: number;
  readonly bytesMigrated?: number;
  readonly allocationFailures?: number;
  readonly applicationSpeedup?: number | null;
  readonly applicationSpeedupWithMaintenance?: number | null;
  readonly walkLatency?: {
    readonly p50: number;
    readonly p99: number;
    readonly distribution: readonly { readonly cycles: number; readonly count: number }[];
  } | null;
  readonly steps?: readonly {
    readonly label: string;
    readonly references: number;
    readonly memory: number;
    readonly l1: number;
    readonly l2: number;
    readonly llc: number;
  }[];
}

/** What both modes print with --json, besides what is only theirs. */
export interface TranslateDocument {
  readonly setup: string;
  readonly mode: string;
  readonly trace: { readonly references: number };
  readonly walks: number;
  readonly walksPerThousandAccesses?: number | null;
  readonly referencesPerWalk: number | null;
  readonly designs: Readonly<Record<string, DesignDocument>>;
  readonly tlb: unknown;
  readonly walkCaches: unknown;
  readonly histogram: readonly unknown[];
  readonly spaces?: readonly SpaceResult[];
  /** With --activity: what the operating systems did. */
  readonly activity?: ActivityCounts;
  /** With --memory-events: what they did to the VM. */
  readonly resized?: ResizedCounts;
  readonly perf?: PerfDocument;
  /** By design, in correct mode: what no publication says and the figures rest on. */
  readonly assumptions?: Assumptions;
  /** With --sample: what the samples say about each other. */
  readonly samples?: SamplesDocument;
}

/** Designs first: it is what --csv and --parquet write. */
export function tablesOf(document: TranslateDocument): Table[] {
  return [
    designsTable(document),
    memoryTable(document),
    activityTable(document),
    structuresTable(document),
    stepsTable(document),
    latencyTable(document),
    ...(document.samples === undefined ? [] : [samplesTable(document.samples)]),
  ].filter((table) => table.rows.length > 0);
}

function designsTable({ setup, mode, designs }: TranslateDocument): Table {
  const rows = Object.entries(designs).map(
    ([design, result]): Row => ({
      setup,
      mode,
      design,
      walks: result.walks,
      cyclesPerWalk: result.cyclesPerWalk,
      speedup: result.speedup,
      applicationSpeedup: result.applicationSpeedup,
      applicationSpeedupWithMaintenance: result.applicationSpeedupWithMaintenance,
      referencesPerWalk: result.referencesPerWalk,
      p50Cycles: result.walkLatency?.p50,
      p99Cycles: result.walkLatency?.p99,
      coverage: result.coverage,
      tableBytes: result.tableBytes,
      maintenanceCycles: result.maintenanceCycles,
      bytesMigrated: result.bytesMigrated,
      allocationFailures: result.allocationFailures,
    }),
  );
  const columns = [
    { name: 'setup', type: 'text' },
    { name: 'mode', type: 'text' },
    { name: 'design', type: 'text' },
    { name: 'walks', type: 'integer' },
    { name: 'cyclesPerWalk', type: 'real', title: 'cycles/walk' },
    { name: 'speedup', type: 'real', title: 'speedup', decimals: 3 },
    { name: 'applicationSpeedup', type: 'real', title: 'application', decimals: 3 },
    { name: 'applicationSpeedupWithMaintenance', type: 'real', title: 'with maintenance', decimals: 3 },
    { name: 'referencesPerWalk', type: 'real', title: 'refs/walk' },
    { name: 'p50Cycles', type: 'integer', title: 'p50' },
    { name: 'p99Cycles', type: 'integer', title: 'p99' },
    { name: 'coverage', type: 'real', decimals: 3 },
    { name: 'tableBytes', type: 'integer', title: 'table bytes' },
    { name: 'maintenanceCycles', type: 'integer', title: 'maintenance cycles' },
    { name: 'bytesMigrated', type: 'integer', title: 'bytes migrated' },
    { name: 'allocationFailures', type: 'integer', title: 'failed allocations' },
  ] as const;
  // A mode that has no such figure for any design gets no column of dashes.
  return {
    name: 'designs',
    rows,
    columns: columns.filter(({ name }) => rows.some((row) => row[name] !== undefined)),
  };
}

/** The address spaces at the end, and how broken up the memory below each is: against it stand the allocations that failed. */
export function memoryTable({ setup, spaces = [] }: Pick<TranslateDocument, 'setup' | 'spaces'>): Table {
  return {
    name: 'memory',
    rows: spaces.map((space): Row => ({ setup, space: spaceNames[space.dimension] ?? '', ...space })),
    columns: [
      { name: 'setup', type: 'text' },
      { name: 'space', type: 'text' },
      { name: 'mappedPages', type: 'integer', title: 'mapped pages' },
      { name: 'tableBytes', type: 'integer', title: 'table bytes' },
      { name: 'bytesMigrated', type: 'integer', title: 'bytes migrated' },
      { name: 'allocationFailures', type: 'integer', title: 'failed 2 MiB allocations' },
      { name: 'unusableIndex', type: 'real', title: 'unusable index', decimals: 3 },
      { name: 'fragmentationIndex', type: 'real', title: 'fragmentation index', decimals: 3 },
    ],
  };
}

const spaceNames = ['process', 'vm', 'l1'];

function activityTable({ setup, activity }: TranslateDocument): Table {
  return {
    name: 'activity',
    rows: Object.entries(activity ?? {}).map(([event, count]): Row => ({ setup, event, count })),
    columns: [
      { name: 'setup', type: 'text' },
      { name: 'event', type: 'text' },
      { name: 'count', type: 'integer' },
    ],
  };
}

/** TLBs and walk caches of the baseline. */
function structuresTable({ setup, tlb, walkCaches }: TranslateDocument): Table {
  const rows = [...hitRows('TLB', tlb), ...hitRows('walk cache', walkCaches)].map((row) => ({ setup, ...row }));
  return {
    name: 'structures',
    rows,
    columns: [
      { name: 'setup', type: 'text' },
      { name: 'kind', type: 'text' },
      { name: 'structure', type: 'text' },
      { name: 'hits', type: 'integer' },
      { name: 'misses', type: 'integer' },
      { name: 'hitRate', type: 'real', title: 'hit rate', decimals: 4 },
    ],
  };
}

function hitRows(kind: string, structures: unknown, prefix = ''): Row[] {
  if (typeof structures !== 'object' || structures === null) return [];
  return Object.entries(structures).flatMap(([name, value]): Row[] => {
    const structure = prefix === '' ? name : `${prefix} ${name}`;
    if (!isHits(value)) return hitRows(kind, value, structure);
    const total = value.hits + value.misses;
    return [
      { kind, structure, hits: value.hits, misses: value.misses, hitRate: total === 0 ? null : value.hits / total },
    ];
  });
}

function isHits(value: unknown): value is HitCounts {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as HitCounts).hits === 'number' &&
    typeof (value as HitCounts).misses === 'number'
  );
}

function stepsTable({ setup, designs }: TranslateDocument): Table {
  const rows = Object.entries(designs).flatMap(([design, { steps = [] }]) =>
    steps.map((step, at): Row => ({ setup, design, order: at, step: step.label, ...step, label: undefined })),
  );
  return {
    name: 'steps',
    rows,
    columns: [
      { name: 'setup', type: 'text' },
      { name: 'design', type: 'text' },
      { name: 'order', type: 'integer' },
      { name: 'step', type: 'text' },
      { name: 'references', type: 'integer' },
      { name: 'l1', type: 'integer' },
      { name: 'l2', type: 'integer' },
      { name: 'llc', type: 'integer' },
      { name: 'memory', type: 'integer' },
    ],
  };
}

function latencyTable({ setup, designs }: TranslateDocument): Table {
  const rows = Object.entries(designs).flatMap(([design, { walkLatency }]) =>
    (walkLatency?.distribution ?? []).map(({ cycles, count }): Row => ({ setup, design, cycles, count })),
  );
  return {
    name: 'walk_latency',
    rows,
    columns: [
      { name: 'setup', type: 'text' },
      { name: 'design', type: 'text' },
      { name: 'cycles', type: 'integer' },
      { name: 'count', type: 'integer' },
    ],
  };
}

/** What a person reads on the terminal before the tables. */
export function headline(document: TranslateDocument, configuration: Readonly<Record<string, unknown>>): string {
  const { setup, mode, trace, walks, referencesPerWalk, perf } = document;
  const perThousand = trace.references === 0 ? 0 : (1000 * walks) / trace.references;
  return [
    `${setup}, ${mode} mode, seed ${String(configuration.seed)}: ${trace.references.toLocaleString('en-US')} accesses, ${walks.toLocaleString('en-US')} walks`,
    `(${perThousand.toFixed(2)} per thousand accesses), baseline radix: ${referencesPerWalk?.toFixed(2) ?? '-'} references per walk`,
    ...(perf === undefined ? [] : [perfLine(perf, document.designs.radix?.cyclesPerWalk)]),
  ].join('\n');
}

/** How good the ground is that application speedups stand on: the measured latency beside the modelled one. */
function perfLine(
  { event, walkOverhead, walkLatencyCycles }: PerfDocument,
  modelled: number | null | undefined,
): string {
  const latency =
    walkLatencyCycles === null
      ? ''
      : `, ${event === 'walk_active' ? 'at least ' : ''}${walkLatencyCycles.toFixed(1)} cycles per walk`;
  return `measured: ${(100 * walkOverhead).toFixed(1)} % of the run in page walks (${event})${latency} (modelled radix: ${modelled?.toFixed(1) ?? '-'}); application = 1 / ((1 - overhead) + overhead / speedup)`;
}

export function figuresOf(document: TranslateDocument): Figure[] {
  return [cyclesFigure([document]), stepsFigure(document), latencyFigure(document)].filter(
    (figure) => figure.rows.length > 0,
  );
}

/** Mean cycles per walk of each design, one panel row per set-up. */
export function cyclesFigure(documents: readonly TranslateDocument[]): Figure {
  const rows = documents.flatMap(({ setup, designs }) =>
    Object.entries(designs).flatMap(([design, { cyclesPerWalk, speedup }]): Row[] =>
      cyclesPerWalk === null
        ? []
        : [
            {
              bar: documents.length > 1 ? `${setup}, ${design}` : design,
              setup,
              design,
              cyclesPerWalk,
              shown: `${cyclesPerWalk.toFixed(0)}${speedup === null || design === 'radix' ? '' : ` (${speedup.toFixed(2)}×)`}`,
            },
          ],
    ),
  );
  // Room for the label right of the longest bar: more of the axis where names of set-ups leave less width for it.
  const room = documents.length > 1 ? 1.7 : 1.35;
  const domain = [0, room * Math.max(1, ...rows.map((row) => Number(row.cyclesPerWalk)))];
  return {
    name: 'cycles-per-walk',
    title: 'Cycles per page walk',
    caption:
      'Mean cycles that a last-level TLB miss waits for its translation; in brackets the speedup over radix on the same misses.',
    width: 'single',
    spec: {
      encoding: {
        y: { field: 'bar', type: 'nominal', sort: null, title: null },
        x: { field: 'cyclesPerWalk', type: 'quantitative', title: 'Cycles per walk (mean)', scale: { domain } },
      },
      layer: [
        { mark: { type: 'bar', height: { band: 0.7 } } },
        { mark: { type: 'text', align: 'left', dx: 3 }, encoding: { text: { field: 'shown' } } },
      ],
    },
    rows,
  };
}

const answers = [
  ['l1', 'L1'],
  ['l2', 'L2'],
  ['llc', 'LLC'],
  ['memory', 'memory'],
] as const;

/** Where the references of each step of the baseline's walk were answered, per walk. */
function stepsFigure({ designs }: TranslateDocument): Figure {
  const [design, result] = Object.entries(designs)[0] ?? ['', undefined];
  const walks = result?.walks ?? 0;
  const rows = inWalkOrder(result?.steps ?? []).flatMap((step, order) =>
    answers.map(
      ([key, label], rank): Row => ({
        step: step.label,
        order,
        answered: label,
        rank,
        perWalk: walks === 0 ? 0 : step[key] / walks,
      }),
    ),
  );
  return {
    name: 'references-per-step',
    title: `References of each step of a ${design} walk`,
    caption:
      'References per walk by step, coloured by where they were answered. A full bar is a step that every walk takes; what is missing was skipped by a walk cache.',
    width: 'single',
    spec: {
      height: { step: 13 },
      mark: { type: 'bar' },
      encoding: {
        y: { field: 'step', type: 'nominal', sort: { field: 'order' }, title: null },
        x: { field: 'perWalk', type: 'quantitative', title: 'References per walk', scale: { domainMax: 1 } },
        color: {
          field: 'answered',
          type: 'nominal',
          sort: answers.map(([, label]) => label),
          title: null,
          legend: { columns: 2, orient: 'bottom' },
          scale: { domain: answers.map(([, label]) => label), range: ['#F0E442', '#56B4E9', '#0072B2', '#000000'] },
        },
        order: { field: 'rank' },
      },
    },
    rows,
  };
}

/** Steps come in the order in which they were first taken, and walk caches skip the upper ones: levels descend within each host walk. */
function inWalkOrder<T extends { readonly label: string }>(steps: readonly T[]): T[] {
  const hostWalk = (label: string) => label.split(' for ').slice(1).join(' for ') || label;
  const walks = [...new Set(steps.map(({ label }) => hostWalk(label)))];
  const isEntry = (label: string) => (label.includes(' for ') ? 0 : 1);
  return [...steps].sort(
    (a, b) =>
      walks.indexOf(hostWalk(a.label)) - walks.indexOf(hostWalk(b.label)) ||
      isEntry(a.label) - isEntry(b.label) ||
      b.label.localeCompare(a.label, 'en'),
  );
}

/** Cumulative distribution of walk latency, one line per design. */
function latencyFigure({ designs }: TranslateDocument): Figure {
  const rows = Object.entries(designs).flatMap(([design, { walkLatency }]) => {
    const distribution = walkLatency?.distribution ?? [];
    const walks = distribution.reduce((sum, { count }) => sum + count, 0);
    let below = 0;
    return distribution.map(({ cycles, count }): Row => {
      below += count;
      return { design, cycles, share: below / walks };
    });
  });
  return {
    name: 'walk-latency',
    title: 'Distribution of walk latency',
    caption: 'Share of walks that took at most so many cycles.',
    width: 'single',
    spec: {
      height: 150,
      mark: { type: 'line', interpolate: 'step-after' },
      encoding: {
        x: { field: 'cycles', type: 'quantitative', title: 'Cycles of a walk', scale: { type: 'log', nice: false } },
        y: {
          field: 'share',
          type: 'quantitative',
          title: 'Share of walks',
          axis: { format: '.0%' },
          scale: { domain: [0, 1] },
        },
        color: { field: 'design', type: 'nominal', sort: null, title: null },
        strokeDash: { field: 'design', type: 'nominal', sort: null, title: null },
      },
    },
    rows,
  };
}

/** Of all designs in these documents. */
export function assumptionsIn(documents: readonly TranslateDocument[]): Assumptions {
  return Object.assign({}, ...documents.map(({ assumptions }) => assumptions));
}
