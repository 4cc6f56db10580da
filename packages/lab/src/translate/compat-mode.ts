import { resolve, StrataError, suggestion } from '@strata/model/machine';
import {
  applicationSpeedup,
  type CompatResult,
  type CompatTable,
  compatTableOf,
  designsWithFormula,
  type FormulaDesign,
  formulaResults,
  parseQuirks,
  perfFigures,
  simulateCompat,
} from '@strata/model/translation/compat';
import { loadTables } from '@strata/traces/tables';
import { type Configuration, isMapping, merge } from '../config/load.ts';
import type { StudyContext } from '../studies/study.ts';
import { compatFields, type InputValues } from './configuration.ts';
import type { TranslateRun } from './correct-run.ts';
import type { DesignDocument } from './document.ts';
import { readPerf } from './perf.ts';
import { eachBlock } from './trace-input.ts';

export interface Loaded {
  readonly table: CompatTable;
  readonly warnings: readonly string[];
}

/** Page tables of the process, and of the VM unless native, in the form of the original. */
export interface OriginalTables {
  readonly guest: Loaded;
  readonly host?: Loaded | undefined;
}

/** Simulates the original on tables from files. */
export async function runCompatMode(
  input: InputValues,
  rest: Configuration,
  context: StudyContext,
): Promise<TranslateRun> {
  const guest = await load(input.tables, input, 'virtual');
  const host = rest.setup === 'native' ? undefined : await load(input.hostTables, input, 'physical');
  return simulateOriginal(input, rest, { guest, host }, context);
}

/** Simulates the original and evaluates its processor's formulas over the walks. */
export async function simulateOriginal(
  input: InputValues,
  rest: Configuration,
  { guest, host }: OriginalTables,
  context: StudyContext,
): Promise<TranslateRun> {
  const { compat = {}, designs, ...given } = rest;
  const { setup, warmup, seed, cores, prefetcher } = resolve(compatFields, given);
  const wanted = designsOf(designs, setup);
  const perf = readPerf(input.perf);
  const simulation = simulateCompat({
    config: merge({ setup, cores, prefetcher, seed, warmupReferences: warmup }, isMapping(compat) ? compat : {}),
    quirks: parseQuirks(input.quirks),
    tables: guest.table,
    ...(host === undefined ? {} : { hostTables: host.table }),
  });
  const traceWarnings = await eachBlock(input, { events: true }, context, (block) => simulation.feed(block));
  const result = simulation.finish();
  const page = input.page === '4k' ? '4k' : 'thp';
  const formulas = formulaResults(result, { setup, page, latencies: result.config.latencies });
  const document = {
    ...documentOf(result, setup),
    designs: Object.fromEntries(
      wanted.map((name): [string, DesignDocument] => {
        const figures = formulas[name]!;
        const application = perf && applicationSpeedup(name, formulas, { perf, setup });
        return [
          name,
          {
            cyclesPerWalk: figures.cyclesPerWalk,
            speedup: figures.speedup ?? null,
            referencesPerWalk: figures.referencesPerWalk,
            walks: result.walks,
            ...(application === undefined ? {} : { applicationSpeedup: application }),
          },
        ];
      }),
    ),
    ...(perf === undefined ? {} : { perf: perfFigures(perf) }),
  };
  return {
    document,
    warnings: [...guest.warnings, ...(host?.warnings ?? []), ...traceWarnings, ...warningsOf(result)],
    interrupted: context.signal.aborted,
  };
}

async function load(path: string, { unit }: InputValues, addresses: 'virtual' | 'physical'): Promise<Loaded> {
  const { table, warnings } = await loadTables(path, { addresses, ...(unit === 'auto' ? {} : { unit }) });
  return { table: compatTableOf(table), warnings };
}

/** Designs asked for, radix first; all with a formula for the set-up when none is asked for. */
function designsOf(given: unknown, setup: 'native' | 'virtualized' | 'nested'): FormulaDesign[] {
  const offered = designsWithFormula(setup);
  const names = Array.isArray(given) ? given.map(String) : isMapping(given) ? Object.keys(given) : [];
  const unknown = names.find((name) => !offered.some((design) => design === name));
  if (unknown !== undefined)
    throw new StrataError({
      code: 'compat.unknown-design',
      what: `the original has no formula for ${unknown} in the ${setup} set-up`,
      where: 'designs',
      mend: suggestion(unknown, offered),
    });
  return names.length === 0 ? offered : offered.filter((design) => design === 'radix' || names.includes(design));
}

/** What the simulation itself tells, the designs aside. */
function documentOf(result: CompatResult, setup: string) {
  const { references, requests, notFound, notFoundInHost, walks, referencesPerWalk, histogram, cores, llc } = result;
  const total = (pick: (core: CompatResult['cores'][number]) => { readonly hits: number; readonly misses: number }) =>
    cores.reduce((sum, core) => ({ hits: sum.hits + pick(core).hits, misses: sum.misses + pick(core).misses }), {
      hits: 0,
      misses: 0,
    });
  return {
    setup,
    mode: 'compat',
    trace: { references, requests, notFound, notFoundInHost, warmedUp: result.warmedUp },
    walks,
    walksPerThousandAccesses: references === 0 ? null : (1000 * walks) / references,
    referencesPerWalk,
    tlb: { l1i: total((core) => core.tlbL1i), l1d: total((core) => core.tlbL1d), l2: total((core) => core.tlbL2) },
    walkCaches: Object.fromEntries(
      Object.entries(result.walkCaches).flatMap(([dimension, caches]) =>
        (caches ?? []).map((stats, at) => [`${dimension} L${4 - at}`, stats]),
      ),
    ),
    caches: {
      l1i: total((core) => core.l1i),
      l1d: total((core) => core.l1d),
      l2: total((core) => core.l2),
      llc: { hits: llc.hits, misses: llc.misses },
    },
    quirks: result.quirks,
    histogram,
  };
}

function warningsOf({ notFound, notFoundInHost, warmedUp }: CompatResult): string[] {
  return [
    ...(notFound > 0
      ? [`${notFound.toLocaleString('en-US')} requests for pages that the tables do not map were dropped`]
      : []),
    ...(notFoundInHost > 0
      ? [
          `${notFoundInHost.toLocaleString('en-US')} requests for guest pages that the host tables do not map were dropped`,
        ]
      : []),
    ...(warmedUp
      ? []
      : ['the warm-up did not end within the trace: statistics hold all of it, as in the original (quirk Q5)']),
  ];
}
