import { createRandom } from '../../machine/random.ts';
import type { DriverOperations, SchemeInstance } from '../schemes/scheme.ts';
import { AddressAllocator } from './addresses.ts';
import type { IoMachine } from './config.ts';
import type { Cores } from './cores.ts';
import type { Device } from './device.ts';
import type { EventQueue } from './event-queue.ts';
import { EventKind } from './events.ts';
import { wholeDomain } from './invalidation-queue.ts';
import type { Iommu } from './iommu.ts';
import { RingPart, type RingTables, ringAddress, ringSlots } from './ring-tables.ts';
import { createRing, type Ring } from './rings.ts';
import { type CacheCounts, PartitionedCache } from './translation-cache.ts';

/** Completions that one poll of a driver takes (NAPI_POLL_WEIGHT of Linux). */
const pollBudget = 64;
const messageBytes = 4;
/** Above what traces use: buffers of rings never lie where a recording has pages. */
const aboveRecordings = 2 ** 35;
/** With tables of three levels, whose space ends at 39 bits: the top of it. */
const threeLevels = 2 ** 27;

export interface RingRequest {
  readonly domain: number;
  readonly requester: number;
  readonly pasid: number;
  readonly queue: number;
  readonly slots: number;
  readonly bufferPages: number;
  readonly transmits: boolean;
  readonly isBare: boolean;
  readonly descriptorBytes: number;
  readonly completionBytes: number;
  /** The recording has pages of its own for descriptors and completions. */
  readonly isOfRecording: boolean;
}

export interface Driver {
  readonly operations: DriverOperations;
  readonly interrupts: number;
  connect(scheme: SchemeInstance): void;
  /** Makes a ring, mapped and posted, as it is when the device starts. */
  open(request: RingRequest): Ring;
  ring(id: number): Ring;
  posted(ring: number, slot: number): void;
  completed(ring: number, slot: number, bytes: number): void;
  poll(ring: number): void;
  refill(ring: number): void;
  moderated(ring: number): void;
  messageArrived(ring: number): void;
  interrupted(ring: number): void;
  freeAddress(core: number, domain: number, vpn: number, pages: number): void;
  interruptCounts(): CacheCounts;
}

interface Resources {
  readonly machine: IoMachine;
  readonly events: EventQueue;
  readonly cores: Cores;
  readonly iommu: Iommu;
  readonly ringTables: RingTables;
  readonly device: Device;
  readonly translation: 'none' | 'tables' | 'ring';
}

