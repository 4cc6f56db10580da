import type { PageLevel } from '../../machine/address.ts';
import type { Random } from '../../machine/random.ts';
import type { IoMachine } from './config.ts';
import type { EventQueue } from './event-queue.ts';
import { EventKind } from './events.ts';
import { Fifo } from './fifo.ts';
import type { Iommu } from './iommu.ts';
import { Link } from './link.ts';
import { Packets } from './packets.ts';
import { Prefetcher } from './prefetcher.ts';
import type { Probe } from './probe.ts';
import { RequestKind, type Requests } from './requests.ts';
import type { RingTables } from './ring-tables.ts';
import { PageCache, PartitionedCache } from './translation-cache.ts';
import { UtilityCache } from './utility-cache.ts';

/** Position of a request that is not of the input. */
const unnamed = -2;

interface Resources {
  readonly machine: IoMachine;
  readonly events: EventQueue;
  readonly requests: Requests;
  readonly iommu: Iommu;
  readonly ringTables: RingTables;
  readonly probe: Probe;
  readonly random: Random;
  readonly translation: 'none' | 'tables' | 'ring';
  /** The packet's last DMA is through. */
  onPacket(packet: number): void;
  /** Software maps the page that the device has asked for. */
  onPageRequest(domain: number, vpn: number, level: PageLevel): void;
}

/**
 * The device: packets wait in a receive buffer for room among the pending translations, each of their DMAs is translated (by the device's TLB
 * and ATS, or by the root complex) and passes PCI Express.
 */
export class Device {
  readonly packets: Packets;
  readonly tlb: PageCache;
  readonly prefetcher: Prefetcher;
  readonly up: Link;
  readonly down: Link;
  inFlight = 0;
  /** DMAs refused because nothing is mapped there, and pages asked for. */
  refused = 0;
  pageRequests = 0;
  readonly usesAts: boolean;
  readonly #resources: Resources;
  readonly #waiting = new Fifo();
  /** Without ATS and in order: what the root complex has still to look at. */
  readonly #arrivals = new Fifo();
  #isRootBusy = false;
  #isAdmitting = false;

  constructor(resources: Resources) {
    this.#resources = resources;
    const { machine, random, translation } = resources;
    const { pcieGbps, pciePayloadBytes, pcieHeaderBytes } = machine;
    const spread = machine.index === 'domain';
    this.packets = new Packets(machine.tenancy === 'pasid');
    this.usesAts = machine.ats && translation === 'tables';
    this.tlb = new PageCache(
      machine.utility
        ? new UtilityCache(machine.deviceTlb, machine.utilityInterval, spread)
        : new PartitionedCache(machine.deviceTlb, spread, random),
    );
    this.prefetcher = new Prefetcher(machine.prefetch, spread, random);
    this.up = new Link(pcieGbps, pciePayloadBytes, pcieHeaderBytes);
    this.down = new Link(pcieGbps, pciePayloadBytes, pcieHeaderBytes);
  }

  get hasRoom(): boolean {
    return this.#waiting.length < this.#resources.machine.receiveBuffer;
  }

  /** Whether packets are on their way. */
  get isBusy(): boolean {
    return this.packets.live > 0;
  }

  /** A packet has come and found room. */
  receive(packet: number): void {
    if (this.#resources.probe.position >= 0) this.#watch(packet);
    this.#waiting.push(packet);
    this.#admit();
  }

  /** Of a recording, a DMA is not made before the commands that its mapping takes have been carried out. */
  #watch(packet: number): void {
    const { events, requests, probe } = this.#resources;
    const arrival = this.packets.arrival[packet]!;
    for (let request = this.packets.first[packet]!; request !== -1; request = requests.next[request]!) {
      if (requests.position[request] !== probe.position) continue;
      probe.begin(request, arrival);
      if (events.now > arrival) probe.note(events.now, 'driver', "waits for the recording's commands");
    }
  }

