import { createPool } from './pool.ts';
import { defineScheme } from './scheme.ts';

export const passthrough = defineScheme({
  name: 'passthrough',
  summary: 'no protection: devices use physical addresses',
  source: 'Linux iommu.passthrough=1',
  spec: {},
  translation: 'none',
  promises: { kind: 'none' },
  recordedLevel: 0,
  create(_, driver) {
    const pool = createPool(driver, 0);
    return {
      prepare: (ring, slot) => pool.prepare(ring, slot),
      recycle(ring, slot) {
        driver.release(ring.core, ring.domain, ring.vpn[slot]!, ring.bufferPages);
        pool.recycle(ring, slot);
      },
    };
  },
});
