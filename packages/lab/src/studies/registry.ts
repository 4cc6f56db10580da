import { createRegistry, type Registry } from '@strata/model/machine';
import { reproduce } from '../reproduce/reproduce.ts';
import { createSweep } from '../sweep/sweep.ts';
import { compare } from '../translate/compare.ts';
import { sensitivity } from '../translate/sensitivity.ts';
import { translate } from '../translate/study.ts';
import type { Study } from './study.ts';

/** Studies that simulate one point, and can be swept. */
export const pointStudies: Registry<Study> = createRegistry<Study>('study', [translate]);

/** Every study that a manifest can name. */
export const studies: Registry<Study> = createRegistry<Study>('study', [
  ...pointStudies,
  compare,
  sensitivity,
  createSweep(pointStudies),
  reproduce,
]);
