import type { Named } from '@strata/model/machine';
import type { ClaimVerdict } from '../claims/verdict.ts';
import type { Outcome, StudyContext } from '../studies/study.ts';

/** What a part of the main job comes back with: an outcome whose tables and figures are its own. */
export type PartOutcome = Omit<Outcome, 'interrupted'>;

/** One published system in the main job. Adding one is one file and one line in `reproduce.ts`. */
export interface Part extends Named {
  /** Files that it reads, for the manifest. */
  inputs(): readonly { readonly role: string; readonly path: string }[];
  /** Its claims alone, measured now: less work than `run`. */
  claims(context: StudyContext): Promise<readonly ClaimVerdict[]>;
  run(context: StudyContext): Promise<PartOutcome>;
}
