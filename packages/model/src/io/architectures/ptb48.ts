import { configurationPresets } from '../compat/presets.ts';
import type { IoArchitecture } from './architecture.ts';

export const ptb48: IoArchitecture = {
  name: 'ptb48',
  summary: 'base with 48 pending translations: as many as hide the latency at 200 Gb/s',
  source: 'specs/io.md 0, fact 6',
  configuration: configurationPresets.get('base')!,
  queueEntries: 48,
};
