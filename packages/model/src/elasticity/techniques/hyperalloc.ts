import { hyperallocProtocol } from '../protocols/hyperalloc.ts';
import { hugePerGib, pagesPerGib } from '../units.ts';
import { createResidencyCounter } from './counting.ts';
import { overheadMib, type Technique } from './technique.ts';

/** HyperAlloc: the host takes 2 MiB frames straight from the guest's allocator (LLFree), which asks before it uses them again. */
export const hyperalloc: Technique = {
  name: 'hyperalloc',
  summary:
    'host takes free 2 MiB frames from the guest allocator in shared memory; the guest asks for them back when it needs them',
  source: 'HyperAlloc (EuroSys 2025); specification 2',
  dmaSafe: true,
  allocator: 'llfree',
  drivenBy: 'host',
  footprintBasis: 'recorded',
  protocol: hyperallocProtocol,
  resize({ movedGib, touchedAfterGib, touched, vfio, first }) {
    const frames = movedGib * hugePerGib;
    // Frames that nobody installed since the last reclamation are evicted already: a change of state and nothing else.
    const present = touched || (vfio && first) ? frames : 0;
    const touchedFrames = Math.min(movedGib, touchedAfterGib) * hugePerGib;
    return {
      shrink: [
        { cost: 'reclaimState2m', count: frames },
        { cost: 'zap2m', count: present },
        { cost: 'iommuUnmap2m', count: vfio ? present : 0 },
      ],
      grow: [{ cost: 'returnState2m', count: frames }],
      touch: [
        { cost: 'install2m', count: touchedFrames },
        { cost: 'zero2m', count: touchedFrames },
        { cost: 'iommuMap2m', count: vfio ? touchedFrames : 0 },
        { cost: 'guestTouchLlfree4k', count: touchedAfterGib * pagesPerGib },
      ],
    };
  },
  follow({ config, totalMib, vfio }) {
    const counter = createResidencyCounter(
      ['reclaimState2m', 'zap2m', ...(vfio ? (['iommuUnmap2m'] as const) : [])],
      ['install2m', 'zero2m', ...(vfio ? (['iommuMap2m'] as const) : [])],
    );
    let resident = 0;
    let nextTick = 0;
    return {
      operations: counter.operations,
      limitMib: totalMib,
      get residentMib() {
        return resident + overheadMib.llfree;
      },
      advance(seconds, { usedHugeMib }) {
        const ticks = seconds >= nextTick;
        if (ticks)
          nextTick = (Math.floor(seconds / config.hyperalloc.periodSeconds) + 1) * config.hyperalloc.periodSeconds;
        resident = ticks ? usedHugeMib : Math.max(resident, usedHugeMib);
        counter.reach(resident);
      },
    };
  },
};
