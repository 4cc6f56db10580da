import { configurationPresets } from '../compat/presets.ts';
import type { IoArchitecture } from './architecture.ts';

export const hypertrio: IoArchitecture = {
  name: 'hypertrio',
  summary: '32 pending translations, partitioned caches, prefetching',
  source: 'HyperTRIO, ISCA 2020; parameters as in specs/io.md 3.3',
  configuration: configurationPresets.get('hypertrio')!,
  queueEntries: 32,
};
