import { createPool } from './pool.ts';
import { defineScheme } from './scheme.ts';

export const recorded = defineScheme({
  name: 'recorded',
  summary:
    "the recording's own mappings, changed and invalidated when its driver did; as mapped for good where it says nothing",
  source: 'specs/io.md 1.2: vtd_inv_desc_*, iommu:unmap',
  spec: {},
  translation: 'tables',
  promises: { kind: 'recorded' },
  recordedLevel: 0,
  replays: true,
  create: (_, driver) => createPool(driver, 0),
});
