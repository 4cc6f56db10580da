import {
  type Advice,
  type AdvicePoint,
  type Granularity,
  granularities,
  type PagingCosts,
  pagingSeconds,
} from '@strata/model/paging';
import type { Figure } from '../figures/figure.ts';
import { formatBytes, formatCount } from '../terminal/quantities.ts';
import { renderTable, type Table, tableOf } from '../terminal/table.ts';
import { sourcesOf } from './costs.ts';

export interface CurveRow extends AdvicePoint {
  /** Modelled, of all accesses. */
  readonly timeSeconds: number;
}

export interface AdviceDocument {
  readonly trace: string;
  readonly format: string;
  /** Block of a trace of addresses; null for a log of objects. */
  readonly objectBytes: number | null;
  readonly accesses: number;
  readonly writes: number;
  readonly samplingRate: number;
  readonly footprint: { readonly objectBytes: number; readonly pageBytes: number };
  readonly costs: PagingCosts;
  readonly costSources: Readonly<Record<keyof PagingCosts, string>>;
  readonly advice: {
    /** The amount of local memory that the choice is made for. */
    readonly localBytes: number;
    readonly granularity: Granularity;
    readonly fewestBytes: Granularity;
    readonly fewestRoundTrips: Granularity;
    /** Least local memory of the curve that is at most 10 % slower than all of it local. */
    readonly enoughLocalBytes: number;
  };
  readonly curve: readonly CurveRow[];
}

export interface AdviceInput {
  readonly trace: string;
  readonly format: string;
  readonly objectBytes: number | null;
  readonly advice: Advice;
  readonly costs: PagingCosts;
  /** Asked for; the first decides. */
  readonly localBytes: readonly number[];
}

/** What a quarter of the data local is worth is what the systems are compared at. */
const comparedShare = 0.25;
const tolerated = 1.1;

export function adviceDocument({ trace, format, objectBytes, advice, costs, localBytes }: AdviceInput): AdviceDocument {
  const curve = advice.points.map((point) => ({
    ...point,
    timeSeconds: pagingSeconds(point, advice.accesses, costs),
  }));
  const decisive = localBytes[0] ?? nearestOctave(curve, advice.objectFootprintBytes * comparedShare);
  const compared = curve.filter((row) => row.localBytes === decisive);
  const granularity = least(compared, ({ timeSeconds }) => timeSeconds).granularity;
  const chosen = curve.filter((row) => row.granularity === granularity);
  const allLocal = Math.min(...chosen.map(({ timeSeconds }) => timeSeconds));
  const enough = chosen.find(({ timeSeconds }) => timeSeconds <= tolerated * allLocal)!;
  return {
    trace,
    format,
    objectBytes,
    accesses: advice.accesses,
    writes: advice.writes,
    samplingRate: advice.samplingRate,
    footprint: { objectBytes: advice.objectFootprintBytes, pageBytes: advice.pageFootprintBytes },
    costs,
    costSources: sourcesOf(costs),
    advice: {
      localBytes: decisive,
      granularity,
      fewestBytes: least(compared, ({ bytesIn }) => bytesIn).granularity,
      fewestRoundTrips: least(compared, ({ fetches }) => fetches).granularity,
      enoughLocalBytes: enough.localBytes,
    },
    curve,
  };
}

function least<Item>(items: readonly Item[], by: (item: Item) => number): Item {
  return items.reduce((best, item) => (by(item) < by(best) ? item : best));
}

function nearestOctave(curve: readonly CurveRow[], wanted: number): number {
  const hybrid = curve.filter((row) => row.granularity === 'hybrid');
  return least(hybrid, ({ localBytes }) => Math.abs(Math.log2(localBytes / wanted))).localBytes;
}

