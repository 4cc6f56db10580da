import { StrataError, suggestion } from '@strata/model/machine';
import {
  allQuirks,
  applicationSpeedup,
  type CompatOptions,
  type CompatResult,
  type DeviceStats,
  designsWithFormula,
  type FormulaDesign,
  type FormulaPage,
  type FormulaResult,
  type FormulaSetup,
  formulaResults,
  type HistogramRow,
  type PerfCounts,
  parseRanges,
  type Quirks,
  quirkNames,
  simulateCompat,
  type WalkCacheStats,
} from '@strata/model/translation/compat';
import { openTrace, type TraceReader } from '@strata/traces';
import type { WalkCounters } from '@strata/traces/counters';
import type { TableUnit } from '@strata/traces/tables';
import { type PerfDocument, perfDocument, readWalkCounters, textOf } from './application.ts';
import { loadCompatTable } from './compat-tables.ts';
import { ofTables } from './tables-input.ts';
import { untilInterrupted } from './trace-input.ts';

export interface CompatRunOptions {
  readonly trace: string;
  /** Name of the trace's format where it cannot be recognised. */
  readonly format?: string;
  /** Page table of the process. */
  readonly tables: string;
  /** Page table of the VM; needed unless native. */
  readonly hostTables?: string;
  readonly unit?: TableUnit;
  readonly setup: FormulaSetup;
  /** Default: all those that have a formula in the set-up. */
  readonly designs?: readonly string[];
  readonly quirks?: Quirks;
  /** Constants that differ from the artifact's: cores, prefetcher, warmupReferences, geometries, latencies. */
  readonly config?: Omit<CompatOptions, 'setup'>;
  readonly page?: FormulaPage;
  /** Range file (native only). */
  readonly ranges?: string;
  /** `perf-*.short` file or output of `perf stat`, for application speedups. */
  readonly perf?: string;
  /** Measured runtimes of the virtualized runs; with both, pvDMT's nested application speedup includes their quotient. */
  readonly shadowPagingSeconds?: number;
  readonly nestedPagingSeconds?: number;
  readonly skip?: number;
  readonly limit?: number;
  readonly allowTruncated?: boolean;
  readonly signal?: AbortSignal;
  /** Told after every block: accesses done, and the share of the file read, 0 to 1. */
  readonly onProgress?: (accesses: number, share: number | undefined) => void;
  /** Told how many accesses have been skipped while they are. */
  readonly onSkipped?: (accesses: number) => void;
}

interface HitCounts {
  readonly hits: number;
  readonly misses: number;
  readonly hitRate: number | null;
}

export interface CompatDesignDocument {
  readonly cyclesPerWalk: number | null;
  /** Of page walks over radix. */
  readonly speedup: number | null;
  readonly referencesPerWalk: number | null;
  /** With a perf file only. */
  readonly applicationSpeedup?: number | null;
}

/** What `strata translate run --mode compat --json` prints. */
export interface CompatDocument {
  readonly mode: 'compat';
  readonly setup: FormulaSetup;
  readonly page: FormulaPage;
  /** Quirks that are on. */
  readonly quirks: readonly string[];
  readonly trace: {
    /** Accesses, warm-up included. */
    readonly references: number;
    /** As the original counts: accesses, markers and, with quirk Q7, thread exits and instructions not fetched. */
    readonly requests: number;
    readonly notFound: number;
    readonly notFoundInHost: number;
    /** Whether the statistics were reset at the end of the warm-up (quirk Q5 can prevent it). */
    readonly warmedUp: boolean;
  };
  readonly walks: number;
  readonly referencesPerWalk: number | null;
  readonly designs: Readonly<Record<string, CompatDesignDocument>>;
  readonly perf?: PerfDocument;
  /** Summed over cores, after the warm-up. */
  readonly tlb: Readonly<Record<'l1i' | 'l1d' | 'l2', HitCounts>>;
  /** By dimension and level; root = the level of the root table. */
  readonly walkCaches: Readonly<
    Record<string, Readonly<Record<string, HitCounts & { readonly repeatedMisses: number }>>>
  >;
  /** Demand requests of the program and of walks, summed over cores, after the warm-up. */
  readonly caches: Readonly<Record<'l1i' | 'l1d' | 'l2' | 'llc', HitCounts>>;
  readonly histogram: readonly HistogramRow[];
}

