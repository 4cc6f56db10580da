import { configurationPresets } from '../compat/presets.ts';
import type { IoArchitecture } from './architecture.ts';

export const ptb32Partitioned: IoArchitecture = {
  name: 'ptb32-partitioned',
  summary: '32 pending translations and partitioned caches',
  source: 'HyperTRIO, ISCA 2020; parameters as in specs/io.md 3.3',
  configuration: { ...configurationPresets.get('hypertrio')!, prefetch: configurationPresets.get('base')!.prefetch },
  queueEntries: 32,
};
