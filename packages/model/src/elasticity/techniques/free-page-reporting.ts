import { reportingProtocol } from '../protocols/free-page-reporting.ts';
import { createResidencyCounter } from './counting.ts';
import { blockMib, reportPass, type Zone } from './reporting-pass.ts';
import { type Follower, type FollowerSetting, overheadMib, type Technique } from './technique.ts';

/** Largest part of a PC's memory below 4 GiB, which Linux keeps in a zone of its own (DMA32). */
const dma32Mib = 3 * 1024;

/**
 * Pages that wait for their report when single pages are reported: a share that is always on the lists, and what is freed during the
 * delay. Fitted to the four recorded settings of the artifact (specification 5.2).
 */
const smallBacklogMib = 0.365 * 1024;
const smallBacklogMibPerSecond = 0.253 * 1024;

/** virtio-balloon's free page reporting: the guest names free blocks as it goes, pass by pass. */
export const freePageReporting: Technique = {
  name: 'free-page-reporting',
  summary: 'guest reports free blocks every two seconds; the host discards them',
  source: 'virtio 1.2 section 5.5.6; Linux mm/page_reporting.c; specification 3.2',
  dmaSafe: 'QEMU disables discards as soon as VFIO pins the memory, so reports free nothing',
  allocator: 'buddy',
  drivenBy: 'guest',
  footprintBasis: 'recorded',
  protocol: reportingProtocol,
  resize: 'free page reporting follows the guest and cannot be told a size',
  follow: (setting) => (setting.config.reporting.order === 0 ? followSmall(setting) : followHuge(setting)),
};

function followHuge({ config: { reporting }, totalMib }: FollowerSetting): Follower {
  const counter = createResidencyCounter(['zap2m', 'discardCall'], ['zero2m']);
  const zones: Zone[] = [
    { freeBlocks: 0, pendingBlocks: 0 },
    { freeBlocks: 0, pendingBlocks: 0 },
  ];
  const share = Math.min(1, dma32Mib / totalMib);
  let resident = 0;
  let nextPass = 0;
  return {
    operations: counter.operations,
    limitMib: totalMib,
    get residentMib() {
      return resident + overheadMib.buddy;
    },
    advance(seconds, { usedHugeMib }) {
      resident = Math.max(resident, usedHugeMib);
      for (; nextPass <= seconds; nextPass += reporting.delaySeconds) {
        if (resident <= usedHugeMib) continue;
        const free = Math.max(0, totalMib - usedHugeMib) / blockMib;
        const pending = (resident - usedHugeMib) / blockMib;
        // Which zone the freed memory lies in is not recorded: in proportion to their sizes.
        zones[0] = { freeBlocks: free * share, pendingBlocks: pending * share };
        zones[1] = { freeBlocks: free * (1 - share), pendingBlocks: pending * (1 - share) };
        resident -= reportPass(zones, reporting).reported * blockMib;
      }
      counter.reach(resident);
    },
  };
}

function followSmall({ config: { reporting }, totalMib }: FollowerSetting): Follower {
  const counter = createResidencyCounter([], ['reportCycle4k']);
  const backlog = smallBacklogMib + smallBacklogMibPerSecond * reporting.delaySeconds;
  let used = 0;
  return {
    operations: counter.operations,
    limitMib: totalMib,
    get residentMib() {
      return Math.min(totalMib + overheadMib.buddy, used + backlog);
    },
    advance(_seconds, { usedMib, usedHugeMib }) {
      used = Number.isNaN(usedMib) ? usedHugeMib : usedMib;
      counter.reach(used);
    },
  };
}
