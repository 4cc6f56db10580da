import { type Demand, type ElasticityConfig, summaryOf, type Technique } from '@strata/model/elasticity';
import { StrataError } from '@strata/model/machine';
import { pagewisePlacement } from '@strata/traces/elasticity';
import { emit, note, type OutputOptions } from '../terminal/output.ts';
import { footprintFigures, footprintSeriesTable, footprintSummaryTable } from './footprint-tables.ts';
import { type DemandOptions, gibOf, oneDemandOf } from './options.ts';

/** `--replay` of `strata elastic footprint` that follows a kmem trace page by page. */
export const pagewise = 'pages';

export interface PagewiseInput {
  readonly technique: Technique;
  readonly vfio: boolean;
  readonly config: ElasticityConfig;
  readonly signal: AbortSignal;
}

/**
 * Replays a kmem trace through a VM whose every page is kept: the footprint is what the host's maps hold, not what follows from a curve.
 * @throws StrataError `elastic.*`, `usage.number`
 */
export async function pagewiseFootprint(
  options: DemandOptions & OutputOptions & { readonly demand: string },
  { technique, vfio, config, signal }: PagewiseInput,
): Promise<void> {
  if (options.totalGib === undefined)
    throw new StrataError({
      code: 'elastic.no-size',
      what: 'a replay needs the size of the VM',
      where: options.demand,
      mend: 'Give it with --total-gib.',
    });
  const totalMib = 2 * Math.floor(512 * gibOf(options.totalGib, '--total-gib'));
  const placement = pagewisePlacement({ technique, vfio, config, totalMib });
  const { demand, warnings } = await oneDemandOf(options.demand, options, signal, placement);
  const { recorded } = demand;
  if (
    recorded === undefined ||
    !Number.isFinite(placement.residentMib ?? Number.NaN) ||
    recorded.technique !== undefined
  )
    throw new StrataError({
      code: 'elastic.page-replay',
      what: 'only a trace of the page allocator can be followed page by page',
      where: options.demand,
      expected: 'kmem:mm_page_alloc and mm_page_free events',
    });
  const figures = footprintFigures(summaryOf({ seconds: demand.seconds, mib: recorded.residentMib }));
  for (const sentence of warnings) note(`strata: ${sentence}`, options);
  const series = seriesOf(demand, recorded.residentMib);
  await emit(
    {
      document: {
        technique: technique.name,
        vfio,
        demand: demand.name,
        ...figures,
        basis: 'page by page',
        notes: warnings,
        series,
      },
      tables: [
        options.csv || options.parquet
          ? footprintSeriesTable(series)
          : footprintSummaryTable(demand.name, technique.name, figures, { minutes: 4, size: 3 }),
      ],
    },
    options,
  );
}

function seriesOf({ seconds, usedMib, usedHugeMib }: Demand, residentMib: Float64Array) {
  return Array.from(seconds, (time, at) => ({
    seconds: time,
    residentGiB: residentMib[at]! / 1024,
    neededGiB: usedHugeMib[at]! / 1024,
    usedGiB: usedMib[at]! / 1024,
  }));
}
