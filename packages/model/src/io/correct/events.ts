/** What an event of the simulation is; its argument is the number of a request, walker, core, packet or command. */
export const EventKind = {
  /** A request reaches the IOMMU. Argument: request. */
  agent: 0,
  /** A walker's read has come back. Argument: walker. */
  read: 1,
  /** A request knows its frame, at the IOMMU. Argument: request. */
  answer: 2,
  /** A translation reaches the device. Argument: request. */
  deviceAnswer: 3,
  /** A DMA is through. Argument: request. */
  access: 4,
  /** The IOMMU has carried out a command of the invalidation queue. */
  invalidation: 5,
  /** The device drops the entries of the command in progress. */
  deviceInvalidation: 6,
  /** The device has acknowledged. */
  deviceAcknowledged: 7,
  /** A core goes on with its work. Argument: core. */
  core: 8,
  /** An interrupt is raised because time is up. Argument: ring. */
  moderation: 9,
  /** An interrupt message reaches the remapping table. Argument: ring. */
  interruptMessage: 10,
  /** The interrupt's handler runs. Argument: ring. */
  interrupt: 11,
  /** The response to a page request has come to the device. Argument: request. */
  pageResponse: 12,
  /** A scheme's timer. */
  timer: 13,
  /** The hypervisor takes memory from a device. Argument: `hypervisor` when it has the lock of the invalidation queue, else 0. */
  unmap: 14,
  /** Software has mapped a requested page. Argument: request. */
  pageMapped: 15,
} as const;
