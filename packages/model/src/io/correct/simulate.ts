import type { Spec, ValuesOf } from '../../machine/fields.ts';
import { createRandom } from '../../machine/random.ts';
import type { TranslationBlock } from '../compat/records.ts';
import type { ProtectionScheme, SchemeInstance } from '../schemes/scheme.ts';
import type { IoMachine } from './config.ts';
import { Cores } from './cores.ts';
import { Device } from './device.ts';
import { createDriver, type Driver } from './driver.ts';
import { createDriverCommands, type DriverCommands } from './driver-commands.ts';
import { EventQueue } from './event-queue.ts';
import { EventKind } from './events.ts';
import { Exposure } from './exposure.ts';
import { checkImportedTables, type ImportedTables } from './imported-tables.ts';
import { contextEntry, hypervisor, InvalidationQueue, wholeDomain } from './invalidation-queue.ts';
import { Iommu } from './iommu.ts';
import { fairnessOf, LatencyTable } from './latency.ts';
import type { PacketBlock, QueueShape } from './packet-block.ts';
import { Probe } from './probe.ts';
import type { RecordedBlock } from './recorded-block.ts';
import { Requests } from './requests.ts';
import type { CorrectIoResult } from './result.ts';
import { RingTables, ringSlots } from './ring-tables.ts';
import { createSource, type Source } from './source.ts';

/** Memory that a hypervisor takes from a VM with a passed-through device: one command of the invalidation queue, waited for. */
export interface Unmap {
  readonly timeNs: number;
  readonly domain: number;
  readonly vpn: number;
  readonly pages: number;
}

export interface IoSimulationInput {
  readonly machine: IoMachine;
  readonly scheme: ProtectionScheme;
  /** Of the scheme, resolved. */
  readonly values: ValuesOf<Spec>;
  /** Packets and commands of queues; absent for traces, which have translations. */
  readonly queues?: QueueShape;
  readonly seed?: number;
  /** Watches the translation at that position of the input. */
  readonly probe?: Probe;
  readonly observer?: IoObserver;
  /**
   * In the order of their times; one begins when the one before it has been carried out. The memory is free in the guest: what the IOMMU has
   * cached of it goes, the tables of what the trace uses stay.
   */
  readonly unmaps?: readonly Unmap[];
  /** The input names frames of its own. */
  readonly hasRecording?: boolean;
  /** Walked in place of tables of the model's own (`checkImportedTables` says with what). */
  readonly tables?: ImportedTables | undefined;
}

/** Told of what tests look at; nothing in a simulation depends on it. */
export interface IoObserver {
  /** A DMA has got through with that frame (-1 = refused). */
  accessed?(domain: number, vpn: number, frame: number, time: number): void;
  /** Memory went back to the operating system. */
  released?(domain: number, vpn: number, time: number): void;
}

export interface CorrectIoSimulation {
  /** Translations of a trace, three to a packet, at link rate. */
  feed(block: TranslationBlock): void;
  /** DMAs and commands of a log, in its order; three DMAs of a domain to a packet. */
  feedRecorded(block: RecordedBlock): void;
  /** Packets of queues. */
  feedPackets(block: PacketBlock): void;
  finish(): CorrectIoResult;
  /** Whether a device that should not would get through to the page now. */
  isReachable(domain: number, vpn: number): boolean;
  /** The frame that the tables say now, -1 = none. */
  frameOf(domain: number, vpn: number): number;
}

const bitsPerByte = 8;
/** Gb/s to Mb/s. */
const mega = 1000;

/** Everything of a run that the parts share. */
export interface IoModel {
  readonly machine: IoMachine;
  readonly scheme: ProtectionScheme;
  readonly events: EventQueue;
  readonly requests: Requests;
  readonly probe: Probe;
  readonly iommu: Iommu;
  readonly ringTables: RingTables;
  readonly device: Device;
  readonly driver: Driver;
  readonly latencies: LatencyTable;
  readonly commands: DriverCommands;
  readonly observer: IoObserver | undefined;
}

/**
 * Discrete events: what devices, walkers, cores and the invalidation queue do happens in one order of time, equal times in the order in which
 * they were scheduled. No randomness but the seed; the result does not depend on how the input is cut into blocks.
 */
