import { configurationPresets } from '../compat/presets.ts';
import type { IoArchitecture } from './architecture.ts';

export const prefetch: IoArchitecture = {
  name: 'prefetch',
  summary: 'base with prefetching by the order of tenants',
  source: 'HyperTRIO, ISCA 2020; parameters as in specs/io.md 3.3',
  configuration: { ...configurationPresets.get('base')!, prefetch: configurationPresets.get('hypertrio')!.prefetch },
  queueEntries: 1,
};
