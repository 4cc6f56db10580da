import { virtioMemProtocol } from '../protocols/virtio-mem.ts';
import { hugePerGib, pagesPerGib } from '../units.ts';
import { followPolicy } from './policy.ts';
import { overheadMib, type Technique } from './technique.ts';

/** virtio-mem: blocks of 2 MiB in a device region, unplugged by the guest in memory blocks of 128 MiB. */
export const virtioMem: Technique = {
  name: 'virtio-mem',
  summary: 'guest plugs and unplugs blocks of 2 MiB; a policy outside chooses the size',
  source: 'virtio 1.2 section 5.15; specification 3.4',
  dmaSafe: true,
  allocator: 'buddy',
  drivenBy: 'guest',
  footprintBasis: 'recorded',
  protocol: virtioMemProtocol,
  resize({ movedGib, touchedAfterGib, touched, vfio }) {
    const frames = movedGib * hugePerGib;
    // With a passed-through device plugging populates and pins, so nothing is untouched.
    const present = touched || vfio ? frames : 0;
    const touchedFrames = Math.min(movedGib, touchedAfterGib) * hugePerGib;
    return {
      shrink: [
        { cost: 'memUnplug2m', count: frames },
        { cost: 'zap2m', count: present },
        { cost: 'discardCall', count: present },
        { cost: 'iommuUnmap2m', count: vfio ? frames : 0 },
      ],
      grow: [
        { cost: 'memPlug2m', count: frames },
        { cost: 'zero2m', count: vfio ? frames : 0 },
        { cost: 'iommuMap2m', count: vfio ? frames : 0 },
      ],
      touch: [
        { cost: vfio ? 'mapPopulated2m' : 'zero2m', count: touchedFrames },
        { cost: 'guestTouch4k', count: touchedAfterGib * pagesPerGib },
      ],
    };
  },
  follow: (setting) =>
    followPolicy(setting, {
      used: ({ usedHugeMib }) => usedHugeMib,
      overheadMib: setting.vfio ? overheadMib.virtioMemVfio : overheadMib.virtioMem,
      populatesOnPlug: setting.vfio,
      down: ['memUnplug2m', 'zap2m', 'discardCall', ...(setting.vfio ? (['iommuUnmap2m'] as const) : [])],
      up: ['memPlug2m', 'zero2m', ...(setting.vfio ? (['iommuMap2m', 'mapPopulated2m'] as const) : [])],
    }),
};
