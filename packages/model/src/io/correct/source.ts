import type { PageLevel } from '../../machine/address.ts';
import { StrataError } from '../../machine/errors.ts';
import type { TranslationBlock } from '../compat/records.ts';
import type { PacketBlock, QueueShape } from './packet-block.ts';
import { everyDomain, type RecordedBlock, RecordedKind } from './recorded-block.ts';
import { createRecording, frameOfEntry } from './recording.ts';
import { RequestKind } from './requests.ts';
import { RingPart, ringAddress } from './ring-tables.ts';
import type { Ring } from './rings.ts';
import type { IoModel } from './simulate.ts';

/** What the input offers: packets at their times, and the DMAs that each makes. */
export interface Source {
  /** Translations issued, those of lost packets left out. */
  readonly translations: number;
  readonly lostToBuffer: number;
  readonly lostToQueue: number;
  /** When the link had carried all packets offered. */
  readonly offeredNs: number;
  feed(block: TranslationBlock): void;
  feedRecorded(block: RecordedBlock): void;
  feedPackets(block: PacketBlock): void;
  /** A DMA is through. */
  through(domain: number, vpn: number): void;
  /** A last packet of fewer translations goes out too. */
  end(): void;
}

interface Clock {
  advance(time: number): void;
  /** One event; false when there is none. */
  step(): boolean;
}

const partsPerPacket = 3;
const dataName = 'data buffer';
const partNames = ['descriptor (ring)', dataName, 'completion (mailbox)'];
/** Of a packet of a trace: descriptor, data, completion (specs/io.md 5). */
const dataPart = 1;
const entryBytes = 16;
const pageBytes = 4096;
/** Bits of address by levels of tables. */
const addressBits = { 3: 39, 4: 48, 5: 57 } as const;
/** Leaves of 512 GiB are none of any IOMMU. */
const highestLevel = 3;
/** Position of a DMA that `explain` cannot name: a further page of one that it can. */
const unnamed = -2;

