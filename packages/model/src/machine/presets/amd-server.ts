import type { MachinePreset } from './preset.ts';

const measured = 'measured by third parties, differs with clock and fabric';
const unpublished = 'the guide names the cache, not this figure of it';

/** Genoa (Zen 4 cores), as EPYC 9654: twelve complexes of eight cores, each with a last-level cache of its own. */
export const amdServer: MachinePreset = {
  name: 'amd-server',
  summary: 'AMD Genoa (Zen 4): 96 cores, 32 MiB last level per 8 cores, 3072-entry second-level TLB',
  source:
    'AMD Software Optimization Guide for Zen 4 (57647): sizes and ways of caches, entries of TLBs, latencies of L1D, L2; product data of ' +
    'EPYC 9654. The separate 512-entry second-level instruction TLB is not modelled: fetches use the 3072 entries as well. ' +
    'What `unverified` lists is not from these.',
  unverified: {
    'l1i.latencyCycles': 'not published; hidden by the front end',
    'llc.latencyCycles': measured,
    memoryLatencyCycles: measured,
    'l1i.policy': 'not published',
    'l1d.policy': 'not published',
    'l2.policy': 'not published',
    'llc.policy': 'not published; a victim cache there, filled on misses here',
    'tlb.l2.page4k.ways': 'from CPUID listings',
    'tlb.l2.page1g.entries': '1 GiB pages are held there as 2 MiB pieces, according to the guide of Zen 2',
    'tlb.l1i.policy': 'not published',
    'tlb.l1d.policy': 'not published',
    'tlb.l2.policy': 'not published',
    'tlb.l2.latencyCycles': measured,
    'pageWalkCaches.unified.entries': unpublished,
    'pageWalkCaches.unified.ways': unpublished,
    'hostPageWalkCaches.unified.entries': unpublished,
    'hostPageWalkCaches.unified.ways': unpublished,
    pageWalkCacheCycles: 'not published',
    'nestedTlb.entries': 'not published for Zen; Bhargava et al. (ASPLOS 2008) describe the structure',
    'nestedTlb.ways': 'not published',
    'nestedTlb.latencyCycles': 'not published',
  },
  values: {
    cores: 96,
    l1i: { sizeBytes: 32 * 1024, ways: 8, latencyCycles: 4 },
    l1d: { sizeBytes: 32 * 1024, ways: 8, latencyCycles: 4 },
    l2: { sizeBytes: 1024 * 1024, ways: 8, latencyCycles: 14 },
    llc: { sizeBytes: 32 * 1024 * 1024, ways: 16, latencyCycles: 50, sharedByCores: 8 },
    memoryLatencyCycles: 350,
    tlb: {
      l1i: { policy: 'lru', sharing: '2m+1g', page4k: { entries: 64, ways: 64 } },
      l1d: { policy: 'lru', sharing: '2m+1g', page4k: { entries: 72, ways: 72 } },
      l2: {
        policy: 'lru',
        sharing: '2m',
        page4k: { entries: 3072, ways: 24 },
        page1g: { entries: 0, ways: 0 },
        latencyCycles: 7,
      },
    },
    pageWalkCaches: { organisation: 'unified', unified: { entries: 64, ways: 64 } },
    hostPageWalkCaches: { organisation: 'unified', unified: { entries: 64, ways: 64 } },
    nestedTlb: { entries: 64, ways: 64 },
  },
};
