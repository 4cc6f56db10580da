import { real } from '../../machine/fields.ts';
import { createPool } from './pool.ts';
import { defineScheme } from './scheme.ts';

export const hugePages = defineScheme({
  name: 'huge-pages',
  summary: 'buffers are cut from 2 MiB pages that stay mapped',
  source: 'Farshin et al., PeerJ Computer Science 2023',
  spec: {
    poolNs: real(20, 'a core, to take a buffer from its pool', { min: 0, max: 1e9, unit: 'ns', source: 'assumption' }),
  },
  translation: 'tables',
  promises: { kind: 'pool' },
  recordedLevel: 2,
  create: ({ poolNs }, driver) => createPool(driver, poolNs, 2),
});