/** One row per amount of local memory that all three granularities answer for. */
export function adviceTable({ curve }: AdviceDocument): Table {
  const amounts = [
    ...new Set(curve.filter(({ granularity }) => granularity === 'hybrid').map((row) => row.localBytes)),
  ];
  const rows = amounts
    .sort((a, b) => a - b)
    .flatMap((amount) =>
      granularities.map((name) => curve.find((row) => row.granularity === name && row.localBytes === amount)),
    )
    .filter((row) => row !== undefined)
    .map(({ localBytes, granularity, missRatio, fetches, bytesIn, bytesOut, writeBacks, timeSeconds }) => ({
      localBytes,
      granularity,
      missRatio,
      roundTrips: Math.round(fetches),
      bytesIn: Math.round(bytesIn),
      bytesOut: Math.round(bytesOut),
      writeBacks: Math.round(writeBacks),
      timeSeconds,
    }));
  const table = tableOf('far_advise', rows);
  return {
    ...table,
    columns: table.columns.map((column) =>
      column.name === 'missRatio' || column.name === 'timeSeconds' ? { ...column, type: 'real', decimals: 4 } : column,
    ),
  };
}

export function adviceText(document: AdviceDocument): string {
  const { advice, footprint, samplingRate, accesses, objectBytes } = document;
  const what = objectBytes === null ? 'objects as logged' : `objects are blocks of ${formatBytes(objectBytes)}`;
  const exactness =
    samplingRate === 1
      ? 'exact LRU over the whole trace'
      : `estimated: ${(samplingRate * 100).toPrecision(3)} % of the pages were followed, the trace being too large for --track`;
  return [
    `${formatCount(accesses)} accesses; ${what}; ${formatBytes(Math.round(footprint.objectBytes))} of objects on ${formatBytes(Math.round(footprint.pageBytes))} of pages; ${exactness}`,
    `With ${formatBytes(advice.localBytes)} local, ${advice.granularity} granularity takes the least time (modelled); fewest bytes: ${advice.fewestBytes}, fewest round trips: ${advice.fewestRoundTrips}.`,
    `${formatBytes(advice.enoughLocalBytes)} local is enough to stay within 10 % of everything local.`,
    '',
    renderTable(adviceTable(document)),
  ].join('\n');
}

export function adviceFigure({ curve, trace, samplingRate }: AdviceDocument): Figure {
  const measures = [
    ['bytes fetched, MiB', (row: CurveRow) => row.bytesIn / 2 ** 20],
    ['round trips, thousands', (row: CurveRow) => row.fetches / 1000],
    ['modelled time, s', (row: CurveRow) => row.timeSeconds],
  ] as const;
  return {
    name: 'far-advise',
    title: 'What local memory buys',
    caption: `${trace}: bytes, round trips and modelled time over local memory, by granularity; ${samplingRate === 1 ? 'exact LRU' : 'sampled'}.`,
    width: 'double',
    spec: {
      facet: { column: { field: 'measure', type: 'nominal', sort: measures.map(([name]) => name) } },
      spec: {
        width: 175,
        height: 150,
        mark: { type: 'line', interpolate: 'linear' },
        encoding: {
          x: {
            field: 'localMiB',
            type: 'quantitative',
            scale: { type: 'log', base: 2 },
            title: 'local memory, MiB',
            axis: {
              tickCount: 5,
              labelExpr: "datum.value < 1 ? '1/' + round(1 / datum.value) : format(datum.value, ',')",
            },
          },
          y: { field: 'value', type: 'quantitative', title: null },
          color: { field: 'granularity', type: 'nominal', sort: [...granularities], title: null },
          strokeDash: { field: 'granularity', type: 'nominal', sort: [...granularities], title: null, legend: null },
        },
      },
      resolve: { scale: { y: 'independent' } },
    },
    rows: measures.flatMap(([measure, value]) =>
      curve.map((row) => ({
        measure,
        granularity: row.granularity,
        localMiB: row.localBytes / 2 ** 20,
        value: value(row),
      })),
    ),
  };
}
