import { attachHost, createExclusive, type HostView, type LLFree, outOfMemory } from '../llfree/index.ts';
import { pagesPerHuge } from './host-map.ts';
import { createLinuxBuddy, type LinuxBuddy } from './linux-buddy.ts';

/** Linux's MIGRATE_UNMOVABLE and MIGRATE_MOVABLE. */
const unmovableType = 0;
const movableType = 1;
/** Largest part of a PC's memory below 4 GiB, which Linux keeps in a zone of its own (DMA32), in 4 KiB frames. */
const defaultLowFrames = 3 * 262_144;

interface ZonePlace {
  readonly name: 'DMA32' | 'Normal' | 'Movable';
  /** The zone's first frame in the guest's physical memory. */
  readonly first: number;
  readonly frames: number;
}

/** A zone of a guest under Linux's buddy allocator. */
export interface BuddyZone extends ZonePlace {
  readonly kind: 'buddy';
  readonly buddy: LinuxBuddy;
}

/** A zone of a guest under LLFree, and the host's view into it. */
export interface LLFreeZone extends ZonePlace {
  readonly kind: 'llfree';
  readonly llfree: LLFree;
  readonly host: HostView;
}

export type GuestZone = BuddyZone | LLFreeZone;

export interface GuestOptions {
  readonly allocator: 'buddy' | 'llfree';
  /** Memory of the guest at boot, in 4 KiB frames. */
  readonly bootFrames: number;
  /** Memory of a virtio-mem device behind it, in 4 KiB frames; 0 for none. */
  readonly deviceFrames: number;
  /** Zone that the device's memory belongs to: Movable takes movable pages only, Normal takes all. */
  readonly deviceZone: 'Movable' | 'Normal';
  readonly cpus: number;
  /** Part of the boot memory that is DMA32, in 4 KiB frames. Default: 3 GiB. */
  readonly lowFrames?: number;
}

/** A guest's page-frame allocator and what its programs hold. Frames are numbered over all zones; allocations are handles, since pages may migrate. */
export interface Guest {
  readonly frames: number;
  readonly zones: readonly GuestZone[];
  /** Pages that programs hold. */
  readonly usedPages: number;
  /** 2 MiB frames that are not wholly free: held in part by programs or a balloon, or kept by `vacate`. */
  readonly busyHugeFrames: number;
  /** A handle to 2^order frames, or -1 when no zone has them. */
  allocate(cpu: number, order: number, movable: boolean): number;
  free(cpu: number, handle: number): void;
  /** Makes an allocation of more than one frame two of half the size; the handle keeps the lower one, the upper one's is returned. */
  split(handle: number): number;
  /** The first frame of an allocation, as of now. */
  frameOf(handle: number): number;
  orderOf(handle: number): number;
  /**
   * Moves every page that programs hold out of 2^order aligned frames and keeps the frames, as `alloc_contig_range` does; false, with nothing kept,
   * if a page there cannot move or there is no room. `moved` is told what went where. Zones under Linux's buddy allocator only.
   */
  vacate(frame: number, order: number, moved: (from: number, to: number, pages: number) => void): boolean;
  /** Gives frames that `vacate` kept back to the allocator. */
  giveBack(frame: number, order: number): void;
  zoneOf(frame: number): GuestZone;
}