export interface CompatRun {
  readonly document: CompatDocument;
  /** Everything, also for `renderReport`. */
  readonly result: CompatResult;
  readonly warnings: readonly string[];
  /** Whether the signal ended the run before the trace did. */
  readonly interrupted: boolean;
}

/**
 * Runs the original simulators on recorded files and evaluates the processor's formulas.
 * @throws StrataError `compat.*`, `config.*`, `tables.*`, `trace.*`
 */
export async function runCompat(options: CompatRunOptions): Promise<CompatRun> {
  const { setup, page = '4k', quirks = allQuirks, signal } = options;
  const designs = chosenDesigns(setup, options.designs);
  const perf = options.perf === undefined ? undefined : await readWalkCounters(options.perf);
  const ranges = options.ranges === undefined ? [] : parseRanges(await textOf(options.ranges), options.ranges);
  const tableOptions = {
    ...(options.unit === undefined ? {} : { unit: options.unit }),
    ...(signal === undefined ? {} : { signal }),
  };
  const trace = await open(options);
  try {
    const tables = await ofTables(loadCompatTable(options.tables, tableOptions));
    const hostTables =
      options.hostTables === undefined || setup === 'native'
        ? undefined
        : await ofTables(loadCompatTable(options.hostTables, { ...tableOptions, host: true }));
    const simulation = simulateCompat({
      config: { ...options.config, setup },
      quirks,
      tables: tables.table,
      ...(hostTables === undefined ? {} : { hostTables: hostTables.table }),
      ranges,
    });
    let accesses = 0;
    for await (const block of untilInterrupted(trace, signal)) {
      simulation.feed(block);
      accesses += block.length;
      options.onProgress?.(accesses, trace.progress());
    }
    const result = simulation.finish();
    return {
      document: documentOf(result, designs, options, page, perf),
      result,
      warnings: [
        ...(perf?.warnings ?? []),
        ...tables.warnings,
        ...(hostTables?.warnings ?? []),
        ...trace.summary.warnings,
        ...warningsAbout(result),
      ],
      interrupted: signal?.aborted ?? false,
    };
  } finally {
    await trace.close();
  }
}

function open({
  trace,
  format,
  skip,
  limit,
  allowTruncated,
  signal,
  onSkipped,
}: CompatRunOptions): Promise<TraceReader> {
  return openTrace(trace, {
    events: true,
    ...(format === undefined ? {} : { format }),
    ...(skip === undefined ? {} : { skip }),
    ...(limit === undefined ? {} : { limit }),
    ...(allowTruncated === undefined ? {} : { allowTruncated }),
    ...(signal === undefined ? {} : { signal }),
    ...(onSkipped === undefined ? {} : { onSkipped }),
  });
}

function chosenDesigns(setup: FormulaSetup, wanted: readonly string[] | undefined): readonly FormulaDesign[] {
  const known = designsWithFormula(setup);
  if (wanted === undefined || wanted.length === 0 || wanted.includes('all')) return known;
  return wanted.map((name) => {
    const design = known.find((candidate) => candidate === name);
    if (design !== undefined) return design;
    throw new StrataError({
      code: 'compat.unknown-design',
      what: `the original has no formula for design ${name} in the ${setup} set-up`,
      expected: known.join(', '),
      mend: `${suggestion(name, known)} Other designs need --mode correct.`,
    });
  });
}

function warningsAbout(result: CompatResult): string[] {
  const warnings: string[] = [];
  const { notFound, notFoundInHost, references, requests, markers, warmedUp, config } = result;
  // With quirk Q7 the requests that are neither accesses nor markers find nothing by nature.
  const accessesNotFound = notFound - (requests - references - markers);
  if (accessesNotFound > 0)
    warnings.push(`${accessesNotFound} of ${references} accesses are to pages not in the tables.`);
  if (notFoundInHost > 0)
    warnings.push(`${notFoundInHost} of ${references} accesses are to guest pages not in the host tables.`);
  if (!warmedUp && config.warmupReferences > 0)
    warnings.push(
      result.quirks.Q5
        ? 'The statistics were never reset at the end of the warm-up: the trace is too short, or an odd number of dropped references hid its end (quirk Q5).'
        : 'The trace ended before the warm-up: the statistics include it.',
    );
  return warnings;
}