/** The drivers of all rings: interrupts, polling, refilling, and what schemes do with it. */
export function createDriver({ machine, events, cores, iommu, ringTables, device, translation }: Resources): Driver {
  const rings: Ring[] = [];
  const allocators = new Map<number, AddressAllocator>();
  const remapping = new PartitionedCache({ ...machine.interruptCache, partitions: 1 }, false, createRandom(0));
  let scheme: SchemeInstance | undefined;
  let interrupts = 0;
  let usesRecording = false;

  function allocatorOf(domain: number): AddressAllocator {
    let allocator = allocators.get(domain);
    if (allocator === undefined) {
      allocator = new AddressAllocator(
        usesRecording ? (machine.levels === '3' ? threeLevels : aboveRecordings) : undefined,
      );
      allocators.set(domain, allocator);
    }
    return allocator;
  }

  const operations: DriverOperations = {
    machine,
    get now() {
      return events.now;
    },
    spend: (core, nanoseconds) => cores.spend(core, nanoseconds),
    map: (core, domain, vpn, frame, level) => cores.map(core, domain, vpn, frame, level),
    beginMapping(core) {
      if (machine.mapLockNs > 0) cores.synchronize(core);
    },
    unmap: (core, domain, vpn) => cores.unmap(core, domain, vpn),
    invalidate: (core, domain, vpn, pages, leavesOnly) => cores.invalidate(core, domain, vpn, pages, leavesOnly),
    invalidateDomain: (core, domain) => cores.invalidate(core, domain, 0, wholeDomain, false),
    release: (core, domain, vpn, pages) => cores.release(core, domain, vpn, pages),
    giveFrames: (core, domain, frame, count) => cores.giveFrames(core, domain, frame, count),
    freeAddress: (core, domain, vpn, pages) => cores.freeAddress(core, domain, vpn, pages),
    post: (core, ring, slot) => cores.post(core, ring, slot),
    wantBuffer: (ring, slot) => ring.empty.push(slot),
    allocateAddress: (core, domain, pages) => allocatorOf(domain).allocate(core, pages),
    takeFrames: (domain, count) => iommu.spaces.takeFrames(domain, count),
    wakeAt: (time) => events.push(time, EventKind.timer, 0),
    setRingEntry: (ring, slot, frame) => ringTables.set(ringAddress(ring.id, RingPart.data, slot), frame),
    invalidateRing: (core, ring) =>
      cores.invalidate(core, ring.domain, ringAddress(ring.id, RingPart.data, 0), ringSlots, true),
  };

  /** Memory of the ring itself: mapped for good, under every scheme. */
  function ownPages(domain: number, core: number, ring: number, part: number, bytes: number): number {
    const pages = 2 ** Math.ceil(Math.log2(Math.max(1, Math.ceil(bytes / 4096))));
    const frame = iommu.spaces.takeFrames(domain, pages);
    if (translation === 'ring') {
      ringTables.define(ring * 4 + part, 1);
      ringTables.set(ringAddress(ring, part, 0), frame);
      return ringAddress(ring, part, 0);
    }
    const vpn = allocatorOf(domain).allocate(core, pages);
    if (translation === 'tables')
      for (let page = 0; page < pages; page++) iommu.spaces.map(domain, vpn + page, frame + page, 1);
    return vpn;
  }

  function prepare(ring: Ring, slot: number): void {
    if (ring.isBare) cores.post(ring.core, ring.id, slot);
    else scheme!.prepare(ring, slot);
  }

  function raise(ring: Ring): void {
    ring.isPolled = true;
    ring.sinceInterrupt = 0;
    interrupts++;
    const arrives = device.up.send(events.now, messageBytes) + machine.pcieNs;
    events.push(arrives, EventKind.interruptMessage, ring.id);
  }

  return {
    operations,
    get interrupts() {
      return interrupts;
    },
    connect(instance) {
      scheme = instance;
    },
    open({ queue, descriptorBytes, completionBytes, isOfRecording, ...shape }) {
      usesRecording = isOfRecording;
      const { domain, slots } = shape;
      const id = rings.length;
      const core = machine.cores === 0 ? id : id % machine.cores;
      if (translation === 'ring') ringTables.define(id * 4, slots);
      const ring = createRing(id, {
        ...shape,
        core,
        descriptors: ownPages(domain, core, id, RingPart.descriptors, slots * descriptorBytes),
        completions: ownPages(domain, core, id, RingPart.completions, slots * completionBytes),
        headers: ownPages(domain, core, id, RingPart.headers, slots * 128),
      });
      rings.push(ring);
      cores.isSettingUp = true;
      for (let slot = 0; slot < slots; slot++) prepare(ring, slot);
      cores.isSettingUp = false;
      return ring;
    },
    ring: (id) => rings[id]!,
    posted: (ring, slot) => rings[ring]!.posted.push(slot),
    completed(id, slot, bytes) {
      const ring = rings[id]!;
      ring.bytes[slot] = bytes;
      ring.completed.push(slot);
      if (ring.isPolled) return;
      ring.sinceInterrupt++;
      if (ring.sinceInterrupt >= machine.moderationPackets || ring.posted.length === 0) raise(ring);
      else if (machine.moderationNs > 0 && !ring.isTimed) {
        ring.isTimed = true;
        events.push(events.now + machine.moderationNs, EventKind.moderation, id);
      }
    },
    poll(id) {
      const ring = rings[id]!;
      const count = Math.min(pollBudget, ring.completed.length);
      if (count === 0) {
        ring.isPolled = false;
        return;
      }
      for (let packet = 0; packet < count; packet++) {
        cores.spend(ring.core, machine.packetNs);
        const slot = ring.completed.shift();
        if (ring.isBare) ring.empty.push(slot);
        else scheme!.recycle(ring, slot);
      }
      if (!ring.isBare) scheme!.endOfBurst?.(ring);
      cores.refill(ring.core, id);
      cores.poll(ring.core, id);
    },
    refill(id) {
      const ring = rings[id]!;
      while (ring.empty.length > 0) prepare(ring, ring.empty.shift());
    },
    moderated(id) {
      const ring = rings[id]!;
      ring.isTimed = false;
      if (!ring.isPolled && ring.sinceInterrupt > 0) raise(ring);
    },
    messageArrived(id) {
      let handled = events.now;
      if (machine.interruptRemapping && remapping.lookup(0, id, 1) < 0) {
        handled = iommu.readLine(handled);
        remapping.fill(0, id, 1, 0);
      }
      events.push(handled + machine.interruptNs, EventKind.interrupt, id);
    },
    interrupted(id) {
      cores.poll(rings[id]!.core, id);
    },
    freeAddress: (core, domain, vpn, pages) => allocatorOf(domain).free(core, vpn, pages),
    interruptCounts: () => remapping.counts(),
  };
}
