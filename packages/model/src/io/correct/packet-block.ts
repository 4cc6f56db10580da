/** Packets or commands for queues of devices, one array per field; their buffers come from the driver. A producer reuses its block. */
export interface PacketBlock {
  length: number;
  /** The device's requester ID and the tenant's domain. */
  readonly sid: Int32Array;
  readonly did: Int32Array;
  /** Queue of the tenant, from 0. */
  readonly queue: Int32Array;
  readonly bytes: Int32Array;
  /** Bytes at the front that go to a buffer of headers; 0 = no split. */
  readonly headerBytes: Int32Array;
  /** When it arrives; -1 = as soon as the link has carried what came before it. */
  readonly arrivalNs: Float64Array;
}

export function createPacketBlock(capacity: number): PacketBlock {
  return {
    length: 0,
    sid: new Int32Array(capacity),
    did: new Int32Array(capacity),
    queue: new Int32Array(capacity),
    bytes: new Int32Array(capacity),
    headerBytes: new Int32Array(capacity),
    arrivalNs: new Float64Array(capacity),
  };
}

/** The queues that packets go to: what the driver posts. */
export interface QueueShape {
  /** Queues of a tenant; those from `receiveQueues` on transmit. */
  readonly queues: number;
  readonly receiveQueues: number;
  readonly slots: number;
  readonly bufferBytes: number;
  /** The device reads so many descriptors at a time. */
  readonly descriptorsPerRead: number;
  readonly descriptorBytes: number;
  readonly completionBytes: number;
  /** More than two pages need a list of them (NVMe PRP lists). */
  readonly hasPageLists: boolean;
}
