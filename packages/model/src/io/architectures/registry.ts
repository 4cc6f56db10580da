import { createRegistry, type Named, type Registry } from '../../machine/registry.ts';
import type { ConfigurationFile } from '../compat/configuration-file.ts';
import { configurationPresets } from '../compat/presets.ts';

/** How translation is built: the caches and how many translations may be pending. */
export interface IoArchitecture extends Named {
  readonly source: string;
  readonly configuration: ConfigurationFile;
  readonly queueEntries: number;
}

const base = configurationPresets.get('base')!;
const hypertrio = configurationPresets.get('hypertrio')!;
const source = 'HyperTRIO, ISCA 2020; parameters as in specs/io.md 3.3';

/** Each of HyperTRIO's ideas alone, all together, and the deeper buffer that needs none of them. */
export const ioArchitectures: Registry<IoArchitecture> = createRegistry<IoArchitecture>('I/O architecture', [
  { name: 'base', summary: 'one packet at a time', source, configuration: base, queueEntries: 1 },
  {
    name: 'partitioned',
    summary: 'base with caches partitioned by tenant',
    source,
    configuration: { ...hypertrio, prefetch: base.prefetch },
    queueEntries: 1,
  },
  { name: 'ptb32', summary: 'base with 32 pending translations', source, configuration: base, queueEntries: 32 },
  {
    name: 'ptb32-partitioned',
    summary: '32 pending translations and partitioned caches',
    source,
    configuration: { ...hypertrio, prefetch: base.prefetch },
    queueEntries: 32,
  },
  {
    name: 'prefetch',
    summary: 'base with prefetching by the order of tenants',
    source,
    configuration: { ...base, prefetch: hypertrio.prefetch },
    queueEntries: 1,
  },
  {
    name: 'ptb48',
    summary: 'base with 48 pending translations: as many as hide the latency at 200 Gb/s',
    source: 'specs/io.md 0, fact 6',
    configuration: base,
    queueEntries: 48,
  },
  {
    name: 'hypertrio',
    summary: '32 pending translations, partitioned caches, prefetching',
    source,
    configuration: hypertrio,
    queueEntries: 32,
  },
]);
