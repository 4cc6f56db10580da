import { StrataError } from '../../machine/errors.ts';
import { choice, flag, group, integer, real, resolve, type ValuesOf } from '../../machine/fields.ts';

const assumption = 'assumption: not published';

const cache = (entries: number, ways: number, summary: string, source = assumption) =>
  group(
    {
      entries: integer(entries, 'entries', { max: 2 ** 20, unit: 'entries', source }),
      ways: integer(ways, 'ways; with 0 entries 0 = no cache', { max: 2 ** 14, unit: 'ways', source }),
      partitions: integer(1, 'equal parts of the sets, each for the domains of one remainder', {
        min: 1,
        max: 2 ** 12,
        source: 'HyperTRIO, ISCA 2020; specs/io.md 2.5',
      }),
    },
    summary,
  );

const nanoseconds = (value: number, summary: string, source = assumption) =>
  real(value, summary, { unit: 'ns', min: 0, max: 1e12, source });

const artifact = 'HyperSIO artifact, specs/io.md 2.1';

/**
 * The machine between a link and memory, and the processors that drive it. Makers publish neither sizes of IOTLBs and walk caches nor the
 * costs of invalidation: every such default says that it is an assumption.
 */
export const ioMachineSpec = {
  gbps: real(200, 'link rate', { unit: 'Gb/s', min: 0.001, max: 1e6 }),
  packetBytes: integer(1542, 'bytes on the wire of a packet of a trace, which has no lengths', {
    min: 1,
    max: 2 ** 20,
    unit: 'bytes',
    source: artifact,
  }),
  queueEntries: integer(1, 'pending translations of the device; a packet is admitted while there are fewer', {
    min: 1,
    max: 65_536,
    unit: 'translations',
    source: 'specs/io.md 0, fact 5',
  }),
  receiveBuffer: integer(64, 'packets that wait for a pending translation; what does not fit is lost', {
    min: 1,
    max: 2 ** 24,
    unit: 'packets',
    source: assumption,
  }),

  arrival: choice(
    ['line', 'backlog'],
    'line',
    'packets come at their times, and may be lost; or wait at the sender for room',
    {
      source: 'backlog: what a sender with congestion control gets through',
    },
  ),
  ats: flag(true, 'the device has a TLB of its own and asks for translations; else the root complex translates', {
    source: 'PCI Express ATS',
  }),
  inOrder: flag(false, 'without ATS: a DMA waits until the one before it is translated and passed on', {
    source: 'Fast and Safe, SOSP 2024: one at a time explains its throughput',
  }),
  faults: choice(['block', 'page-request'], 'block', 'a DMA to an unmapped page: refused, or asked for (PRI)', {
    source: 'PCI Express PRI',
  }),
  pageRequestNs: nanoseconds(10_000, 'software that maps a requested page'),
  deviceTlb: cache(64, 8, "the device's own TLB", 'specs/io.md 3.3'),
  prefetch: group(
    {
      entries: integer(0, 'entries of the prefetch buffer; 0 = no prefetching', { max: 4096, unit: 'entries' }),
      history: integer(2, 'pages remembered per requester', { min: 1, max: 64, unit: 'pages' }),
      distance: integer(48, 'translations between a requester and the one it predicts', { min: 1, max: 65_536 }),
    },
    'prediction of the next requester, and of its pages (HyperTRIO)',
  ),

  contextCache: cache(1536, 16, 'context entries, by requester', 'specs/io.md 3.3'),
  pasidCache: cache(512, 16, 'entries of the PASID tables (scalable mode)'),
  iotlb: cache(128, 8, 'leaf entries of the IOMMU'),
  l2Cache: cache(512, 16, 'page-directory entries, 2 MiB of reach each', 'specs/io.md 3.3'),
  l3Cache: cache(1024, 16, 'page-directory-pointer entries, 1 GiB of reach each', 'specs/io.md 3.3'),
  l4Cache: cache(16, 16, 'entries of the fourth level, 512 GiB of reach each'),
  l5Cache: cache(16, 16, 'entries of the fifth level, 256 TiB of reach each'),
  nestedCache: cache(256, 8, 'two dimensions: guest-physical pages of tables and leaves'),
  interruptCache: cache(64, 8, 'interrupt-remapping entries'),
  index: choice(
    ['domain', 'address'],
    'domain',
    'what picks the set: page number and domain, or the page number alone',
    {
      source: 'address: specs/io.md Q11; domain: assumption',
    },
  ),
  utility: flag(false, 'ways of the device TLB and the IOTLB go to the partitions that gain most from them', {
    source: 'Qureshi and Patt, MICRO 2006',
  }),
  utilityInterval: integer(4096, 'look-ups between two decisions on the ways', { min: 16, unit: 'look-ups' }),

  scalable: flag(false, 'scalable mode: PASID directory and table between context entry and page tables', {
    source: 'VT-d specification, 3.4.3',
  }),
  tenancy: choice(['function', 'pasid'], 'function', 'a tenant is a function of its own, or a PASID of a shared one', {
    source: 'specs/io.md 4.2, Scalable IOV',
  }),
  dimensions: choice(['1', '2'], '1', 'one: second-level tables; two: the guest has tables of its own above them'),
  levels: choice(['3', '4', '5'], '4', 'of the tables of a domain: 39, 48 or 57 bits of address', {
    source: 'VT-d specification 3.7: adjusted guest address width',
  }),
  hostLevels: choice(
    ['4', '5'],
    '4',
    "two dimensions: of the host's tables, which guest-physical addresses go through",
    {
      source: 'VT-d specification 3.7',
    },
  ),
  hostPages: choice(['4k', '2m'], '4k', 'two dimensions: pages that back guest memory'),
  walkers: integer(8, 'page walks at a time', { min: 1, max: 1024, source: assumption }),

  pcieNs: nanoseconds(450, 'PCI Express, one way', artifact),
  pcieGbps: real(512, 'PCI Express, per direction', {
    unit: 'Gb/s',
    min: 0.001,
    max: 1e6,
    source: 'PCIe 5.0, 16 lanes',
  }),
  pcieHeaderBytes: integer(24, 'header and framing of a transaction-layer packet', {
    unit: 'bytes',
    source: 'PCIe base specification',
  }),
  pciePayloadBytes: integer(256, 'payload of a transaction-layer packet', { min: 64, unit: 'bytes' }),
  memoryNs: nanoseconds(50, 'one memory read of a walker', artifact),
  memoryGbps: real(800, 'memory bandwidth that reads of walkers share', {
    unit: 'Gb/s',
    min: 0.001,
    max: 1e6,
    source: assumption,
  }),
  deviceTlbNs: nanoseconds(2, 'look-up in the device TLB', artifact),
  iotlbNs: nanoseconds(5, 'look-up in the IOMMU', 'specs/io.md 2.1, page-cache hit'),
  rootComplexNsPerByte: real(0, 'time of the root complex per byte of a DMA, besides walks', {
    unit: 'ns/byte',
    min: 0,
    max: 1000,
  }),

  invalidationNs: nanoseconds(500, 'the IOMMU, per command of the invalidation queue'),
  submitNs: nanoseconds(200, 'a core, to write commands and the tail register, the queue locked'),
  trapNs: nanoseconds(0, 'more for each submission when the queue is emulated: the exit on the tail register'),
  lockThroughCompletion: flag(false, 'the lock is kept until the command has been carried out', {
    source: 'Linux 6.12, cache_tag_flush_range under cache_lock',
  }),
  mapLockNs: nanoseconds(
    0,
    'mapping a range takes the same lock for that long; 0 = it does not',
    'Linux 6.12, cache_tag_flush_range_np',
  ),
  spinNs: nanoseconds(1e12, 'a virtual processor that has waited that long for the lock is halted'),
  wakeNs: nanoseconds(0, 'hand-over of the lock to a halted one'),

  ringSlots: integer(256, 'buffers of the ring that a tenant of a trace has, where they do not stay as recorded', {
    min: 1,
    max: 32_768,
    unit: 'buffers',
    source: 'specs/io.md 4.2',
  }),
  cores: integer(0, 'cores that run the driver; 0 = one for each queue', { max: 65_536, unit: 'cores' }),
  packetNs: nanoseconds(0, 'the stack, per packet; 0 leaves only what protection costs'),
  mapNs: nanoseconds(150, 'a core, to write one leaf entry'),
  unmapNs: nanoseconds(150, 'a core, to clear one leaf entry'),
  iovaNs: nanoseconds(100, 'a core, to allocate or free a range of addresses'),
  interruptNs: nanoseconds(1000, 'from message to handler'),
  interruptRemapping: flag(true, 'messages go through the interrupt-remapping table'),
  moderationPackets: integer(1, 'completed packets of a queue per interrupt', { min: 1, max: 65_536, unit: 'packets' }),
  moderationNs: nanoseconds(0, 'time after which fewer packets raise it too'),
} as const;

