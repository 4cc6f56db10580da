import { noProtocol } from '../protocols/protocol.ts';
import { createResidencyCounter } from './counting.ts';
import { type Follower, overheadMib, type Technique } from './technique.ts';

/**
 * LLFree in a guest that is never resized touches more frames than are ever in use at once. Both constants are fitted to three recorded
 * runs: reservations of 12 cores and three kinds spread over trees at once, and a share of each growth lands on frames never touched.
 */
const llfreeSpreadMib = 0.3 * 1024;
const llfreeFreshShare = 0.25;

/** No elasticity: what was touched once stays resident. */
export const staticMemory: Technique = {
  name: 'static',
  summary: 'no elasticity: memory that was touched once stays resident',
  source: 'specification 5.2',
  dmaSafe: true,
  allocator: 'buddy',
  drivenBy: 'nobody',
  footprintBasis: 'recorded',
  protocol: () => noProtocol,
  resize: 'a VM with static memory has one size',
  follow({ totalMib, allocator, vfio }): Follower {
    const counter = createResidencyCounter([], []);
    let touched = 0;
    let last = 0;
    return {
      operations: counter.operations,
      limitMib: totalMib,
      get residentMib() {
        if (vfio) return totalMib + overheadMib.static;
        const spread = allocator === 'llfree' ? llfreeSpreadMib : 0;
        return Math.min(totalMib, touched + spread) + overheadMib.static;
      },
      advance(_seconds, { usedHugeMib }) {
        const growth = usedHugeMib - last;
        // Growth takes free frames; LLFree does not prefer those that it had before, the buddy's last-in-first-out lists do.
        if (allocator === 'llfree' && growth > 0 && totalMib > last)
          touched += (llfreeFreshShare * growth * Math.max(0, totalMib - touched)) / (totalMib - last);
        touched = Math.max(touched, usedHugeMib);
        last = usedHugeMib;
      },
    };
  },
};
