import type { MachinePreset } from './preset.ts';

const measured = 'measured by third parties, differs with clock and mesh';
const unpublished = 'Intel does not publish it; small sizes as reverse-engineered on earlier cores (RevAnC, 2017)';

/** Sapphire Rapids (Golden Cove cores), as Xeon Platinum 8480+. */
export const intelServer: MachinePreset = {
  name: 'intel-server',
  summary: 'Intel Sapphire Rapids: 56 cores, 2 MiB L2, 105 MiB last level, 2048-entry second-level TLB',
  source:
    'Intel 64 and IA-32 Optimization Reference Manual (248966), Golden Cove: sizes of caches and TLBs; product data of Xeon 8480+: ' +
    'cores, 105 MiB last-level cache. What `unverified` lists is not from these.',
  unverified: {
    'l1i.latencyCycles': 'not published; hidden by the front end',
    'l2.latencyCycles': measured,
    'llc.ways': '15 ways, as the 1.875 MiB slices suggest',
    'llc.latencyCycles': measured,
    memoryLatencyCycles: measured,
    'l1i.policy': 'not published',
    'l1d.policy': 'not published',
    'l2.policy': 'not published',
    'llc.policy': 'not published',
    'tlb.l1i.page4k.ways': 'from CPUID listings',
    'tlb.l1i.page2m.ways': 'from CPUID listings',
    'tlb.l1d.page4k.ways': 'from CPUID listings',
    'tlb.l1d.page2m.ways': 'from CPUID listings',
    'tlb.l1d.page1g.ways': 'from CPUID listings',
    'tlb.l2.page4k.ways': 'from CPUID listings',
    'tlb.l2.page1g.entries': 'from CPUID listings; there they share half of the other array',
    'tlb.l2.page1g.ways': 'from CPUID listings',
    'tlb.l1i.policy': 'not published',
    'tlb.l1d.policy': 'not published',
    'tlb.l2.policy': 'not published',
    'tlb.l2.latencyCycles': measured,
    'pageWalkCaches.level5.entries': unpublished,
    'pageWalkCaches.level4.entries': unpublished,
    'pageWalkCaches.level3.entries': unpublished,
    'pageWalkCaches.level2.entries': unpublished,
    'hostPageWalkCaches.level5.entries': unpublished,
    'hostPageWalkCaches.level4.entries': unpublished,
    'hostPageWalkCaches.level3.entries': unpublished,
    'hostPageWalkCaches.level2.entries': unpublished,
    pageWalkCacheCycles: 'not published',
    'nestedTlb.entries': 'not published',
    'nestedTlb.ways': 'not published',
    'nestedTlb.latencyCycles': 'not published',
  },
  values: {
    cores: 56,
    l1i: { sizeBytes: 32 * 1024, ways: 8, latencyCycles: 5 },
    l1d: { sizeBytes: 48 * 1024, ways: 12, latencyCycles: 5 },
    l2: { sizeBytes: 2 * 1024 * 1024, ways: 16, latencyCycles: 15 },
    llc: { sizeBytes: 105 * 1024 * 1024, ways: 15, latencyCycles: 70 },
    memoryLatencyCycles: 300,
    tlb: {
      l1i: { policy: 'lru', page4k: { entries: 256, ways: 8 }, page2m: { entries: 32, ways: 8 } },
      l1d: {
        policy: 'lru',
        page4k: { entries: 96, ways: 6 },
        page2m: { entries: 32, ways: 4 },
        page1g: { entries: 8, ways: 8 },
      },
      l2: {
        policy: 'lru',
        sharing: '2m',
        page4k: { entries: 2048, ways: 16 },
        page1g: { entries: 1024, ways: 8 },
        latencyCycles: 7,
      },
    },
    pageWalkCaches: {
      level5: { entries: 4, ways: 4 },
      level4: { entries: 4, ways: 4 },
      level3: { entries: 4, ways: 4 },
      level2: { entries: 32, ways: 4 },
    },
    hostPageWalkCaches: {
      level5: { entries: 4, ways: 4 },
      level4: { entries: 4, ways: 4 },
      level3: { entries: 4, ways: 4 },
      level2: { entries: 32, ways: 4 },
    },
    nestedTlb: { entries: 32, ways: 4 },
  },
};
