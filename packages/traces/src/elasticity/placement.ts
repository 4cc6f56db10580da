import { createLinuxBuddy } from '@strata/model/elasticity';
import { createExclusive, outOfMemory } from '@strata/model/llfree';
import { StrataError } from '@strata/model/machine';

/** Who places the pages of a trace: the recorded kernel, or an allocator of ours that gets the same requests. */
export const replays = ['recorded', 'buddy', 'llfree'] as const;
export type Replay = (typeof replays)[number];

export interface Placement {
  readonly allocator: 'buddy' | 'llfree';
  /** First frame, or -1 when there is no room. */
  take(cpu: number, recordedFrame: number, order: number, migrateType: number): number;
  give(cpu: number, frame: number, order: number): void;
}

const pagesPerMib = 256;
/** Processors beyond these share the lists and reservations of the first ones. */
const cpus = 64;
const movable = 1;
const llfreeLargestOrder = 10;
const framesPerTree = 4096;

/** @throws StrataError `elastic.no-size` when a replay does not know how much memory there is */
export function placementOf(replay: Replay, totalMib: number | undefined, where: string): Placement {
  if (replay === 'recorded') return { allocator: 'buddy', take: (_, frame) => frame, give: () => undefined };
  if (totalMib === undefined)
    throw new StrataError({
      code: 'elastic.no-size',
      what: 'a replay needs the size of the VM',
      where,
      mend: 'Give it with --total-gib.',
    });
  const frames = Math.floor(totalMib * pagesPerMib);
  if (replay === 'buddy') {
    const buddy = createLinuxBuddy(frames, cpus);
    return { allocator: 'buddy', take: (cpu, _, order, type) => buddy.allocate(cpu, order, type), give: buddy.free };
  }
  // With fewer than three trees per core LLFree no longer keeps kinds of pages apart.
  const cores = Math.max(1, Math.min(cpus, Math.floor(frames / framesPerTree / 3)));
  const llfree = createExclusive({ frames, cores, version: 'ae' });
  return {
    allocator: 'llfree',
    take(cpu, _, order, type) {
      if (order > llfreeLargestOrder) return -1;
      const frame = llfree.get(cpu % cores, order, type === movable);
      return frame === outOfMemory ? -1 : frame;
    },
    give: (cpu, frame, order) => llfree.put(cpu % cores, frame, order),
  };
}
