import { real } from '../../machine/fields.ts';
import { createPool } from './pool.ts';
import { defineScheme } from './scheme.ts';

export const persistentPools = defineScheme({
  name: 'persistent-pools',
  summary: 'buffers from pools that only hold buffers and stay mapped',
  source: 'DAMN, ASPLOS 2018',
  spec: {
    poolNs: real(20, 'a core, to take a buffer from its pool', { min: 0, max: 1e9, unit: 'ns', source: 'assumption' }),
  },
  translation: 'tables',
  promises: { kind: 'pool' },
  recordedLevel: 0,
  create: ({ poolNs }, driver) => createPool(driver, poolNs),
});
