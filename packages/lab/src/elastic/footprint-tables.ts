import type { FootprintSummary } from '@strata/model/elasticity';
import type { Row, Table } from '../terminal/table.ts';

/** Figures of a footprint by the names that documents and tables have. */
export interface FootprintFigures {
  readonly gibMinutes: number;
  readonly peakGiB: number;
  readonly meanGiB: number;
  readonly costSeconds?: number;
}

export function footprintFigures({ gibMinutes, peakGib, meanGib }: FootprintSummary): FootprintFigures {
  return { gibMinutes, peakGiB: peakGib, meanGiB: meanGib };
}

/** One row for each time, of numbers only. */
export function footprintSeriesTable(rows: readonly Row[]): Table {
  return {
    name: 'footprint',
    columns: Object.keys(rows[0] ?? {}).map((name) => ({ name, type: 'real' as const })),
    rows,
  };
}

/** @param decimals of the sizes: a trace page by page is of small VMs */
export function footprintSummaryTable(
  demand: string,
  technique: string,
  figures: FootprintFigures,
  decimals: { readonly minutes: number; readonly size: number },
): Table {
  return {
    name: 'footprint_summary',
    columns: [
      { name: 'demand', type: 'text' },
      { name: 'technique', type: 'text' },
      { name: 'gibMinutes', type: 'real', title: 'GiB x min', decimals: decimals.minutes },
      { name: 'peakGiB', type: 'real', title: 'peak GiB', decimals: decimals.size },
      { name: 'meanGiB', type: 'real', title: 'mean GiB', decimals: decimals.size },
      ...(figures.costSeconds === undefined
        ? []
        : [{ name: 'costSeconds', type: 'real' as const, title: 'cost s', decimals: 2 }]),
    ],
    rows: [{ demand, technique, ...figures }],
  };
}
