import { createRegistry, type Registry } from '../../machine/registry.ts';
import type { Design } from '../design.ts';
import { agile } from './agile.ts';
import { asap } from './asap.ts';
import { dmt } from './dmt.ts';
import { ecpt } from './ecpt.ts';
import { fpt } from './fpt.ts';
import { pomTlb } from './pom-tlb.ts';
import { pvdmt } from './pvdmt.ts';
import { radix } from './radix.ts';
import { shadow } from './shadow.ts';
import { victima } from './victima.ts';

/** Every translation design, in the order of reports. */
export const designs: Registry<Design> = createRegistry<Design>('design', [
  radix,
  shadow,
  agile,
  fpt,
  ecpt,
  asap,
  dmt,
  pvdmt,
  pomTlb,
  victima,
]);