function documentOf(
  result: CompatResult,
  designs: readonly FormulaDesign[],
  options: CompatRunOptions,
  page: FormulaPage,
  perf: WalkCounters | undefined,
): CompatDocument {
  const { setup } = options;
  const { histogram, walks, config, cores, llc, walkCaches } = result;
  const formulas = formulaResults(result, { setup, page, latencies: config.latencies });
  const over = (device: keyof (typeof cores)[number] & string) =>
    cores.map((core) => core[device]).filter((stats) => typeof stats === 'object');
  return {
    mode: 'compat',
    setup,
    page,
    quirks: quirkNames.filter((name) => result.quirks[name]),
    trace: {
      references: result.references,
      requests: result.requests,
      notFound: result.notFound,
      notFoundInHost: result.notFoundInHost,
      warmedUp: result.warmedUp,
    },
    walks,
    referencesPerWalk: walks === 0 ? null : result.referencesPerWalk,
    designs: Object.fromEntries(
      designs.map((design) => [design, designDocument(design, formulas, walks, options, perf)]),
    ),
    ...(perf === undefined ? {} : { perf: perfDocument(perf) }),
    tlb: { l1i: hits(over('tlbL1i')), l1d: hits(over('tlbL1d')), l2: hits(over('tlbL2')) },
    walkCaches: {
      guest: walkCacheLevels(walkCaches.guest),
      ...(walkCaches.host === undefined ? {} : { host: walkCacheLevels(walkCaches.host) }),
    },
    caches: { l1i: hits(over('l1i')), l1d: hits(over('l1d')), l2: hits(over('l2')), llc: hits([llc]) },
    histogram,
  };
}

function designDocument(
  design: FormulaDesign,
  formulas: Partial<Record<FormulaDesign, FormulaResult>>,
  walks: number,
  { setup, shadowPagingSeconds, nestedPagingSeconds }: CompatRunOptions,
  perf: PerfCounts | undefined,
): CompatDesignDocument {
  const { cyclesPerWalk, speedup, referencesPerWalk } = formulas[design]!;
  const figures =
    walks === 0
      ? { cyclesPerWalk: null, speedup: null, referencesPerWalk: null }
      : { cyclesPerWalk, speedup: speedup ?? null, referencesPerWalk };
  if (perf === undefined) return figures;
  const application = applicationSpeedup(design, formulas, {
    perf,
    setup,
    ...(shadowPagingSeconds === undefined ? {} : { shadowPagingSeconds }),
    ...(nestedPagingSeconds === undefined ? {} : { nestedPagingSeconds }),
  });
  return { ...figures, applicationSpeedup: application ?? null };
}

function hits(devices: readonly DeviceStats[]): HitCounts {
  let hitCount = 0;
  let missCount = 0;
  for (const { hits: own, misses, pageTable } of devices) {
    hitCount += own + pageTable.reduce((sum, level) => sum + level.hits, 0);
    missCount += misses + pageTable.reduce((sum, level) => sum + level.misses, 0);
  }
  return { hits: hitCount, misses: missCount, hitRate: rate(hitCount, missCount) };
}

function rate(hitCount: number, missCount: number): number | null {
  return hitCount + missCount === 0 ? null : hitCount / (hitCount + missCount);
}

const levelNames = ['root', 'second', 'third'];

function walkCacheLevels(levels: readonly WalkCacheStats[]): CompatDocument['walkCaches'][string] {
  return Object.fromEntries(
    levels.map(({ hits: own, misses, repeatedMisses }, index) => [
      levelNames[index]!,
      { hits: own, misses, hitRate: rate(own, misses), repeatedMisses },
    ]),
  );
}
