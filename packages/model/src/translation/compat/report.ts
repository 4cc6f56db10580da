import type { DeviceStats } from './cache.ts';
import type { CompatCoreResult, CompatResult } from './result.ts';

const rule = '~'.repeat(42);
const prefix = '    ';

/** The original simulators' text report, byte for byte (locale "C": no thousands separators). Heartbeats are not repeated. */
export function renderReport(result: CompatResult): string {
  const { config, cores } = result;
  return [
    ...loading('page table', result.tableRows),
    ...(result.hostTableRows === undefined ? [] : loading('host_page table', result.hostTableRows)),
    ...warmupLines(result),
    'TLB simulation results:',
    ...cores.flatMap((core, number) => coreLines(core, number, tlbLines)),
    rule,
    'Cache simulation results:',
    ...cores.flatMap((core, number) =>
      coreLines(core, number, ({ l1i, l1d, l2 }) =>
        cacheLines({ L1I: l1i, L1D: l1d, L2: l2 }, config.warmupReferences),
      ),
    ),
    'LLC stats:',
    ...deviceLines(result.llc, config.warmupReferences > 0),
    rule,
    `num_requests : ${result.requests}`,
    `num_not_found : ${result.notFound}`,
    rule,
    `num_range_found : ${result.rangeFound}`,
    `num_range_not_found : ${result.rangeNotFound}`,
    rule,
    ...result.histogram.map(({ labels, range, count }) => `${labels.join(',')},${range},\t${count}`),
    '',
  ].join('\n');
}

function loading(noun: string, { listed, unique }: { readonly listed: number; readonly unique: number }): string[] {
  return [`Loading ${noun} with ${listed} PT entries...`, `Loaded ${unique} unique PT entries.`];
}

/** In the order of the longer count: the caches' warm-up ends first, since it counts twice (quirk Q5). */
function warmupLines({ config, warmedUp, tlbWarmedUp }: CompatResult): string[] {
  if (config.warmupReferences === 0) return [];
  return [
    ...(warmedUp ? ['Cache simulation warmed up'] : []),
    ...(tlbWarmedUp ? Array.from({ length: config.cores }, () => 'Finished warmup of TLB') : []),
  ];
}

function coreLines(core: CompatCoreResult, number: number, body: (core: CompatCoreResult) => string[]): string[] {
  return [`Core #${number} (${core.threads} thread(s))`, ...(core.threads === 0 ? [] : body(core))];
}

function tlbLines({ tlbL1i, tlbL1d, tlbL2 }: CompatCoreResult): string[] {
  return cacheLines({ 'TLB-L1I': tlbL1i, 'TLB-L1D': tlbL1d, 'TLB-LL': tlbL2 }, 0);
}

function cacheLines(devices: Readonly<Record<string, DeviceStats>>, warmupReferences: number): string[] {
  return Object.entries(devices).flatMap(([name, stats]) => [
    `  ${name} stats:`,
    ...deviceLines(stats, warmupReferences > 0),
  ]);
}

function deviceLines(stats: DeviceStats, showWarmup: boolean): string[] {
  return [
    ...(showWarmup ? [line('Warmup hits:', stats.warmupHits), line('Warmup misses:', stats.warmupMisses)] : []),
    line('Hits:', stats.hits),
    line('Misses:', stats.misses),
    line('Invalidations:', 0),
    ...stats.pageTable.flatMap(({ hits, misses }, index) => [
      levelLine('Hits PT level', index + 1, hits),
      levelLine('Misses PT level', index + 1, misses),
    ]),
    ...(stats.prefetchHits + stats.prefetchMisses === 0
      ? []
      : [line('Prefetch hits:', stats.prefetchHits), line('Prefetch misses:', stats.prefetchMisses)]),
    ...rateLines(stats),
  ];
}

function rateLines({ hits, misses, childHits }: DeviceStats): string[] {
  const label = childHits === 0 ? 'Miss rate:' : 'Local miss rate:';
  return [
    ...(hits + misses === 0 ? [] : [rateLine(label, misses / (hits + misses))]),
    ...(childHits === 0
      ? []
      : [line('Child hits:', childHits), rateLine('Total miss rate:', misses / (hits + childHits + misses))]),
  ];
}

function line(label: string, value: number): string {
  return `${prefix}${label.padEnd(18)}${String(value).padStart(20)}`;
}

function levelLine(label: string, level: number, value: number): string {
  return `${prefix}${label.padEnd(18)}${level}:${String(value).padStart(20)}`;
}

function rateLine(label: string, rate: number): string {
  return `${prefix}${label.padEnd(18)}${(100 * rate).toFixed(2).padStart(20)}%`;
}
