import { Fifo } from './fifo.ts';

/** A queue of a device: buffers that the driver has posted, those that the device is done with, and whose they are. */
export interface Ring {
  readonly id: number;
  readonly domain: number;
  readonly requester: number;
  readonly pasid: number;
  /** Core that its driver runs on. */
  readonly core: number;
  readonly slots: number;
  /** 4 KiB pages of a buffer. */
  readonly bufferPages: number;
  /** The device reads the buffers (transmission) instead of writing them. */
  readonly transmits: boolean;
  readonly isBare: boolean;
  /** Per slot: first page of its buffer in the I/O address space, and first frame; -1 = none. */
  readonly vpn: Float64Array;
  readonly frame: Float64Array;
  /** Bytes of the packet in the slot. */
  readonly bytes: Int32Array;
  /** Slots that the device may use, in order. */
  readonly posted: Fifo;
  /** Slots that it is done with. */
  readonly completed: Fifo;
  /** Slots that want a buffer. */
  readonly empty: Fifo;
  /** Pages of the ring itself: descriptors, completions and headers, mapped for good. */
  readonly descriptors: number;
  readonly completions: number;
  readonly headers: number;
  used: number;
  /** The driver looks at it without being told. */
  isPolled: boolean;
  /** Completions since the last interrupt, and whether an interrupt or its timer is under way. */
  sinceInterrupt: number;
  isTimed: boolean;
}

export interface RingShape {
  readonly domain: number;
  readonly requester: number;
  readonly pasid: number;
  readonly core: number;
  readonly slots: number;
  readonly bufferPages: number;
  readonly transmits: boolean;
  /** Its buffers are those of a recording: a slot is a number, and the scheme has nothing to do with it. */
  readonly isBare: boolean;
  readonly descriptors: number;
  readonly completions: number;
  readonly headers: number;
}

export function createRing(id: number, shape: RingShape): Ring {
  return {
    ...shape,
    id,
    vpn: new Float64Array(shape.slots).fill(-1),
    frame: new Float64Array(shape.slots).fill(-1),
    bytes: new Int32Array(shape.slots),
    posted: new Fifo(),
    completed: new Fifo(),
    empty: new Fifo(),
    used: 0,
    isPolled: false,
    sinceInterrupt: 0,
    isTimed: false,
  };
}
