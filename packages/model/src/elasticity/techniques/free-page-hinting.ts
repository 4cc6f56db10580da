import { hintingProtocol } from '../protocols/free-page-hinting.ts';
import { createResidencyCounter } from './counting.ts';
import { overheadMib, type Technique } from './technique.ts';
import { balloonNotDmaSafe } from './virtio-balloon.ts';

/** virtio-balloon's free page hinting: on request the guest allocates all its largest free blocks, names them, and gets them back. */
export const freePageHinting: Technique = {
  name: 'free-page-hinting',
  summary: 'host asks from time to time for all large free blocks and discards them',
  source: 'virtio 1.2 section 5.5.6.8; specification 3.3',
  dmaSafe: balloonNotDmaSafe,
  allocator: 'buddy',
  drivenBy: 'guest',
  footprintBasis: 'unvalidated',
  protocol: hintingProtocol,
  resize: 'free page hinting drains what is free and cannot be told a size',
  follow({ config: { hinting }, totalMib }) {
    const counter = createResidencyCounter(['zap2m', 'discardCall'], ['zero2m']);
    let resident = 0;
    let nextDrain = hinting.periodSeconds;
    return {
      operations: counter.operations,
      limitMib: totalMib,
      get residentMib() {
        return resident + overheadMib.buddy;
      },
      advance(seconds, { usedHugeMib }) {
        resident = Math.max(resident, usedHugeMib);
        for (; nextDrain <= seconds; nextDrain += hinting.periodSeconds) resident = usedHugeMib;
        counter.reach(resident);
      },
    };
  },
};
