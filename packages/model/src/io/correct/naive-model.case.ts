import type { TranslationBlock } from '../compat/records.ts';
import type { IoMachine } from './config.ts';

/**
 * The same machine written so that one can see that it is right: processes that wait, sets of a cache as lists in order of use, tables as
 * plain maps. Slow, and only for recorded addresses that stay mapped (no driver, no invalidation, no prefetching).
 */
export interface NaiveResult {
  readonly timeNs: number;
  readonly lost: number;
  readonly delivered: number;
  readonly walks: number;
  readonly mergedWalks: number;
  readonly memoryReads: number;
  readonly latencySum: number;
  readonly caches: Readonly<Record<string, { hit: number; miss: number; conflict: number }>>;
}

class NaiveCache {
  hit = 0;
  miss = 0;
  conflict = 0;
  readonly sets: { key: string; value: number }[][][];
  readonly ways: number;
  readonly spread: boolean;
  /** Parts of domains above 48 bits of address, in the order in which they were first looked for. */
  readonly parts: string[] = [];

  constructor(shape: { entries: number; ways: number; partitions: number }, spread: boolean) {
    this.ways = shape.ways;
    this.spread = spread;
    const sets = shape.ways === 0 ? 0 : Math.max(1, Math.floor(shape.entries / shape.ways));
    this.sets =
      sets === 0
        ? []
        : Array.from({ length: shape.partitions }, () => Array.from({ length: sets / shape.partitions }, () => []));
  }

  /** The first of a page's sizes that is there counts as a hit, and becomes the most recent. */
  find(
    domain: number,
    regions: readonly { region: number; level: number }[],
  ): { value: number; level: number } | undefined {
    for (const { region, level } of regions) {
      const set = this.#setOf(domain, region, level);
      const at = set.findIndex(({ key }) => key === `${domain}/${region}/${level}`);
      if (at < 0) continue;
      const [entry] = set.splice(at, 1);
      set.push(entry!);
      this.hit++;
      return { value: entry!.value, level };
    }
    this.miss++;
    return undefined;
  }

  put(domain: number, region: number, level: number, value: number): void {
    if (this.sets.length === 0) return;
    const set = this.#setOf(domain, region, level);
    const key = `${domain}/${region}/${level}`;
    const known = set.find((entry) => entry.key === key);
    if (known !== undefined) {
      known.value = value;
      return;
    }
    if (set.length === this.ways) {
      set.shift();
      this.conflict++;
    }
    set.push({ key, value });
  }

  #setOf(domain: number, region: number, level: number): { key: string; value: number }[] {
    if (this.sets.length === 0) return [];
    const part = this.sets[domain % this.sets.length]!;
    const regions = BigInt(2) ** BigInt([0, 36, 27, 18, 9, 9][level]!);
    const place = ((this.spread ? BigInt(domain) * 2533n : 0n) + BigInt(region)) % regions;
    const firsts = [0n, 0n, 1n << 52n, (1n << 52n) + (1n << 44n), (1n << 52n) + (1n << 45n), (1n << 52n) + (1n << 46n)];
    const owner = this.#ownerOf(domain, BigInt(region) / regions);
    const gap = owner >= 65_536n && level === 1 ? 1n << 48n : 0n;
    return part[Number((firsts[level]! + owner * regions + place + gap) % BigInt(part.length))]!;
  }

  #ownerOf(domain: number, upper: bigint): bigint {
    if (upper === 0n) return BigInt(domain);
    const name = `${domain}/${upper}`;
    if (!this.parts.includes(name)) this.parts.push(name);
    return 65_536n + BigInt(this.parts.indexOf(name));
  }
}

const region = (vpn: number, level: number) => Math.floor(vpn / 512 ** (level - 1));
const sizes = (vpn: number) => [1, 2, 3].map((level) => ({ region: region(vpn, level), level }));

class NaiveFrames {
  next = 1;
  take(count: number): number {
    const first = Math.ceil(this.next / count) * count;
    this.next = first + count;
    return first;
  }
}

