import { configurationPresets } from '../compat/presets.ts';
import type { IoArchitecture } from './architecture.ts';

export const ptb32: IoArchitecture = {
  name: 'ptb32',
  summary: 'base with 32 pending translations',
  source: 'HyperTRIO, ISCA 2020; parameters as in specs/io.md 3.3',
  configuration: configurationPresets.get('base')!,
  queueEntries: 32,
};
