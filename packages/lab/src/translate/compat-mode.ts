import { resolve } from '@strata/model/machine';
import { parseQuirks } from '@strata/model/translation/compat';
import { type Configuration, isMapping } from '../config/load.ts';
import type { StudyContext } from '../studies/study.ts';
import { runCompat } from './compat-run.ts';
import { compatFields, type InputValues } from './configuration.ts';
import type { TranslateRun } from './correct-run.ts';

/** Runs the original simulators as a study's configuration asks. */
export async function runCompatMode(
  input: InputValues,
  rest: Configuration,
  { signal, progress }: StudyContext,
): Promise<TranslateRun> {
  const { compat, designs, ...given } = rest;
  const { setup, warmup, seed, cores, prefetcher } = resolve(compatFields, given);
  const { document, warnings, interrupted } = await runCompat({
    ...pathsOf(input),
    setup,
    designs: Array.isArray(designs) ? designs.map(String) : isMapping(designs) ? Object.keys(designs) : [],
    quirks: parseQuirks(input.quirks),
    config: { ...(isMapping(compat) ? compat : {}), cores, prefetcher, seed, warmupReferences: warmup },
    page: input.page === '4k' ? '4k' : 'thp',
    skip: input.skip,
    allowTruncated: input.allowTruncated,
    signal,
    onSkipped: (done) => progress.update({ label: 'skipping', done, total: input.skip }),
    onProgress: (done, share) => progress.update({ done, share, total: input.limit > 0 ? input.limit : undefined }),
  });
  return { document, warnings, interrupted };
}

/** Empty text in a configuration means absent. */
function pathsOf({ trace, tables, hostTables, format, perf, unit, limit }: InputValues) {
  return {
    trace,
    tables,
    ...(hostTables === '' ? {} : { hostTables }),
    ...(format === '' ? {} : { format }),
    ...(perf === '' ? {} : { perf }),
    ...(unit === 'auto' ? {} : { unit }),
    ...(limit === 0 ? {} : { limit }),
  };
}