/** Leaves and tables of one dimension: tables by the level of their entries and the region that they cover, leaves alike. */
class NaiveTable {
  readonly tables = new Map<string, number>();
  readonly leaves = new Map<string, number>();
  readonly levels: number;
  constructor(levels: number, root: number) {
    this.levels = levels;
    this.tables.set(`${levels}/0`, root);
  }
  leaf(vpn: number): { level: number; frame: number } | undefined {
    for (const level of [3, 2, 1]) {
      const first = this.leaves.get(`${level}/${region(vpn, level)}`);
      if (first !== undefined) return { level, frame: first + (vpn % 512 ** (level - 1)) };
    }
    return undefined;
  }
  map(vpn: number, level: number, frame: number, take: () => number): void {
    for (let table = this.levels - 1; table >= level; table--) {
      const name = `${table}/${region(vpn, table + 1)}`;
      if (!this.tables.has(name)) this.tables.set(name, take());
    }
    this.leaves.set(`${level}/${region(vpn, level)}`, frame);
  }
}

interface Dma {
  domain: number;
  requester: number;
  pasid: number;
  vpn: number;
  bytes: number;
  packet: { arrival: number; left: number };
}

type Process = Iterator<number, void>;
/** Waits for somebody else to go on. */
const parked = Number.POSITIVE_INFINITY;

