import type { Named } from '../../machine/registry.ts';
import type { ElasticityConfig } from '../config.ts';
import type { CostName, Operation } from '../costs.ts';
import type { Protocol, ProtocolParts } from '../protocols/protocol.ts';

/** One change of size and back, and what is known of the memory it concerns. */
export interface ResizeRequest {
  /** Memory that leaves the VM and comes back, in GiB. */
  readonly movedGib: number;
  /** Memory that the guest writes after it came back, in GiB; it reaches all that was moved first. */
  readonly touchedAfterGib: number;
  /** Whether the guest had written the memory before it leaves. */
  readonly touched: boolean;
  /** Whether a device is passed through to the VM. */
  readonly vfio: boolean;
  /** Whether this is the first resize since boot, when host huge pages are whole and everything is mapped for the device. */
  readonly first: boolean;
}

/** What shrinking, growing back and writing the memory again consist of. */
export interface ResizePlan {
  readonly shrink: readonly Operation[];
  readonly grow: readonly Operation[];
  readonly touch: readonly Operation[];
}

/** What a guest needs at one moment, in MiB. */
export interface Need {
  /** Allocated pages of 4 KiB; not a number where the recording lacks them. */
  readonly usedMib: number;
  /** 2 MiB frames that are not wholly free. */
  readonly usedHugeMib: number;
}

export interface FollowerSetting {
  readonly config: ElasticityConfig;
  readonly vfio: boolean;
  /** Largest size of the VM in MiB. */
  readonly totalMib: number;
  readonly allocator: 'buddy' | 'llfree';
  /** Milliseconds that moving a GiB out of a touched VM takes, for policies that must wait for it. */
  readonly shrinkMsPerGib: number;
}

/** Follows a guest through time and says what the host has resident for it. */
export interface Follower {
  /** @param seconds since the start of the trace, ascending; the first call is the boot */
  advance(seconds: number, need: Need): void;
  /** Resident memory in MiB after the last `advance`. */
  readonly residentMib: number;
  /** Size that the guest sees, in MiB. */
  readonly limitMib: number;
  /** What the technique has done so far, by cost. */
  readonly operations: ReadonlyMap<CostName, number>;
}

/** A way to take memory from a VM and to give it back. One file each; registered in `index.ts`. */
export interface Technique extends Named {
  readonly source: string;
  /** Whether a VM with a passed-through device can use it; the sentence why not is for messages. */
  readonly dmaSafe: true | string;
  /** Allocator of the guest that the technique comes with. */
  readonly allocator: 'buddy' | 'llfree';
  /**
   * Whose thread carries a resize through. `guest`: a worker on a vCPU, which waits for the host's answers; `host`: a thread of the host, the guest is
   * not asked; `nobody`: it is never resized.
   */
  readonly drivenBy: 'guest' | 'host' | 'nobody';
  /** Absent: the technique cannot be told a size; the sentence is for messages. */
  readonly resize: ((request: ResizeRequest) => ResizePlan) | string;
  follow(setting: FollowerSetting): Follower;
  /** The technique page by page, between a guest's allocator and the host's maps. */
  protocol(parts: ProtocolParts): Protocol;
  /** What the footprint rests on: `recorded` = held against recordings of this technique, `unvalidated` = there are none. */
  readonly footprintBasis: 'recorded' | 'unvalidated';
}

/** Memory of QEMU itself and of the guest's tables, resident beside the guest's frames (specification 5.2). */
export const overheadMib = {
  static: 0.12 * 1024,
  buddy: 0.105 * 1024,
  llfree: 0.135 * 1024,
  virtioMem: 0.1 * 1024,
  virtioMemVfio: 0.11 * 1024,
};
