import { configurationPresets } from '../compat/presets.ts';
import type { IoArchitecture } from './architecture.ts';

export const base: IoArchitecture = {
  name: 'base',
  summary: 'one packet at a time',
  source: 'HyperTRIO, ISCA 2020; parameters as in specs/io.md 3.3',
  configuration: configurationPresets.get('base')!,
  queueEntries: 1,
};
