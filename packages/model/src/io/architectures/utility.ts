import { configurationPresets } from '../compat/presets.ts';
import type { IoArchitecture } from './architecture.ts';

export const utility: IoArchitecture = {
  name: 'utility',
  summary: '32 pending translations; the ways of the TLBs go to the partitions that gain most from them',
  source: 'Qureshi and Patt, MICRO 2006, on the caches of specs/io.md 3.3',
  configuration: { ...configurationPresets.get('hypertrio')!, prefetch: configurationPresets.get('base')!.prefetch },
  queueEntries: 32,
  machine: { utility: true, iotlb: { entries: 128, ways: 8, partitions: 8 } },
};
