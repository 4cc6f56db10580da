import { choice, group, integer, real, type ValuesOf } from '../../machine/fields.ts';

const cache = (entries: number, ways: number, summary: string) =>
  group(
    {
      entries: integer(entries, 'entries', { max: 2 ** 20 }),
      ways: integer(ways, 'ways; 0 = no cache', { max: 2 ** 14 }),
    },
    summary,
  );

const nanoseconds = (value: number, summary: string, source: string) =>
  real(value, summary, { unit: 'ns', min: 0, source });

/** The machine between a link and memory. Sizes of the IOTLB and walk caches of products are not published; these are assumptions. */
export const ioMachineSpec = {
  gbps: real(200, 'link rate', { unit: 'Gb/s', min: 0.001, max: 1e6 }),
  packetBytes: integer(1542, 'bytes of a packet on the wire', { min: 1, source: 'specs/io.md 2.1' }),
  queueEntries: integer(1, 'pending translations of the device', { min: 1, max: 65_536 }),
  receiveBuffer: integer(64, 'packets that wait for a pending translation; what does not fit is lost', { min: 1 }),
  deviceTlb: cache(64, 8, "the device's own TLB (ATS); specs/io.md 3.3"),
  iotlb: cache(128, 8, "the IOMMU's leaf entries; assumption"),
  l2Cache: cache(512, 16, 'page-directory entries, 2 MiB of reach each'),
  l3Cache: cache(1024, 16, 'page-directory-pointer entries, 1 GiB of reach each'),
  l4Cache: cache(16, 16, 'top-level entries, 512 GiB of reach each; assumption'),
  contextCache: cache(1536, 16, 'context entries'),
  nestedCache: cache(256, 8, 'guest-physical pages of tables and leaves, for two-dimensional walks; assumption'),
  dimensions: choice(['1', '2'], '1', 'one: second-level tables; two: the guest has tables of its own above them'),
  walkers: integer(8, 'page walks at a time; assumption', { min: 1, max: 1024 }),
  pcieNs: nanoseconds(450, 'PCI Express, one way', 'specs/io.md 2.1'),
  memoryNs: nanoseconds(50, 'one memory read of a walker', 'specs/io.md 2.1'),
  deviceTlbNs: nanoseconds(2, 'hit in the device TLB', 'specs/io.md 2.1'),
  iotlbNs: nanoseconds(5, 'look-up in the IOMMU', 'specs/io.md 2.1, page-cache hit'),
  invalidationNs: nanoseconds(500, 'one command of the invalidation queue with its wait; assumption', 'assumption'),
  ringBuffers: integer(256, 'buffers that wait for invalidation at most', { min: 1, source: 'specs/io.md 4.2' }),
  batch: integer(256, 'buffers per batch of deferred invalidation', { min: 1, source: 'Linux, IOVA_DEFAULT_FQ_SIZE' }),
  windowNs: nanoseconds(10_000_000, 'longest wait of a batch', 'Linux, IOVA_FQ_TIMEOUT 10 ms'),
  copyNsPerByte: nanoseconds(0.08, 'copy of one byte; assumption, about 12 GB/s', 'assumption'),
} as const;

export type IoMachine = ValuesOf<typeof ioMachineSpec>;