export function createGuest(options: GuestOptions): Guest {
  const zones = zonesOf(options);
  const frames = options.bootFrames + options.deviceFrames;
  /** Handle + 1 of the allocation that begins at a frame. */
  const handleAt = new Int32Array(frames);
  const frameOfHandle: number[] = [];
  const orderOfHandle: number[] = [];
  const movableHandle: boolean[] = [];
  const spareHandles: number[] = [];
  let usedPages = 0;
  /** Pages of each 2 MiB frame that are not free. */
  const busyPages = new Uint16Array(Math.ceil(frames / pagesPerHuge));
  let busyHugeFrames = 0;

  function mark(frame: number, pages: number, sign: 1 | -1): void {
    for (let at = frame, left = pages; left > 0; ) {
      const huge = Math.floor(at / pagesPerHuge);
      const here = Math.min(left, (huge + 1) * pagesPerHuge - at);
      const before = busyPages[huge]!;
      busyPages[huge] = before + sign * here;
      if (before === 0) busyHugeFrames++;
      else if (before + sign * here === 0) busyHugeFrames--;
      at += here;
      left -= here;
    }
  }

  function zoneOf(frame: number): GuestZone {
    return zones.find(({ first, frames: count }) => frame >= first && frame < first + count)!;
  }

  function take(cpu: number, order: number, movable: boolean): number {
    // Movable pages go to the highest zone that may hold them, as Linux's zone lists have it.
    for (let at = zones.length - 1; at >= 0; at--) {
      const zone = zones[at]!;
      if (zone.name === 'Movable' && !movable) continue;
      const frame = takeFrom(zone, cpu, order, movable);
      if (frame >= 0) return zone.first + frame;
    }
    return -1;
  }

  function release(cpu: number, frame: number, order: number, movable: boolean): void {
    const zone = zoneOf(frame);
    if (zone.kind === 'buddy') zone.buddy.free(cpu, frame - zone.first, order);
    else zone.llfree.put(cpu % zone.llfree.cores, frame - zone.first, order, movable);
  }

  /** Takes every free piece of a range out of the free lists. */
  function holdFree(zone: BuddyZone, first: number, end: number): [frame: number, order: number][] {
    const held: [number, number][] = [];
    for (let frame = first; frame < end; ) {
      const found = zone.buddy.freeOrderOf(frame);
      if (found < 0) {
        const handle = handleAt[zone.first + frame]! - 1;
        frame += handle < 0 ? 1 : 2 ** orderOfHandle[handle]!;
        continue;
      }
      const order = Math.min(found, Math.log2(end - first));
      zone.buddy.takeAt(frame, order);
      held.push([frame, order]);
      frame += 2 ** order;
    }
    return held;
  }

  function enter(frame: number, order: number, movable: boolean): number {
    const handle = spareHandles.pop() ?? frameOfHandle.length;
    frameOfHandle[handle] = frame;
    orderOfHandle[handle] = order;
    movableHandle[handle] = movable;
    handleAt[frame] = handle + 1;
    return handle;
  }

  return {
    frames,
    zones,
    zoneOf,
    get usedPages() {
      return usedPages;
    },
    get busyHugeFrames() {
      return busyHugeFrames;
    },
    allocate(cpu, order, movable) {
      const frame = take(cpu, order, movable);
      if (frame < 0) return -1;
      usedPages += 2 ** order;
      mark(frame, 2 ** order, 1);
      return enter(frame, order, movable);
    },
    split(handle) {
      const order = --orderOfHandle[handle]!;
      return enter(frameOfHandle[handle]! + 2 ** order, order, movableHandle[handle]!);
    },
    free(cpu, handle) {
      const frame = frameOfHandle[handle]!;
      const order = orderOfHandle[handle]!;
      handleAt[frame] = 0;
      spareHandles.push(handle);
      usedPages -= 2 ** order;
      mark(frame, 2 ** order, -1);
      release(cpu, frame, order, movableHandle[handle]!);
    },
    frameOf: (handle) => frameOfHandle[handle]!,
    orderOf: (handle) => orderOfHandle[handle]!,
    vacate(frame, order, moved) {
      const zone = zoneOf(frame);
      if (zone.kind !== 'buddy') return false;
      zone.buddy.drain();
      const first = frame - zone.first;
      const held = holdFree(zone, first, first + 2 ** order);
      const foundFree = held.length;
      let free = held.reduce((sum, [, pieceOrder]) => sum + 2 ** pieceOrder, 0);
      for (let at = frame; at < frame + 2 ** order; ) {
        const handle = handleAt[at]! - 1;
        if (handle < 0) {
          at++;
          continue;
        }
        const pages = 2 ** orderOfHandle[handle]!;
        const target = movableHandle[handle] && pages <= 2 ** order ? take(0, orderOfHandle[handle]!, true) : -1;
        if (target < 0) break;
        moved(at, target, pages);
        mark(target, pages, 1);
        handleAt[at] = 0;
        handleAt[target] = handle + 1;
        frameOfHandle[handle] = target;
        held.push([first + at - frame, orderOfHandle[handle]!]);
        free += pages;
        at += pages;
      }
      if (free === 2 ** order) {
        for (const [piece, pieceOrder] of held.slice(0, foundFree)) mark(zone.first + piece, 2 ** pieceOrder, 1);
        return true;
      }
      for (const [piece, pieceOrder] of held.slice(foundFree)) mark(zone.first + piece, 2 ** pieceOrder, -1);
      for (const [piece, pieceOrder] of held) zone.buddy.free(0, piece, pieceOrder);
      zone.buddy.drain();
      return false;
    },
    giveBack(frame, order) {
      const zone = zoneOf(frame);
      if (zone.kind !== 'buddy') return;
      zone.buddy.free(0, frame - zone.first, order);
      mark(frame, 2 ** order, -1);
    },
  };
}

function takeFrom(zone: GuestZone, cpu: number, order: number, movable: boolean): number {
  if (zone.kind === 'buddy') return zone.buddy.allocate(cpu, order, movable ? movableType : unmovableType);
  const frame = zone.llfree.get(cpu % zone.llfree.cores, order, movable);
  return frame === outOfMemory ? -1 : frame;
}

function zonesOf({ allocator, bootFrames, deviceFrames, deviceZone, cpus, lowFrames }: GuestOptions): GuestZone[] {
  const low = Math.min(bootFrames, lowFrames ?? defaultLowFrames);
  const places: ZonePlace[] = [{ name: 'DMA32', first: 0, frames: low }];
  if (bootFrames > low) places.push({ name: 'Normal', first: low, frames: bootFrames - low });
  if (deviceFrames > 0) places.push({ name: deviceZone, first: bootFrames, frames: deviceFrames });
  return places.map((place): GuestZone => {
    if (allocator === 'buddy') return { ...place, kind: 'buddy', buddy: createLinuxBuddy(place.frames, cpus) };
    const llfree = createExclusive({ frames: place.frames, cores: cpus, version: 'ae' });
    return { ...place, kind: 'llfree', llfree, host: attachHost(llfree.memory) };
  });
}