export function createIoSimulation(input: IoSimulationInput): CorrectIoSimulation {
  const {
    machine,
    scheme,
    values,
    observer,
    probe = new Probe(-1),
    seed = 42,
    unmaps = [],
    hasRecording = false,
    tables,
  } = input;
  if (tables !== undefined) checkImportedTables(machine, scheme, input.queues !== undefined);
  const random = createRandom(seed);
  const events = new EventQueue();
  const requests = new Requests();
  const iommu = new Iommu(machine, events, requests, probe, random, { hasRecording, tables });
  const ringTables = new RingTables(machine.iotlb, random);
  const latencies = new LatencyTable();
  const exposure = new Exposure(scheme.promises.kind === 'none');
  let last = 0;
  let delivered = 0;
  let deliveredBytes = 0;
  let refused = 0;

  const device = new Device({
    machine,
    events,
    requests,
    iommu,
    ringTables,
    probe,
    random,
    translation: scheme.translation,
    onPacket,
    onPageRequest: (domain, vpn, level) => iommu.spaces.ensure(domain, vpn, level),
  });
  const cores = new Cores(events, {
    map(domain, vpn, frame, level) {
      if (scheme.translation === 'tables') iommu.spaces.map(domain, vpn, frame, level);
    },
    unmap: (domain, vpn) => iommu.spaces.unmap(domain, vpn),
    release(domain, vpn, pages) {
      for (let page = vpn; page < vpn + pages; page++) {
        exposure.release(domain, page, events.now, isReachable(domain, page));
        observer?.released?.(domain, page, events.now);
      }
    },
    giveFrames: (domain, frame, count) => iommu.spaces.giveFrames(domain, frame, count),
    freeAddress: (core, domain, vpn, pages) => driver.freeAddress(core, domain, vpn, pages),
    post: (ring, slot) => driver.posted(ring, slot),
    poll: (ring) => driver.poll(ring),
    refill: (ring) => driver.refill(ring),
  });
  const queue = new InvalidationQueue({
    machine,
    events,
    iommu,
    toDevice: device.usesAts
      ? (command) =>
          events.push(device.down.send(events.now, 0) + machine.pcieNs, EventKind.deviceInvalidation, command)
      : undefined,
    invalidate(domain, vpn, pages, leavesOnly) {
      if (pages === contextEntry) iommu.invalidateContext(vpn);
      else if (scheme.translation === 'ring') ringTables.invalidate(Math.floor(vpn / ringSlots));
      else if (pages === wholeDomain) iommu.invalidateDomain(domain);
      else iommu.invalidate(domain, vpn, pages, leavesOnly);
    },
    onCompleted(core, domain, vpn, pages) {
      exposure.close(domain, vpn, pages, events.now);
      if (core === hypervisor) commands.completed();
      else cores.invalidated(core);
    },
    resume: (core, time) => events.push(time, core === hypervisor ? EventKind.unmap : EventKind.core, core),
  });
  cores.connect(queue);
  const commands = createDriverCommands(events, () => queue, unmaps);
  const driver: Driver = createDriver({
    machine,
    events,
    cores,
    iommu,
    ringTables,
    device,
    translation: scheme.translation,
  });
  const instance: SchemeInstance = scheme.create(values, driver.operations);
  driver.connect(instance);

  const model: IoModel = {
    machine,
    scheme,
    events,
    requests,
    probe,
    iommu,
    ringTables,
    device,
    driver,
    latencies,
    commands,
    observer,
  };
  const source: Source = createSource(model, { advance, step }, input.queues);

  function isReachable(domain: number, vpn: number): boolean {
    if (scheme.translation === 'none') return true;
    if (scheme.translation === 'ring') return ringTables.isReachable(vpn);
    return (
      iommu.spaces.of(domain).table.translate(vpn) !== -1 ||
      iommu.iotlb.peek(domain, vpn) >= 0 ||
      device.holds(domain, vpn)
    );
  }

  function onPacket(packet: number): void {
    const { packets } = device;
    const { now } = events;
    const domain = packets.domain[packet]!;
    const bytes = packets.bytes[packet]!;
    if (packets.isRefused[packet] === 1) {
      refused++;
      latencies.lose(domain);
    } else {
      delivered++;
      const ring = packets.ring[packet]!;
      // The rate is the link's towards the device; acknowledgements go the other way.
      if (ring < 0 || !driver.ring(ring).transmits) deliveredBytes += bytes;
      latencies.deliver(domain, now - packets.arrival[packet]!, bytes);
    }
    last = now;
    const ring = packets.ring[packet]!;
    if (ring >= 0) driver.completed(ring, packets.slot[packet]!, bytes);
    packets.release(packet);
  }

  function step(): boolean {
    if (events.length === 0) return false;
    events.pop();
    const { argument } = events;
    switch (events.kind) {
      case EventKind.agent:
        device.atAgent(argument);
        break;
      case EventKind.read:
        iommu.readDone(argument);
        break;
      case EventKind.answer:
        device.answered(argument);
        break;
      case EventKind.deviceAnswer:
        device.deviceAnswered(argument);
        break;
      case EventKind.access:
        observer?.accessed?.(
          requests.domain[argument]!,
          requests.vpn[argument]!,
          requests.frame[argument]!,
          events.now,
        );
        source.through(requests.domain[argument]!, requests.vpn[argument]!);
        device.accessed(argument);
        break;
      case EventKind.invalidation:
        queue.carryOut();
        break;
      case EventKind.deviceInvalidation:
        device.invalidate(queue.domain[argument]!, queue.vpn[argument]!, queue.pages[argument]!);
        events.push(device.up.send(events.now, 0) + machine.pcieNs, EventKind.deviceAcknowledged, argument);
        break;
      case EventKind.deviceAcknowledged:
        queue.complete(argument);
        break;
      case EventKind.core:
        cores.run(argument);
        break;
      case EventKind.moderation:
        driver.moderated(argument);
        break;
      case EventKind.interruptMessage:
        driver.messageArrived(argument);
        break;
      case EventKind.interrupt:
        driver.interrupted(argument);
        break;
      case EventKind.pageMapped:
        device.pageMapped(argument);
        break;
      case EventKind.pageResponse:
        device.pageResponded(argument);
        break;
      case EventKind.unmap:
        commands.run(argument);
        break;
      case EventKind.timer:
        instance.timer?.();
        break;
    }
    return true;
  }

  function advance(time: number): void {
    while (events.nextTime <= time) step();
    events.now = time;
  }

  function finish(): CorrectIoResult {
    source.end();
    // What is on its way arrives; timers of schemes that would come after it are not waited for.
    while (device.isBusy && step());
    const offeredNs = source.offeredNs;
    const timeNs = Math.max(last, offeredNs);
    while (cores.isWorking && step());
    while (scheme.replays === true && commands.isBusy && step());
    return resultOf(timeNs);
  }

  function resultOf(timeNs: number): CorrectIoResult {
    const mbps = timeNs === 0 ? 0 : (deliveredBytes * bitsPerByte * mega) / timeNs;
    const tenants = latencies.tenants();
    const counts = iommu.counts();
    const { translations, lostToBuffer, lostToQueue } = source;
    const [, , l2, l3, l4, l5] = iommu.caches.tables;
    const [, , hostL2, hostL3, hostL4, hostL5] = iommu.caches.hostTables;
    return {
      timeNs,
      translations,
      packetsDropped: lostToBuffer + lostToQueue + refused,
      losses: { receiveBuffer: lostToBuffer, noDescriptor: lostToQueue, refused },
      packetsDelivered: delivered,
      mbps,
      utilization: mbps / (machine.gbps * mega),
      caches: {
        CC: iommu.context.counts(),
        PASID: iommu.pasids.counts(),
        DEVTLB: device.tlb.counts(),
        IOTLB: iommu.iotlb.counts(),
        L2PAGE: l2!.counts(),
        L3PAGE: l3!.counts(),
        L4PAGE: l4!.counts(),
        L5PAGE: l5!.counts(),
        NESTED: iommu.caches.nested.counts(),
        HOSTL2: hostL2!.counts(),
        HOSTL3: hostL3!.counts(),
        HOSTL4: hostL4!.counts(),
        HOSTL5: hostL5!.counts(),
        RING: ringTables.counts(),
        INTERRUPT: driver.interruptCounts(),
      },
      ...counts,
      readsPerTranslation: translations === 0 ? 0 : counts.memoryReads / translations,
      readsPer4KiB: deliveredBytes === 0 ? 0 : (counts.memoryReads * 4096) / deliveredBytes,
      pageRequests: device.pageRequests,
      refusedAccesses: device.refused,
      interrupts: driver.interrupts,
      invalidations: queue.counts(timeNs).commands,
      invalidationQueue: queue.counts(timeNs),
      vulnerabilityWindowNs: exposure.result(),
      coresBusy: cores.busyShare(Math.max(timeNs, events.now)),
      pcieBytes: { up: device.up.bytes, down: device.down.bytes },
      prefetch: device.prefetcher.counts(),
      tenants,
      fairness: fairnessOf(tenants),
    };
  }

  return {
    feed: (block) => source.feed(block),
    feedRecorded: (block) => source.feedRecorded(block),
    feedPackets: (block) => source.feedPackets(block),
    finish,
    isReachable,
    frameOf: (domain, vpn) =>
      scheme.translation === 'ring' ? ringTables.frameOf(vpn) : iommu.spaces.translate(domain, vpn),
  };
}
