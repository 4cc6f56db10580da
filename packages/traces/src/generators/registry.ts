import { createRegistry, type Registry } from '@strata/model/machine';
import { bfs } from './bfs.ts';
import { btree } from './btree.ts';
import { chase } from './chase.ts';
import type { Generator } from './generator.ts';
import { gups } from './gups.ts';
import { hashJoin } from './hash-join.ts';
import { sequential } from './sequential.ts';
import { strided } from './strided.ts';
import { zipf } from './zipf.ts';

/** The generators of workloads, in the order of help and documentation. */
export const generators: Registry<Generator> = createRegistry<Generator>('generator', [
  gups,
  chase,
  zipf,
  sequential,
  strided,
  btree,
  bfs,
  hashJoin,
]);