export type IoMachine = ValuesOf<typeof ioMachineSpec>;

/**
 * Fills in defaults and checks what one field alone does not show.
 * @throws StrataError `config.*`, `io.cache-shape`, `io.partitions`
 */
export function resolveIoMachine(given: unknown, where = 'machine'): IoMachine {
  const machine = resolve(ioMachineSpec, given, where);
  for (const name of [
    'deviceTlb',
    'contextCache',
    'pasidCache',
    'iotlb',
    'l2Cache',
    'l3Cache',
    'l4Cache',
    'l5Cache',
    'nestedCache',
    'interruptCache',
  ] as const) {
    const { entries, ways, partitions } = machine[name];
    const sets = ways === 0 ? 0 : Math.max(1, Math.floor(entries / ways));
    if ((entries === 0) !== (ways === 0))
      throw new StrataError({
        code: 'io.cache-shape',
        what: `a cache of ${entries} entries cannot have ${ways} ways`,
        where: `${where}.${name}`,
        expected: 'at least one of both, or none of either for no cache',
        found: `entries ${entries}, ways ${ways}`,
        mend: `Give ${ways === 0 ? 'it ways' : 'it entries'}, or set ${ways === 0 ? 'entries' : 'ways'} to 0 as well for no cache.`,
      });
    if (ways > 0 && entries % ways !== 0)
      throw new StrataError({
        code: 'io.cache-shape',
        what: `${entries} entries do not fill ${ways} ways`,
        where: `${where}.${name}`,
        expected: 'entries that are a multiple of the ways',
        mend: 'Set both to 0 for no cache.',
      });
    if (ways > 0 && !(machine.utility && (name === 'deviceTlb' || name === 'iotlb')) && sets % partitions !== 0)
      throw new StrataError({
        code: 'io.partitions',
        what: `${sets} sets cannot be divided into ${partitions} equal partitions`,
        where: `${where}.${name}`,
        expected: 'a divisor of entries / ways',
      });
  }
  return machine;
}
