import type { Named } from '@strata/model/machine';
import type { Outcome, StudyContext } from '../studies/study.ts';

/** What a part of the main job comes back with: an outcome whose tables and figures are its own. */
export type PartOutcome = Omit<Outcome, 'interrupted'>;

/** One published system in the main job. Adding one is one file and one line in `reproduce.ts`. */
export interface Part extends Named {
  /** Files that it reads, for the manifest. */
  inputs(): readonly { readonly role: string; readonly path: string }[];
  run(context: StudyContext): Promise<PartOutcome>;
}
