import { StrataError } from '../machine/errors.ts';
import type { ElasticityConfig } from './config.ts';
import type { CostName } from './costs.ts';
import { createGuest, type Guest } from './guest.ts';
import { createHostMap, type HostMap, type MappingListener, pagesPerHuge } from './host-map.ts';
import type { ProtocolMessage } from './protocols/protocol.ts';
import { requireDmaSafe } from './resize.ts';
import type { Technique } from './techniques/technique.ts';
import { pagesPerMib } from './units.ts';

export interface ElasticVmOptions {
  readonly technique: Technique;
  /** Largest size, in MiB; a multiple of 2. */
  readonly totalMib: number;
  /** Of that, what the VM has at boot beside a virtio-mem device, in MiB; other techniques have no device. */
  readonly bootMib?: number;
  /** Zone of a virtio-mem device's memory. */
  readonly deviceZone?: 'Movable' | 'Normal';
  /** Memory below 4 GiB, which Linux keeps in a zone of its own, in MiB. Default: 3 GiB. */
  readonly lowMib?: number;
  readonly vfio: boolean;
  readonly config: ElasticityConfig;
  /** vCPUs that allocate. */
  readonly cpus?: number;
  readonly tell?: (message: ProtocolMessage) => void;
  /** Told of each mapping of the host that comes or goes. */
  readonly onMapping?: MappingListener;
}

/**
 * A VM whose every page is kept: a guest with a real allocator, a host with its maps, and a technique's protocol between them. What it counts is what
 * `resizeVm` and `footprintOf` say in closed form.
 */
export interface ElasticVm {
  readonly guest: Guest;
  readonly host: HostMap;
  /** 2^order frames that the guest then writes, unless `written` is false; a handle, or -1 when the guest has no memory left. */
  allocate(cpu: number, order: number, movable: boolean, written?: boolean): number;
  free(cpu: number, handle: number): void;
  /** Shrinks or grows the guest to a size in MiB, as far as it can; the size it then has. */
  resizeTo(mib: number): number;
  /** Lets time pass, in seconds since boot. */
  advance(seconds: number): void;
  readonly sizeMib: number;
  readonly residentMib: number;
}

/** Smallest guest that is worth the name: a zone of a few trees. */
const leastMib = 32;

/** @throws StrataError `elastic.size`, `elastic.not-dma-safe` */
export function createElasticVm(options: ElasticVmOptions): ElasticVm {
  const { technique, totalMib, vfio, config, tell } = options;
  requireDmaSafe(technique, vfio);
  if (!(totalMib >= leastMib && totalMib % 2 === 0 && totalMib <= 2 ** 22))
    throw new StrataError({
      code: 'elastic.size',
      what: 'a VM that is followed page by page cannot have that size',
      expected: `an even number of MiB from ${leastMib} to ${2 ** 22}`,
      found: `${totalMib}`,
    });
  const hasDevice = technique.name === 'virtio-mem';
  const bootMib = hasDevice ? (options.bootMib ?? Math.ceil((totalMib * config.policy.minShare) / 2) * 2) : totalMib;
  const guest = createGuest({
    allocator: technique.allocator,
    bootFrames: bootMib * pagesPerMib,
    deviceFrames: (totalMib - bootMib) * pagesPerMib,
    deviceZone: options.deviceZone ?? 'Movable',
    cpus: options.cpus ?? 1,
    ...(options.lowMib !== undefined && { lowFrames: options.lowMib * pagesPerMib }),
  });
  const host = createHostMap(guest.frames, options.onMapping);
  if (vfio)
    for (let huge = 0; huge < guest.frames / pagesPerHuge; huge++) {
      host.populate(huge, true);
      host.mapDma(huge);
    }
  host.resetCounts();
  const protocol = technique.protocol({ guest, host, vfio, config, ...(tell && { tell }) });
  const touchCost: CostName = technique.allocator === 'llfree' ? 'guestTouchLlfree4k' : 'guestTouch4k';
  let sizePages = guest.frames;

  return {
    guest,
    host,
    allocate(cpu, order, movable, written = true) {
      const handle = guest.allocate(cpu, order, movable);
      if (handle < 0) return -1;
      const frame = guest.frameOf(handle);
      const pages = 2 ** order;
      protocol.beforeUse(frame, pages);
      if (!written) return handle;
      host.touch(frame, pages);
      for (let page = frame; page < frame + pages; page++)
        host.count(host.isSmall(page) ? 'guestTouchSmallBacked4k' : touchCost);
      return handle;
    },
    free: guest.free,
    resizeTo(mib) {
      const target = mib * pagesPerMib;
      if (target < sizePages) sizePages -= protocol.shrink(sizePages - target);
      else if (target > sizePages) sizePages += protocol.grow(target - sizePages);
      return sizePages / pagesPerMib;
    },
    advance: protocol.advance,
    get sizeMib() {
      return sizePages / pagesPerMib;
    },
    get residentMib() {
      return host.residentPages / pagesPerMib;
    },
  };
}
