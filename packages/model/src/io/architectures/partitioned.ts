import { configurationPresets } from '../compat/presets.ts';
import type { IoArchitecture } from './architecture.ts';

export const partitioned: IoArchitecture = {
  name: 'partitioned',
  summary: 'base with caches partitioned by tenant',
  source: 'HyperTRIO, ISCA 2020; parameters as in specs/io.md 3.3',
  configuration: { ...configurationPresets.get('hypertrio')!, prefetch: configurationPresets.get('base')!.prefetch },
  queueEntries: 1,
};
