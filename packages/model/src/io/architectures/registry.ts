import { createRegistry, type Registry } from '../../machine/registry.ts';
import type { IoArchitecture } from './architecture.ts';
import { base } from './base.ts';
import { hypertrio } from './hypertrio.ts';
import { partitioned } from './partitioned.ts';
import { prefetch } from './prefetch.ts';
import { ptb32 } from './ptb32.ts';
import { ptb32Partitioned } from './ptb32-partitioned.ts';
import { ptb48 } from './ptb48.ts';
import { utility } from './utility.ts';

/** Each of HyperTRIO's ideas alone, all together, the deeper buffer that needs none of them, and partitions that follow the tenants. */
export const ioArchitectures: Registry<IoArchitecture> = createRegistry<IoArchitecture>('I/O architecture', [
  base,
  partitioned,
  ptb32,
  ptb32Partitioned,
  prefetch,
  ptb48,
  hypertrio,
  utility,
]);