export function createSource(model: IoModel, clock: Clock, queues: QueueShape | undefined): Source {
  const { machine, scheme, requests, device, driver, events, iommu, latencies } = model;
  const { packets } = device;
  const replays = scheme.replays === true;
  const recording = createRecording(model, clock);
  const rings = new Map<number, Ring>();
  let translations = 0;
  let position = 0;
  let lostToBuffer = 0;
  let lostToQueue = 0;
  let linkFree = 0;

  /** The packet being put together from translations of a trace. */
  let part = 0;
  let packet = -1;
  /** Of a log: the packet that each domain is putting together. */
  const unfinished = new Map<number, { part: number; packet: number }>();

  /**
   * Lets time pass up to the arrival of a packet. Returns it, or -1 when it is lost.
   * @param atNs -1 = as soon as the link is free
   */
  function arrive(domain: number, bytes: number, atNs: number, ring: Ring | undefined): number {
    const wireNs = (bytes * 8) / machine.gbps;
    let arrival = Math.max(atNs, linkFree);
    clock.advance(arrival);
    const hasBuffer = () => ring === undefined || ring.posted.length > 0;
    if (machine.arrival === 'backlog')
      while (!(device.hasRoom && hasBuffer()) && clock.step()) arrival = Math.max(arrival, events.now);
    if (ring?.transmits !== true) linkFree = arrival + wireNs;
    if (device.hasRoom && hasBuffer()) return packets.create(arrival, domain, bytes);
    if (device.hasRoom) lostToQueue++;
    else lostToBuffer++;
    latencies.lose(domain);
    return -1;
  }

  /** Adds a DMA to the packet, in front of those that it has: `reversed` puts them right. */
  function addAccess(packet: number, part: string, vpn: number, bytes: number, at: number, level: number): void {
    const domain = packets.domain[packet]!;
    const request = requests.create();
    requests.kind[request] = RequestKind.demand;
    requests.domain[request] = domain;
    requests.requester[request] = packets.requesterOf(domain);
    requests.pasid[request] = packets.pasidOf(domain);
    requests.vpn[request] = vpn;
    if (at === model.probe.position) {
      const requester = packets.requesterOf(domain);
      const pasid = packets.pasidOf(domain);
      const ring = packets.ring[packet]!;
      model.probe.subject = { part, domain, requester, pasid, vpn, bytes, ring, slot: packets.slot[packet]! };
    }
    requests.bytes[request] = bytes;
    requests.packet[request] = packet;
    requests.frame[request] = -1;
    requests.asked[request] = level;
    requests.position[request] = at;
    requests.next[request] = packets.first[packet]!;
    packets.first[packet] = request;
    packets.pending[packet]!++;
    translations++;
    if (replays) recording.issued(domain, vpn);
  }

  function send(packet: number): void {
    let reversed = -1;
    for (let request = packets.first[packet]!; request !== -1; ) {
      const next = requests.next[request]!;
      requests.next[request] = reversed;
      reversed = request;
      request = next;
    }
    packets.first[packet] = reversed;
    device.receive(packet);
  }

  function ringOf(
    domain: number,
    queue: number,
    shape: Omit<Parameters<typeof driver.open>[0], 'domain' | 'queue' | 'requester' | 'pasid'>,
  ): Ring {
    const key = domain * 65_536 + queue;
    let ring = rings.get(key);
    if (ring === undefined) {
      const requester = packets.requesterOf(domain);
      ring = driver.open({ ...shape, domain, queue, requester, pasid: packets.pasidOf(domain) });
      rings.set(key, ring);
    }
    return ring;
  }

  const usesRecordedBuffers = scheme.recordedLevel !== undefined;
  /** Without rings a recording's packets cost no core anything. */
  const usesRings = !usesRecordedBuffers || machine.packetNs > 0;
  const recordedShape = {
    slots: machine.ringSlots,
    bufferPages: pagesOf(machine.packetBytes),
    transmits: false,
    isBare: usesRecordedBuffers,
    descriptorBytes: entryBytes,
    completionBytes: entryBytes,
    isOfRecording: true,
  };

  /** A page of the recording: mapped all along, where it says if it does, unless it is to be asked for. */
  function recorded(domain: number, vpn: number, level: number, frame: number): number {
    if (scheme.translation !== 'tables' || (machine.faults !== 'block' && !replays)) return vpn;
    if (iommu.spaces.areImported) iommu.spaces.mapImported(domain, vpn);
    else if (frame < 0 || level > highestLevel) iommu.spaces.ensure(domain, vpn, level as PageLevel);
    else {
      if (replays || iommu.spaces.of(domain).table.translate(vpn) === -1) remap(domain, vpn, level, frame);
      iommu.spaces.back(domain, vpn);
    }
    return vpn;
  }

  function remap(domain: number, vpn: number, level: number, frame: number): void {
    if (!recording.differs(domain, vpn, level, frame)) return;
    // DMAs of the same packet to the old mapping go first.
    if (packet >= 0 && packets.first[packet] !== -1) {
      send(packet);
      packet = begin(domain);
    }
    recording.remap(domain, vpn, level, frame);
    // The packets behind wait as long as the driver did.
    linkFree = Math.max(linkFree, events.now);
  }

  function record(block: TranslationBlock, at: number): void {
    const domain = block.did[at]!;
    if (part === 0) {
      packets.identify(domain, block.sid[at]!);
      packet = begin(domain);
    }
    if (packet >= 0) recordedAccess(block, at);
    position++;
    if (++part === partsPerPacket) endPacket();
  }

  function begin(domain: number): number {
    const ring = usesRings ? ringOf(domain, 0, recordedShape) : undefined;
    const made = arrive(domain, machine.packetBytes, -1, ring);
    if (made >= 0 && ring !== undefined) {
      packets.ring[made] = ring.id;
      packets.slot[made] = ring.posted.shift();
    }
    return made;
  }

  function recordedAccess(block: TranslationBlock, at: number): void {
    const hi = block.iovaHi[at]!;
    const bits = addressBits[machine.levels];
    if (hi >= 2 ** (bits - 32))
      throw new StrataError({
        code: 'io.iova-range',
        what: `an I/O address above ${bits} bits: 0x${(BigInt(hi) * 2n ** 32n + BigInt(block.iovaLo[at]!)).toString(16)}`,
        where: `translation ${position}`,
        expected: `addresses of tables of ${machine.levels} levels`,
        mend:
          machine.levels === '5'
            ? 'No table of an IOMMU reaches that far: check the recording, or use --mode compat, whose model has no tables.'
            : `Use --set levels=${machine.levels === '3' ? '4 or levels=5' : '5'}, or --mode compat, whose model has no tables.`,
      });
    const vpn = hi * 2 ** 20 + (block.iovaLo[at]! >>> 12);
    const bytes = part === dataPart ? machine.packetBytes : entryBytes;
    const level = Math.max(1, part === dataPart && scheme.recordedLevel === 2 ? 2 : block.level[at]!);
    const ring = packets.ring[packet]!;
    const name = partNames[part]!;
    if (part === dataPart && !usesRecordedBuffers) bufferAccesses(packet, driver.ring(ring), bytes, position);
    else if (scheme.translation === 'ring')
      addAccess(
        packet,
        name,
        part === 0 ? driver.ring(ring).descriptors : driver.ring(ring).completions,
        bytes,
        position,
        1,
      );
    else {
      recorded(block.did[at]!, vpn, level, frameOfEntry(block.entryLo[at]!, block.entryHi[at]!));
      // The packet may be another by now, or lost.
      if (packet >= 0) addAccess(packet, name, vpn, bytes, position, level);
    }
  }

  /** One DMA per 4 KiB page of the buffer; one for all where a ring's entry covers it. */
  function bufferAccesses(packet: number, ring: Ring, bytes: number, at: number): void {
    const slot = packets.slot[packet]!;
    if (scheme.translation === 'ring') {
      addAccess(packet, dataName, ringAddress(ring.id, RingPart.data, slot), bytes, at, 1);
      return;
    }
    const vpn = ring.vpn[slot]!;
    for (let page = 0; page * pageBytes < Math.max(1, bytes); page++)
      addAccess(
        packet,
        dataName,
        vpn + page,
        Math.min(pageBytes, bytes - page * pageBytes),
        page === 0 ? at : unnamed,
        1,
      );
  }

  /** Commands go between the packets of their domain: what it has put together until then is sent. */
  function recordedCommand(block: RecordedBlock, at: number): void {
    if (!replays) return;
    const domain = block.did[at]!;
    const isOfAll = domain === everyDomain || block.kind[at] === RecordedKind.contextInvalidated;
    for (const own of isOfAll ? unfinished.keys() : [domain]) endUnfinished(own);
    recording.apply(block, at);
    linkFree = Math.max(linkFree, events.now);
  }

  function endUnfinished(domain: number): void {
    const own = unfinished.get(domain);
    if (own === undefined) return;
    if (own.packet >= 0) send(own.packet);
    own.packet = -1;
    own.part = 0;
  }

  function recordedElement(block: RecordedBlock, at: number): void {
    if (block.kind[at] !== RecordedKind.translation) {
      recordedCommand(block, at);
      return;
    }
    const domain = block.did[at]!;
    let own = unfinished.get(domain);
    if (own === undefined) {
      own = { part: 0, packet: -1 };
      unfinished.set(domain, own);
    }
    part = own.part;
    packet = own.packet;
    record(block, at);
    own.part = part;
    own.packet = packet;
  }

  function endPacket(): void {
    part = 0;
    if (packet >= 0) send(packet);
    packet = -1;
  }

  function queued(block: PacketBlock, at: number, shape: QueueShape): void {
    const domain = block.did[at]!;
    const queue = block.queue[at]!;
    const bytes = block.bytes[at]!;
    packets.identify(domain, block.sid[at]!);
    const ring = ringOf(domain, queue, {
      slots: shape.slots,
      bufferPages: pagesOf(shape.bufferBytes),
      transmits: queue >= shape.receiveQueues,
      isBare: false,
      descriptorBytes: shape.descriptorBytes,
      completionBytes: shape.completionBytes,
      isOfRecording: false,
    });
    const made = arrive(domain, bytes, block.arrivalNs[at]!, ring);
    if (made < 0) {
      position++;
      return;
    }
    packets.ring[made] = ring.id;
    packets.slot[made] = ring.posted.shift();
    const use = ring.used++;
    const slot = use % ring.slots;
    const page = (own: number, bytesPerSlot: number) =>
      scheme.translation === 'ring' ? own : own + Math.floor((slot * bytesPerSlot) / pageBytes);
    if (use % shape.descriptorsPerRead === 0)
      addAccess(
        made,
        'descriptors',
        page(ring.descriptors, shape.descriptorBytes),
        shape.descriptorsPerRead * shape.descriptorBytes,
        position++,
        1,
      );
    const head = Math.min(block.headerBytes[at]!, bytes);
    if (head > 0) addAccess(made, 'header', page(ring.headers, 128), head, position++, 1);
    if (shape.hasPageLists && bytes > 2 * pageBytes)
      addAccess(made, 'list of pages', page(ring.headers, 128), 8 * pagesOf(bytes), position++, 1);
    if (bytes > head) bufferAccesses(made, ring, bytes - head, position++);
    addAccess(made, 'completion', page(ring.completions, shape.completionBytes), shape.completionBytes, position++, 1);
    send(made);
  }

  return {
    get translations() {
      return translations;
    },
    get lostToBuffer() {
      return lostToBuffer;
    },
    get lostToQueue() {
      return lostToQueue;
    },
    get offeredNs() {
      return linkFree;
    },
    feed(block) {
      for (let at = 0; at < block.length; at++) record(block, at);
    },
    feedRecorded(block) {
      for (let at = 0; at < block.length; at++) recordedElement(block, at);
    },
    through(domain, vpn) {
      if (replays) recording.through(domain, vpn);
    },
    feedPackets(block) {
      if (queues === undefined) throw new Error('packets of queues without the shape of their queues');
      for (let at = 0; at < block.length; at++) queued(block, at, queues);
    },
    end() {
      if (unfinished.size > 0) for (const domain of unfinished.keys()) endUnfinished(domain);
      else if (part > 0) endPacket();
    },
  };
}

function pagesOf(bytes: number): number {
  return Math.max(1, 2 ** Math.ceil(Math.log2(Math.ceil(bytes / pageBytes))));
}
