import { createRegistry, type Registry } from '../../machine/registry.ts';
import type { Design } from '../design.ts';
import { asap } from './asap.ts';
import { dmt } from './dmt.ts';
import { pvdmt } from './pvdmt.ts';
import { radix } from './radix.ts';
import { shadow } from './shadow.ts';

/** Every translation design, in the order of reports. */
export const designs: Registry<Design> = createRegistry<Design>('design', [radix, shadow, asap, dmt, pvdmt]);
