import type { Granularity } from './simulate.ts';

/** What the time model of specification far-memory A3.2 needs; times in ns. */
export interface PagingCosts {
  /** One access that finds its object. */
  readonly hitNs: number;
  /** Own work on a missing object: copy and bookkeeping. */
  readonly objectMissNs: number;
  /** Exception and kernel path of a missing page. */
  readonly pageFaultNs: number;
  /** Making room for a page, and the share of faults that do it themselves before they go on. */
  readonly reclaimNs: number;
  readonly synchronousReclaimShare: number;
  readonly roundTripNs: number;
  readonly bytesPerSecond: number;
  /** Object fetches on the way at a time. Page faults wait one by one: the faulting thread stands still. */
  readonly inFlight: number;
}

export const defaultPagingCosts: PagingCosts = {
  hitNs: 1,
  objectMissNs: 310,
  pageFaultNs: 2400,
  reclaimNs: 1800,
  synchronousReclaimShare: 0,
  roundTripNs: 30_000,
  bytesPerSecond: 1.2e9,
  inFlight: 1,
};

/** Where the defaults come from; `unverified` ones are no expected values. */
export const pagingCostSources: { readonly [Cost in keyof PagingCosts]: string } = {
  hitNs: 'published: three micro-operations (AIFM, pointer fast path)',
  objectMissNs: 'measured: copy of 8 KiB, Node 20 (specification A2.1)',
  pageFaultNs: 'unverified: exception 0.6 us and kernel 1.8 us, breakdown of Fastswap by DiLOS',
  reclaimNs: 'unverified: breakdown of Fastswap by DiLOS',
  synchronousReclaimShare: 'chosen: Fastswap reclaims on a processor of its own',
  roundTripNs: 'measured: 4 KiB over loopback TCP, p50 (specification A2.1)',
  bytesPerSecond: 'measured: pipelined 8 KiB over loopback TCP (specification A2.1)',
  inFlight: 'chosen: one access after the other',
};

/** Modelled seconds of all accesses. Write-backs, and the reclaim that no fault waits for, happen beside the program and are not in it. */
export function pagingSeconds(
  {
    granularity,
    fetches,
    bytesIn,
  }: {
    readonly granularity: Granularity;
    readonly fetches: number;
    readonly bytesIn: number;
  },
  accesses: number,
  costs: PagingCosts,
): number {
  const { hitNs, objectMissNs, roundTripNs, bytesPerSecond, inFlight } = costs;
  const faultNs = costs.pageFaultNs + costs.synchronousReclaimShare * costs.reclaimNs;
  const fetchNs = granularity === 'page' ? faultNs + roundTripNs : objectMissNs + roundTripNs / inFlight;
  return (accesses * hitNs + fetches * fetchNs) / 1e9 + bytesIn / bytesPerSecond;
}
