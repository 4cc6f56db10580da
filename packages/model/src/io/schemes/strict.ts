import { mapBuffer, releaseBuffer, unmapPages } from './mapped-buffer.ts';
import { defineScheme } from './scheme.ts';

export const strict = defineScheme({
  name: 'strict',
  summary: 'each buffer is unmapped and invalidated, upper tables included, before its memory goes back',
  source: 'Linux iommu.strict=1',
  spec: {},
  translation: 'tables',
  promises: { kind: 'strict' },
  create: (_, driver) => ({
    prepare: (ring, slot) => mapBuffer(driver, ring, slot),
    recycle(ring, slot) {
      const { core, domain, bufferPages } = ring;
      const vpn = ring.vpn[slot]!;
      unmapPages(driver, ring, slot);
      driver.invalidate(core, domain, vpn, bufferPages, false);
      releaseBuffer(driver, ring, slot);
      driver.spend(core, driver.machine.iovaNs);
      driver.freeAddress(core, domain, vpn, bufferPages);
      driver.wantBuffer(ring, slot);
    },
  }),
});
