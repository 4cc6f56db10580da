import { StrataError } from '../../machine/errors.ts';
import { choice, group, integer, type PartialValuesOf, resolve, type ValuesOf } from '../../machine/fields.ts';

const command = 'DMT artifact, simulator command line';
const source = 'DMT artifact, simulator source';
const processor = 'DMT artifact, processor formulas';

function tlb(entries: number, ways: number, summary: string) {
  return group(
    {
      entries: integer(entries, 'entries', { min: 1, max: 2 ** 20, unit: 'entries', source: command }),
      ways: integer(ways, 'ways of a set', { min: 1, max: 64, unit: 'ways', source: command }),
    },
    summary,
  );
}

function cache(bytes: number, ways: number, summary: string) {
  return group(
    {
      bytes: integer(bytes, 'capacity', { min: 1, max: 2 ** 32, unit: 'bytes', source: command }),
      ways: integer(ways, 'ways of a set', { min: 1, max: 64, unit: 'ways', source: command }),
    },
    summary,
  );
}

function walkCache(entries: number, ways: number, summary: string) {
  return group(
    {
      entries: integer(entries, 'entries', { min: 1, max: 2 ** 20, unit: 'entries', source }),
      ways: integer(ways, 'ways of a set', { min: 1, max: 64, unit: 'ways', source }),
    },
    summary,
  );
}

/** Every constant of the original simulators and of the processor that evaluates their reports; the defaults are the artifact's. */
export const compatSpec = {
  setup: choice(
    ['native', 'virtualized', 'nested'],
    'native',
    'address spaces stacked; nested is a virtualized run made inside the outer guest, evaluated by the nested formulas',
  ),
  cores: integer(20, 'cores; threads go to the least loaded', { min: 1, max: 4096, unit: 'cores', source: command }),
  warmupReferences: integer(0, 'nominal length of the warm-up; the artifact asks for 300 million', {
    unit: 'references',
  }),
  prefetcher: choice(['nextline', 'none'], 'nextline', 'prefetcher of the first-level data cache', { source }),
  lineBytes: integer(64, 'cache line', { min: 8, max: 4096, unit: 'bytes', source }),
  tlbL1i: tlb(128, 8, 'first-level instruction TLB'),
  tlbL1d: tlb(64, 4, 'first-level data TLB'),
  tlbL2: tlb(1536, 12, 'second-level TLB, one per core'),
  l1i: cache(32 * 1024, 8, 'first-level instruction cache'),
  l1d: cache(32 * 1024, 8, 'first-level data cache, also read by the page walker'),
  l2: cache(1024 * 1024, 16, 'second-level cache, one per core'),
  llc: cache(23_068_672, 11, 'last-level cache, shared'),
  walkCacheLevel1: walkCache(2, 1, 'page-walk cache of root entries, shared by all cores'),
  walkCacheLevel2: walkCache(4, 4, 'page-walk cache of second-level entries'),
  walkCacheLevel3: walkCache(32, 4, 'page-walk cache of third-level entries'),
  walkCacheReach: integer(8, 'neighbouring table entries that one page-walk cache entry covers (quirk Q2)', {
    min: 1,
    max: 512,
    unit: 'entries',
    source,
  }),
  contentionL1: integer(0, 'random requests to the first-level data cache per 100 references', {
    max: 100_000,
    source,
  }),
  contentionLlc: integer(0, 'random requests to the last-level cache per 100 references', { max: 100_000, source }),
  seed: integer(42, 'seed of the contention injectors', { source }),
  latencies: group(
    {
      walkCacheCycles: integer(1, 'page-walk cache', { unit: 'cycles', source: processor }),
      l1Cycles: integer(4, 'first level', { unit: 'cycles', source: processor }),
      l2Cycles: integer(14, 'second level', { unit: 'cycles', source: processor }),
      llcCycles: integer(54, 'last level', { unit: 'cycles', source: processor }),
      memoryCycles: integer(200, 'memory', { unit: 'cycles', source: processor }),
      ecptNativeCycles: integer(2, 'hashing of a native ECPT look-up', { unit: 'cycles', source: processor }),
      ecptVirtualizedCycles: integer(12, 'hashing of a virtualized ECPT look-up', {
        unit: 'cycles',
        source: processor,
      }),
    },
    'latency of a reference by where it is answered',
  ),
} as const;

export type CompatConfig = ValuesOf<typeof compatSpec>;
export type CompatOptions = PartialValuesOf<typeof compatSpec>;

/** Fills in the artifact's defaults and checks that every structure has a power of two of sets, as the originals require.
 * @throws StrataError `config.*`, `compat.geometry` */
export function compatConfig(options: unknown = {}): CompatConfig {
  const config = resolve(compatSpec, options, 'compat');
  for (const name of ['tlbL1i', 'tlbL1d', 'tlbL2', 'walkCacheLevel1', 'walkCacheLevel2', 'walkCacheLevel3'] as const)
    setsOf(name, config[name].entries, config[name].ways, 'entries');
  for (const name of ['l1i', 'l1d', 'l2', 'llc'] as const)
    setsOf(name, config[name].bytes / config.lineBytes, config[name].ways, 'lines');
  powerOfTwo('lineBytes', config.lineBytes, 'bytes');
  powerOfTwo('walkCacheReach', config.walkCacheReach, 'entries');
  return config;
}

function setsOf(name: string, entries: number, ways: number, unit: string): void {
  powerOfTwo(name, entries / ways, `sets (${entries} ${unit} / ${ways} ways)`);
}

function powerOfTwo(name: string, value: number, noun: string): void {
  if (Number.isInteger(value) && Number.isInteger(Math.log2(value))) return;
  throw new StrataError({
    code: 'compat.geometry',
    what: 'impossible geometry',
    where: `compat.${name}`,
    expected: 'a power of two',
    found: `${value} ${noun}`,
    mend: 'Choose sizes and ways whose quotient is a power of two, as the original simulators require.',
  });
}