  #admit(): void {
    // Without translation a DMA makes room at once: the loop goes on, it does not begin within itself.
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    const { machine } = this.#resources;
    while (this.#waiting.length > 0 && this.inFlight < machine.queueEntries) {
      const packet = this.#waiting.shift();
      for (let request = this.packets.first[packet]!; request !== -1; ) {
        const next = this.#resources.requests.next[request]!;
        this.inFlight++;
        this.#issue(request);
        request = next;
      }
    }
    this.#isAdmitting = false;
  }

  #issue(request: number): void {
    const { events, translation, machine, requests, probe } = this.#resources;
    if (request === probe.request)
      probe.note(events.now, 'receive buffer', events.now > probe.since ? 'waits for a pending translation' : 'empty');
    if (translation === 'none') {
      if (request === probe.request) probe.note(events.now, 'translation', 'none: the address is physical');
      this.#translated(request, events.now);
    } else if (this.usesAts) this.#lookup(request);
    else {
      const sent = this.up.send(events.now, requests.bytes[request]!);
      if (request === probe.request) this.#noteCrossing(this.up, sent, events.now, `${requests.bytes[request]} bytes`);
      events.push(sent + machine.pcieNs, EventKind.agent, request);
    }
  }

  /** The device's own TLB and prefetch buffer; else a translation request. */
  #lookup(request: number): void {
    const { events, machine, requests, probe } = this.#resources;
    const domain = requests.domain[request]!;
    const vpn = requests.vpn[request]!;
    let frame = this.tlb.lookup(domain, vpn);
    let where = 'device TLB';
    if (this.prefetcher.isOn) {
      const prefetched = this.prefetcher.lookup(domain, vpn);
      if (frame < 0 && prefetched >= 0) {
        frame = prefetched;
        where = 'prefetch buffer';
      }
    }
    const looked = events.now + machine.deviceTlbNs;
    if (request === probe.request) probe.note(looked, frame < 0 ? 'device TLB' : where, frame < 0 ? 'miss' : 'hit');
    if (frame >= 0) {
      requests.frame[request] = frame;
      requests.level[request] = 0;
      events.push(looked, EventKind.deviceAnswer, request);
    } else this.#ask(request, looked);
    if (this.prefetcher.isOn) this.#prefetch(domain, vpn, looked);
  }

  #ask(request: number, time: number): void {
    const { events, machine, probe } = this.#resources;
    const sent = this.up.send(time, 0);
    if (request === probe.request) this.#noteCrossing(this.up, sent, time, 'translation request');
    events.push(sent + machine.pcieNs, EventKind.agent, request);
  }

  /** What the DMA watched has just been given to a link: the wait for what was given before it, and the crossing. */
  #noteCrossing(link: Link, sent: number, wanted: number, what: string): void {
    const { probe, machine } = this.#resources;
    if (link.began > wanted) probe.note(link.began, 'PCI Express', 'waits for those before it');
    probe.note(sent + machine.pcieNs, 'PCI Express', what);
  }

  #prefetch(domain: number, vpn: number, time: number): void {
    const { requests } = this.#resources;
    const predicted = this.prefetcher.observe(domain, vpn);
    if (predicted < 0) return;
    for (const page of this.prefetcher.pagesOf(predicted)) {
      if (this.tlb.peek(predicted, page) >= 0 || !this.prefetcher.ask(predicted, page)) continue;
      const request = requests.create();
      requests.kind[request] = RequestKind.prefetch;
      requests.domain[request] = predicted;
      requests.requester[request] = this.packets.requesterOf(predicted);
      requests.pasid[request] = this.packets.pasidOf(predicted);
      requests.vpn[request] = page;
      requests.position[request] = unnamed;
      this.#ask(request, time);
    }
  }

  /** A request has crossed PCI Express. */
  atAgent(request: number): void {
    const { machine } = this.#resources;
    if (this.usesAts || !machine.inOrder) {
      this.#translate(request);
      return;
    }
    this.#arrivals.push(request);
    if (!this.#isRootBusy) this.#nextArrival();
  }

  #nextArrival(): void {
    this.#isRootBusy = this.#arrivals.length > 0;
    if (!this.#isRootBusy) return;
    const request = this.#arrivals.shift();
    const { events, probe } = this.#resources;
    if (request === probe.request) probe.note(events.now, 'root complex', 'those before it');
    this.#translate(request);
  }

  #translate(request: number): void {
    const { translation, iommu, ringTables, requests, events, machine, probe } = this.#resources;
    if (translation === 'tables') {
      iommu.arrive(request);
      return;
    }
    const address = requests.vpn[request]!;
    requests.frame[request] = ringTables.frameOf(address);
    const isHit = ringTables.lookup(address);
    const done = isHit ? events.now + machine.iotlbNs : iommu.readLine(events.now + machine.iotlbNs);
    // The entry after it is fetched ahead: a read that nobody waits for.
    iommu.readLine(done);
    if (request === probe.request) probe.note(done, 'ring entry', isHit ? 'hit' : 'miss: one read of the flat table');
    events.push(done, EventKind.answer, request);
  }

  /** The IOMMU has answered. */
  answered(request: number): void {
    const { events, machine, requests, probe } = this.#resources;
    if (this.usesAts) {
      const sent = this.down.send(events.now, 0);
      if (request === probe.request) this.#noteCrossing(this.down, sent, events.now, 'completion');
      events.push(sent + machine.pcieNs, EventKind.deviceAnswer, request);
      return;
    }
    if (requests.frame[request]! < 0 && this.#isAskedFor(request)) return;
    const passed = events.now + requests.bytes[request]! * machine.rootComplexNsPerByte;
    if (request === probe.request)
      probe.note(passed, 'root complex', requests.frame[request]! < 0 ? 'refused' : 'passed on');
    events.push(passed, EventKind.access, request);
  }

  /** The translation has come to the device, from afar or from its own TLB (level 0). */
  deviceAnswered(request: number): void {
    const { events, requests } = this.#resources;
    const frame = requests.frame[request]!;
    const level = requests.level[request]!;
    if (requests.kind[request] === RequestKind.prefetch) {
      this.prefetcher.arrived(requests.domain[request]!, requests.vpn[request]!, level, frame);
      requests.release(request);
      return;
    }
    if (frame < 0 && this.#isAskedFor(request)) return;
    if (frame >= 0 && level > 0) this.tlb.fill(requests.domain[request]!, requests.vpn[request]!, level, frame);
    this.#translated(request, events.now);
  }

  /** Page requests (PRI): the page is mapped, and the translation asked for again. */
  #isAskedFor(request: number): boolean {
    const { machine, events, probe } = this.#resources;
    if (machine.faults !== 'page-request') return false;
    this.pageRequests++;
    const sent = this.up.send(events.now, 0);
    if (request === probe.request) this.#noteCrossing(this.up, sent, events.now, 'page request');
    events.push(sent + machine.pcieNs + machine.pageRequestNs, EventKind.pageMapped, request);
    return true;
  }

  /** Software has mapped the page: its response crosses PCI Express. */
  pageMapped(request: number): void {
    const { machine, events, probe } = this.#resources;
    if (request === probe.request) probe.note(events.now, 'software', 'maps the page');
    const sent = this.down.send(events.now, 0);
    if (request === probe.request) this.#noteCrossing(this.down, sent, events.now, 'page response');
    events.push(sent + machine.pcieNs, EventKind.pageResponse, request);
  }

  pageResponded(request: number): void {
    const { requests, onPageRequest, events } = this.#resources;
    onPageRequest(
      requests.domain[request]!,
      requests.vpn[request]!,
      Math.max(1, requests.asked[request]!) as PageLevel,
    );
    if (this.usesAts) this.#ask(request, events.now);
    else this.#translate(request);
  }

  /** With ATS or without translation: the data follow. */
  #translated(request: number, time: number): void {
    const { events, machine, requests, probe } = this.#resources;
    const sent = this.up.send(time, requests.bytes[request]!);
    if (request === probe.request) this.#noteCrossing(this.up, sent, time, `${requests.bytes[request]} bytes`);
    events.push(sent + machine.pcieNs, EventKind.access, request);
    this.inFlight--;
    this.#admit();
  }

  /** A DMA is through, or refused. */
  accessed(request: number): void {
    const { requests, machine, onPacket, translation, probe } = this.#resources;
    const packet = requests.packet[request]!;
    if (request === probe.request) probe.request = -1;
    if (requests.frame[request]! < 0 && translation !== 'none') {
      this.refused++;
      this.packets.isRefused[packet] = 1;
    }
    requests.release(request);
    if (--this.packets.pending[packet]! === 0) onPacket(packet);
    if (this.usesAts || translation === 'none') return;
    this.inFlight--;
    if (machine.inOrder) this.#nextArrival();
    this.#admit();
  }

  /** What an invalidation does to the device's TLB. */
  invalidate(domain: number, vpn: number, pages: number): void {
    for (const cache of [this.tlb, this.prefetcher.buffer]) {
      if (pages === Number.POSITIVE_INFINITY) cache.invalidateDomain(domain);
      else cache.invalidate(domain, vpn, pages);
    }
  }

  /** Whether the device has a translation of the page. */
  holds(domain: number, vpn: number): boolean {
    return this.usesAts && (this.tlb.peek(domain, vpn) >= 0 || this.prefetcher.buffer.peek(domain, vpn) >= 0);
  }
}
