import {
  createAutoResize,
  createElasticVm,
  createLinuxBuddy,
  type ElasticityConfig,
  type Technique,
} from '@strata/model/elasticity';
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
  /** Lets time pass, in seconds since the trace began. */
  advance?(seconds: number): void;
  /** What the host has resident now, in MiB. */
  readonly residentMib?: number;
  /** 2 MiB frames that programs hold in part, in MiB, where the frames that `take` names are not those of the guest since pages move. */
  readonly usedHugeMib?: number | undefined;
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

/**
 * The pages of a trace in a VM that is followed page by page: its guest's allocator places them, its technique takes back what it finds free, or
 * is told sizes by the artifact's policy, and the host's maps say what is resident.
 * @throws StrataError `elastic.size`, `elastic.not-dma-safe`
 */
export function pagewisePlacement(options: {
  readonly technique: Technique;
  readonly vfio: boolean;
  readonly config: ElasticityConfig;
  readonly totalMib: number;
}): Placement {
  const { technique, totalMib } = options;
  const trees = Math.floor((totalMib * pagesPerMib) / framesPerTree);
  const vm = createElasticVm({ ...options, cpus: Math.max(1, Math.min(cpus, Math.floor(trees / 3))) });
  const { guest } = vm;
  const policy = resizedByPolicy.some((name) => name === technique.name)
    ? createAutoResize(vm, technique, options)
    : undefined;
  /** Handles by the name that `take` gave: a number that is never used again, as a guest's frames are when pages move. */
  const handles = new Map<number, number>();
  let nextName = 0;

  function nameOf(handle: number, order: number): number {
    if (policy === undefined) return guest.frameOf(handle);
    const name = Math.ceil(nextName / 2 ** order) * 2 ** order;
    nextName = name + 2 ** order;
    return name;
  }

  function allocate(cpu: number, order: number, isMovable: boolean): number {
    let handle = vm.allocate(cpu, order, isMovable);
    while (handle < 0 && policy?.relieve()) handle = vm.allocate(cpu, order, isMovable);
    return handle;
  }

  /** The handle of exactly these frames: what is around them is split off. */
  function handleOf(frame: number, order: number): number {
    let around = order;
    let start = frame;
    while (!handles.has(start) || guest.orderOf(handles.get(start)!) < around) {
      around++;
      start = frame - (frame % 2 ** around);
    }
    let handle = handles.get(start)!;
    for (let size = guest.orderOf(handle); size > order; size--) {
      const upper = guest.split(handle);
      const upperStart = start + 2 ** (size - 1);
      handles.set(upperStart, upper);
      if (frame < upperStart) continue;
      handle = upper;
      start = upperStart;
    }
    return handle;
  }

  return {
    allocator: technique.allocator,
    take(cpu, _, order, type) {
      if (order > llfreeLargestOrder) return -1;
      const handle = allocate(cpu, order, type === movable);
      if (handle < 0) return -1;
      const name = nameOf(handle, order);
      handles.set(name, handle);
      return name;
    },
    give(cpu, frame, order) {
      const handle = handleOf(frame, order);
      handles.delete(frame);
      vm.free(cpu, handle);
    },
    advance(seconds) {
      vm.advance(seconds);
      policy?.advance(seconds);
    },
    get residentMib() {
      return vm.residentMib;
    },
    get usedHugeMib() {
      if (policy === undefined) return undefined;
      // What the technique holds is not free either, and is no need of the guest's.
      return Math.max(0, guest.busyHugeFrames * hugeMib - (totalMib - vm.sizeMib));
    },
  };
}

const hugeMib = 2;
/** Techniques that are told a size, and so follow the policy of specification 3.4. */
const resizedByPolicy = ['virtio-balloon', 'virtio-balloon-huge', 'virtio-mem'] as const;