export function simulateNaively(machine: IoMachine, blocks: Iterable<TranslationBlock>): NaiveResult {
  const spread = machine.index === 'domain';
  const cache = (shape: { entries: number; ways: number; partitions: number }) => new NaiveCache(shape, spread);
  const caches = {
    CC: cache(machine.contextCache),
    PASID: cache(machine.pasidCache),
    DEVTLB: cache(machine.deviceTlb),
    IOTLB: cache(machine.iotlb),
    L2PAGE: cache(machine.l2Cache),
    L3PAGE: cache(machine.l3Cache),
    L4PAGE: cache(machine.l4Cache),
    L5PAGE: cache(machine.l5Cache),
    NESTED: cache(machine.nestedCache),
    HOSTL2: cache(machine.l2Cache),
    HOSTL3: cache(machine.l3Cache),
    HOSTL4: cache(machine.l4Cache),
    HOSTL5: cache(machine.l5Cache),
  };
  const tableCaches = [caches.L2PAGE, caches.L3PAGE, caches.L4PAGE, caches.L5PAGE];
  const hostCaches = [caches.HOSTL2, caches.HOSTL3, caches.HOSTL4, caches.HOSTL5];

  // Time: processes that wait for a moment, resumed in order of time, then of asking.
  let now = 0;
  let asked = 0;
  const pending: { time: number; order: number; process: Process }[] = [];
  const resume = (process: Process) => {
    const { value, done } = process.next();
    if (done !== true && value !== parked) pending.push({ time: value, order: asked++, process });
  };
  const runUntil = (time: number) => {
    for (;;) {
      const first = pending.sort((a, b) => a.time - b.time || a.order - b.order)[0];
      if (first === undefined || first.time > time) break;
      pending.shift();
      now = first.time;
      resume(first.process);
    }
    if (time !== Number.POSITIVE_INFINITY) now = time;
  };

  // PCI Express and memory: one after the other.
  const link = () => {
    let free = 0;
    return (time: number, bytes: number) => {
      const wire = bytes + Math.max(1, Math.ceil(bytes / machine.pciePayloadBytes)) * machine.pcieHeaderBytes;
      free = Math.max(time, free) + (wire * 8) / machine.pcieGbps;
      return free;
    };
  };
  const up = link();
  const down = link();
  let memoryFree = 0;
  let memoryReads = 0;
  const read = (time: number) => {
    const begin = Math.max(time, memoryFree);
    memoryFree = begin + 512 / machine.memoryGbps;
    memoryReads++;
    return begin + machine.memoryNs;
  };

  // Tables.
  const machineFrames = new NaiveFrames();
  const spaces = new Map<number, { table: NaiveTable; host: NaiveTable | undefined; frames: NaiveFrames }>();
  const hostLevel = machine.hostPages === '2m' ? 2 : 1;
  // Three levels are the part below one entry of four.
  const depth = Math.max(4, Number(machine.levels));
  const back = (host: NaiveTable, frame: number) => {
    if (host.leaf(frame) !== undefined) return;
    const size = 512 ** (hostLevel - 1);
    const taken = machineFrames.take(size);
    host.map(frame - (frame % size), hostLevel, taken, () => machineFrames.take(1));
  };
  const spaceOf = (domain: number) => {
    let space = spaces.get(domain);
    if (space !== undefined) return space;
    if (machine.dimensions === '1')
      space = { table: new NaiveTable(depth, machineFrames.take(1)), host: undefined, frames: machineFrames };
    else {
      const host = new NaiveTable(Number(machine.hostLevels), machineFrames.take(1));
      const frames = new NaiveFrames();
      const root = frames.take(1);
      back(host, root);
      space = { table: new NaiveTable(depth, root), host, frames };
    }
    spaces.set(domain, space);
    return space;
  };
  const ensure = (domain: number, vpn: number, wanted: number) => {
    const { table, host, frames } = spaceOf(domain);
    if (table.leaf(vpn) === undefined) {
      const isInTheWay = wanted > 1 && table.tables.has(`${wanted - 1}/${region(vpn, wanted)}`);
      const level = isInTheWay ? 1 : wanted;
      const frame = frames.take(512 ** (level - 1));
      table.map(vpn, level, frame, () => {
        const taken = frames.take(1);
        if (host !== undefined) back(host, taken);
        return taken;
      });
    }
    if (host !== undefined) back(host, table.leaf(vpn)!.frame);
  };

  // A walk: the reads, and what is put where when it is over.
  interface Plan {
    reads: number;
    fills: (() => void)[];
    frame: number;
    level: number;
  }
  const walkOf = (domain: number, vpn: number): Plan => {
    const { table, host } = spaceOf(domain);
    const plan: Plan = { reads: 0, fills: [], frame: -1, level: 1 };
    const descend = (
      of: NaiveTable,
      root: number,
      beside: NaiveCache[],
      page: number,
      before: (table: number) => void,
    ) => {
      let level = root;
      for (const cached of [2, 3, 4, 5]) {
        if (cached > root) break;
        if (beside[cached - 2]!.find(domain, [{ region: region(page, cached), level: cached }]) === undefined) continue;
        level = cached - 1;
        break;
      }
      const from = level;
      const leaf = of.leaf(page)!;
      for (; level >= leaf.level; level--) {
        if (level === root || level < from) before(of.tables.get(`${level}/${region(page, level + 1)}`)!);
        plan.reads++;
        const at = level;
        if (at > leaf.level) plan.fills.push(() => beside[at - 2]!.put(domain, region(page, at), at, 0));
      }
      return leaf;
    };
    const locate = (frame: number) => {
      if (host === undefined) return { frame, level: 3 };
      const known = caches.NESTED.find(domain, [{ region: frame, level: 1 }]);
      const leaf = host.leaf(frame)!;
      if (known !== undefined) return leaf;
      descend(host, host.levels, hostCaches, frame, () => {});
      plan.fills.push(() => caches.NESTED.put(domain, frame, 1, leaf.frame));
      return leaf;
    };
    const leaf = descend(table, Number(machine.levels), tableCaches, vpn, (frame) => locate(frame));
    const end = locate(leaf.frame);
    plan.frame = end.frame;
    plan.level = Math.min(leaf.level, end.level);
    return plan;
  };

  // The agent.
  let walks = 0;
  let mergedWalks = 0;
  let busy = 0;
  const forWalker: Process[] = [];
  interface Leader {
    readonly requester: number;
    readonly joined: Process[];
    level: number;
  }
  const leaders = new Map<string, Leader>();

  /** Comes back with the level of the leaf. */
  function* agent(dma: Dma, own: () => Process): Generator<number, number> {
    let prelude = 0;
    if (caches.CC.find(dma.requester, [{ region: 0, level: 1 }]) === undefined) prelude += 2;
    if (machine.scalable && caches.PASID.find(dma.requester, [{ region: dma.pasid, level: 1 }]) === undefined)
      prelude += 2;
    if (prelude === 0) {
      const hit = caches.IOTLB.find(dma.domain, sizes(dma.vpn));
      if (hit !== undefined) {
        yield now + machine.iotlbNs;
        return hit.level;
      }
    }
    const page = `${dma.domain}/${dma.vpn}`;
    const leader = leaders.get(page);
    if (leader !== undefined && leader.requester === dma.requester) {
      mergedWalks++;
      leader.joined.push(own());
      yield parked;
      return leader.level;
    }
    const me: Leader = { requester: dma.requester, joined: [], level: 0 };
    leaders.set(page, me);
    let time = now + machine.iotlbNs;
    if (busy === machine.walkers) {
      forWalker.push(own());
      yield parked;
      time = Math.max(now, time);
    } else busy++;
    let plan = prelude === 0 ? walkOf(dma.domain, dma.vpn) : undefined;
    for (let done = 0; done < prelude; done++) {
      yield read(time);
      time = now;
    }
    if (prelude > 0) {
      caches.CC.put(dma.requester, 0, 1, 0);
      if (machine.scalable) caches.PASID.put(dma.requester, dma.pasid, 1, 0);
      const hit = caches.IOTLB.find(dma.domain, sizes(dma.vpn));
      if (hit === undefined) plan = walkOf(dma.domain, dma.vpn);
      else me.level = hit.level;
    }
    if (plan !== undefined) {
      walks++;
      for (let done = 0; done < plan.reads; done++) {
        yield read(time);
        time = now;
      }
      for (const fill of plan.fills) fill();
      caches.IOTLB.put(dma.domain, region(dma.vpn, plan.level), plan.level, 0);
      me.level = plan.level;
    }
    leaders.delete(page);
    for (const process of me.joined) pending.push({ time: now, order: asked++, process });
    const next = forWalker.shift();
    if (next === undefined) busy--;
    else resume(next);
    return me.level;
  }

  // The root complex in order, and the device.
  const arrivals: Process[] = [];
  let isRootBusy = false;
  let inFlight = 0;
  let delivered = 0;
  let latencySum = 0;
  let last = 0;
  const waiting: Dma[][] = [];
  const admit = () => {
    while (waiting.length > 0 && inFlight < machine.queueEntries) {
      const packet = waiting.shift()!;
      for (const dma of packet) {
        inFlight++;
        const process: Process = machine.ats
          ? translatedByDevice(dma, () => process)
          : translatedByRoot(dma, () => process);
        resume(process);
      }
    }
  };
  const through = (dma: Dma) => {
    if (--dma.packet.left > 0) return;
    delivered++;
    latencySum += now - dma.packet.arrival;
    last = now;
  };
  function* translatedByDevice(dma: Dma, own: () => Process): Generator<number, void> {
    const looked = now + machine.deviceTlbNs;
    if (caches.DEVTLB.find(dma.domain, sizes(dma.vpn)) !== undefined) yield looked;
    else {
      yield up(looked, 0) + machine.pcieNs;
      const level = yield* agent(dma, own);
      yield down(now, 0) + machine.pcieNs;
      caches.DEVTLB.put(dma.domain, region(dma.vpn, level), level, 0);
    }
    resume(transfer(dma, up(now, dma.bytes) + machine.pcieNs));
    inFlight--;
    admit();
  }
  function* transfer(dma: Dma, time: number): Generator<number, void> {
    yield time;
    through(dma);
  }
  function* translatedByRoot(dma: Dma, own: () => Process): Generator<number, void> {
    yield up(now, dma.bytes) + machine.pcieNs;
    if (machine.inOrder && isRootBusy) {
      arrivals.push(own());
      yield parked;
    }
    isRootBusy = true;
    yield* agent(dma, own);
    yield now + dma.bytes * machine.rootComplexNsPerByte;
    through(dma);
    inFlight--;
    const next = arrivals.shift();
    if (next === undefined) isRootBusy = false;
    else resume(next);
    admit();
  }

  // Packets.
  let lost = 0;
  let linkFree = 0;
  let dmas: Dma[] = [];
  let packet = { arrival: 0, left: 0 };
  for (const block of blocks)
    for (let at = 0; at < block.length; at++) {
      const part = dmas.length;
      if (part === 0) packet = { arrival: linkFree, left: 3 };
      dmas.push({
        domain: block.did[at]!,
        requester: machine.tenancy === 'pasid' ? 0 : block.sid[at]!,
        pasid: machine.tenancy === 'pasid' ? block.did[at]! : 0,
        vpn: block.iovaHi[at]! * 2 ** 20 + Math.floor(block.iovaLo[at]! / 4096),
        bytes: part === 1 ? machine.packetBytes : 16,
        packet,
      });
      if (dmas.length < 3) continue;
      const levels = [at - 2, at - 1, at].map((record) => Math.max(1, block.level[record]!));
      runUntil(linkFree);
      linkFree = packet.arrival + (machine.packetBytes * 8) / machine.gbps;
      if (waiting.length >= machine.receiveBuffer) lost++;
      else {
        for (const [index, dma] of dmas.entries()) ensure(dma.domain, dma.vpn, levels[index]!);
        waiting.push(dmas);
        admit();
      }
      dmas = [];
    }
  runUntil(Number.POSITIVE_INFINITY);

  const counted = Object.fromEntries(
    Object.entries(caches).map(([name, { hit, miss, conflict }]) => [name, { hit, miss, conflict }]),
  );
  return {
    timeNs: Math.max(last, linkFree),
    lost,
    delivered,
    walks,
    mergedWalks,
    memoryReads,
    latencySum,
    caches: counted,
  };
}
