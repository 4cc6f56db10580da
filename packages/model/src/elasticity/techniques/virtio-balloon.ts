import { smallBalloon } from '../protocols/balloon.ts';
import { pagesPerGib } from '../units.ts';
import { followPolicy } from './policy.ts';
import { overheadMib, type Technique } from './technique.ts';

export const balloonNotDmaSafe = 'QEMU disables discards as soon as VFIO pins the memory, so a balloon frees nothing';

/** virtio-balloon: the guest allocates single pages and names them in lists of 256; the host discards each. */
export const virtioBalloon: Technique = {
  name: 'virtio-balloon',
  summary: 'guest gives pages of 4 KiB in lists of 256 and waits for each list',
  source: 'virtio 1.2 section 5.5; specification 3.1',
  dmaSafe: balloonNotDmaSafe,
  allocator: 'buddy',
  drivenBy: 'guest',
  footprintBasis: 'unvalidated',
  protocol: smallBalloon,
  resize({ movedGib, touchedAfterGib, touched, first }) {
    const pages = movedGib * pagesPerGib;
    const backGib = Math.min(movedGib, touchedAfterGib);
    return {
      shrink: [
        { cost: 'balloonInflate4k', count: pages },
        { cost: first ? 'balloonZapHugeBacked4k' : 'balloonZap4k', count: touched ? pages : 0 },
      ],
      grow: [{ cost: 'balloonDeflate4k', count: pages }],
      touch: [
        { cost: 'hostFault4k', count: backGib * pagesPerGib },
        { cost: 'guestTouchSmallBacked4k', count: backGib * pagesPerGib },
        { cost: 'guestTouch4k', count: (touchedAfterGib - backGib) * pagesPerGib },
      ],
    };
  },
  follow: (setting) =>
    followPolicy(setting, {
      used: ({ usedMib, usedHugeMib }) => (Number.isNaN(usedMib) ? usedHugeMib : usedMib),
      overheadMib: overheadMib.buddy,
      populatesOnPlug: false,
      down: ['balloonInflate4k', 'balloonZap4k'],
      up: ['balloonDeflate4k', 'hostFault4k'],
    }),
};
