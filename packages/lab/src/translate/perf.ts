import { readFileSync } from 'node:fs';
import { StrataError } from '@strata/model/machine';
import { type PerfCounts, parsePerfShort } from '@strata/model/translation/compat';

/** The sums of a `perf-*.short` file; undefined when none is given. @throws StrataError `input.unreadable`, and what the parser finds */
export function readPerf(path: string): PerfCounts | undefined {
  if (path === '') return undefined;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new StrataError({ code: 'input.unreadable', what: 'cannot be read', where: path, mend: 'Check --perf.' });
  }
  return parsePerfShort(text, path);
}
