import { hugeBalloon } from '../protocols/balloon.ts';
import { hugePerGib, pagesPerGib } from '../units.ts';
import { followPolicy } from './policy.ts';
import { overheadMib, type Technique } from './technique.ts';
import { balloonNotDmaSafe } from './virtio-balloon.ts';

/** The artifact's patch of virtio-balloon: one entry per 2 MiB frame. */
export const virtioBalloonHuge: Technique = {
  name: 'virtio-balloon-huge',
  summary: 'virtio-balloon patched to 2 MiB frames, one discard each',
  source: 'HyperAlloc artifact; specification 3.1',
  dmaSafe: balloonNotDmaSafe,
  allocator: 'buddy',
  drivenBy: 'guest',
  footprintBasis: 'unvalidated',
  protocol: hugeBalloon,
  resize({ movedGib, touchedAfterGib, touched }) {
    const frames = movedGib * hugePerGib;
    return {
      shrink: [
        { cost: 'balloonInflate2m', count: frames },
        { cost: 'zap2m', count: touched ? frames : 0 },
        { cost: 'discardCall', count: touched ? frames : 0 },
      ],
      grow: [{ cost: 'balloonDeflate2m', count: frames }],
      touch: [
        { cost: 'zero2m', count: Math.min(movedGib, touchedAfterGib) * hugePerGib },
        { cost: 'guestTouch4k', count: touchedAfterGib * pagesPerGib },
      ],
    };
  },
  follow: (setting) =>
    followPolicy(setting, {
      used: ({ usedHugeMib }) => usedHugeMib,
      overheadMib: overheadMib.buddy,
      populatesOnPlug: false,
      down: ['balloonInflate2m', 'zap2m', 'discardCall'],
      up: ['balloonDeflate2m', 'zero2m'],
    }),
};
