import { real } from '../../machine/fields.ts';
import { createPool } from './pool.ts';
import { defineScheme } from './scheme.ts';

export const shadowCopies = defineScheme({
  name: 'shadow-copies',
  summary: 'data are copied to and from buffers that stay mapped',
  source: 'Copy, ASPLOS 2016',
  spec: {
    copyNsPerByte: real(0.08, 'a core, to copy one byte', {
      min: 0,
      max: 1000,
      unit: 'ns/byte',
      source: 'assumption: 12 GB/s',
    }),
    poolNs: real(20, 'a core, to take a buffer from its pool', { min: 0, max: 1e9, unit: 'ns', source: 'assumption' }),
  },
  translation: 'tables',
  promises: { kind: 'pool' },
  create({ copyNsPerByte, poolNs }, driver) {
    const pool = createPool(driver, poolNs);
    return {
      prepare: (ring, slot) => pool.prepare(ring, slot),
      recycle(ring, slot) {
        driver.spend(ring.core, ring.bytes[slot]! * copyNsPerByte);
        pool.recycle(ring, slot);
      },
    };
  },
});
