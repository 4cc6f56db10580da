import { StrataError } from '@strata/model/machine';
import type { Configuration } from '../config/load.ts';
import type { StudyContext } from '../studies/study.ts';
import type { InputValues } from './configuration.ts';
import type { TranslateRun } from './correct-run.ts';

/** Simulates the original. */
export async function runCompatMode(
  input: InputValues,
  _rest: Configuration,
  _context: StudyContext,
): Promise<TranslateRun> {
  throw new StrataError({ code: 'compat.absent', what: 'compat mode is not here yet', where: input.trace });
}
