import { type CompatCacheConfig, type CompatCacheCounts, SetIndex } from './cache.ts';
import { type CompatIoConfig, type DeviceTlbPolicy, domainCount, packetIntervalNs } from './model.ts';

export interface Global {
  value: number;
}

export interface KernelExports extends Readonly<Record<'position' | 'length' | 'epoch' | 'now', Global>> {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** Zeroed bytes behind those given out so far, from an address that 64 divides. */
  alloc(bytes: number): number;
  newNodes(capacity: number): number;
  run(): number;
  finish(): number;
}

/** Bytes of an element, and the names that the module gives the columns. */
export const columns = {
  sids: 2,
  dids: 2,
  levels: 1,
  iovaLo: 4,
  iovaHi: 4,
  maskLo: 4,
  maskHi: 4,
  nextAccess: 8,
} as const;
export type ColumnName = keyof typeof columns;
export const columnNames = Object.keys(columns) as ColumnName[];
/** Records taken at a time; two more may be left from the time before. */
export const columnRecords = 8192;

export type CacheName = keyof typeof caches;

/** Where the module finds what, for one configuration: numbers that become part of its code. */
export interface KernelLayout {
  readonly constants: Readonly<Record<string, number>>;
  readonly columns: Readonly<Record<ColumnName, number>>;
  readonly flows: number;
  readonly caches: Readonly<Record<CacheName, CacheLayout>>;
  /** Behind the last address. */
  readonly end: number;
}

interface CacheLayout extends CacheFields {
  readonly sets: number;
}

/** Addresses and offsets are those at the head of kernel.wat. */
const queues = [64, 96, 128, 160];
const queueNodes = 256;
const caches = { IOTLB: 256, L2PAGE: 384, L3PAGE: 512, buffer: 640, CC: 768 } as const;
const firstFree = 1472;
const never = 0x7fffffff;
const largestQueue = 0x7fffffff;
const policies: Readonly<Record<DeviceTlbPolicy, number>> = { lru: 0, lfu: 1, oracle: 2 };
/** LRU of more ways than have room in a vector of ages. */
const manyWaysLru = 3;
const agedWays = 16;
const noAge = 127;
/** Numbers by which the module asks for victims. */
export const contextNumber = 0;
const deviceTlbNumber = 1;
const tagBytes = 16;
const keptBytes = 8;
const countsPerStep = 8;
export const flowBytes = 32;

const countersAt = 1024;
const counterNames = [
  'issued',
  'dropped',
  'accesses',
  'correct',
  'incorrect',
  'made',
  'newMap',
  'sameSid',
  'diffSid',
  'fill',
  'fillSame',
  'bufferHit',
  'historyHit',
  'sids',
] as const;

/** Words of a queue. */
const Queue = { nodes: 0, firstTime: 2, capacity: 3 } as const;
/** Bytes from a cache to what it keeps. */
const fields = {
  ways: 0,
  rowBytes: 4,
  rows: 8,
  tags: 12,
  slotOfContext: 12,
  kept: 16,
  countBytes: 20,
  contextOfSlot: 24,
  domains: 28,
  number: 32,
  setBits: 36,
  partitionMask: 40,
  policy: 44,
  firstDid: 72,
  partitionBits: 72,
  endDid: 76,
} as const;
type CacheFields = Readonly<Partial<Record<keyof typeof fields, number>>>;
const missesAt = 56;
const oldestAt = 96;
/** Bytes of a row. */
const Row = { accesses: 24, signatures: 32 } as const;
const signatureBytes = 2;

type Alloc = (bytes: number) => number;

/** @throws StrataError `io.cache-geometry` */
export function layOut(config: CompatIoConfig): KernelLayout {
  let end = firstFree;
  const alloc: Alloc = (bytes) => {
    const at = end;
    end = roundedUp(at + bytes, 64);
    return at;
  };
  const { prefetch, selective, deviceTlb, l2PageCache, l3PageCache } = config;
  const flows = alloc(domainCount * flowBytes);
  const columnAt = Object.fromEntries(
    columnNames.map((name) => [name, alloc((columnRecords + 2) * columns[name])]),
  ) as Record<ColumnName, number>;
  // Selective allocation: each cache takes as many domains as it has partitions, after those of the one before (specs/io.md 2.5).
  const tlbEnd = deviceTlb.partitions;
  const l2End = tlbEnd + l2PageCache.partitions;
  const l3End = l2End + l3PageCache.partitions;
  const range = (first: number, last: number) => (selective ? ([first, last] as const) : ([0, domainCount] as const));
  const ways = prefetch.bufferEntries;
  const laid = {
    CC: contextCache(alloc, config.contextCache),
    IOTLB: cache(alloc, 'IOTLB', deviceTlb, range(0, tlbEnd), policies[config.replacement]),
    L2PAGE: cache(alloc, 'L2PAGE', l2PageCache, range(tlbEnd, l2End)),
    L3PAGE: cache(alloc, 'L3PAGE', l3PageCache, range(l2End, l3End)),
    buffer: cache(alloc, 'buffer', { entries: ways, ways, partitions: 1 }, [0, domainCount]),
  };
  const constants: Record<string, number> = {
    interval: packetIntervalNs(config),
    queueEntries: Math.min(config.queueEntries, largestQueue),
    inOrder: config.inOrder ? 1 : 0,
    depth: prefetch.historyDepth,
    distance: prefetch.distance,
    flows,
    sidRecords: alloc(domainCount * 4),
    recent: alloc(prefetch.distance * 4),
    ...columnAt,
  };
  for (const [name, values] of Object.entries(laid))
    for (const [field, at] of Object.entries(fields)) {
      const value = values[field as keyof CacheFields];
      if (value !== undefined) constants[caches[name as CacheName] + at] = value;
    }
  return { constants, columns: columnAt, flows, caches: laid, end };
}

function cache(
  alloc: Alloc,
  name: CacheName,
  shape: CompatCacheConfig,
  [firstDid, endDid]: readonly [number, number],
  policy: number = policies.lru,
): CacheLayout {
  const { ways } = shape;
  const common = commonFields(alloc, name, shape, Row.signatures + roundedUp(ways, agedWays) * signatureBytes);
  const isManyWays = policy === policies.lru && ways > agedWays;
  return {
    ...common,
    // A look at a way that is none reads what lies behind.
    tags: alloc((common.sets * ways + agedWays + 1) * tagBytes),
    kept: alloc(common.sets * ways * keptBytes),
    number: deviceTlbNumber,
    policy: isManyWays ? manyWaysLru : policy,
    firstDid,
    endDid,
  };
}

function contextCache(alloc: Alloc, shape: CompatCacheConfig): CacheLayout {
  const common = commonFields(alloc, 'CC', shape, Row.signatures);
  const countBytes = roundedUp(shape.ways, countsPerStep);
  return {
    ...common,
    countBytes,
    kept: alloc(common.sets * countBytes),
    slotOfContext: alloc(domainCount * (common.partitionMask + 1) * 4),
    contextOfSlot: alloc(common.sets * countBytes * 4),
    partitionBits: Math.log2(common.partitionMask + 1),
  };
}

function commonFields(alloc: Alloc, name: CacheName, shape: CompatCacheConfig, rowBytes: number) {
  const { sets, setBits, partitionMask } = new SetIndex(name, shape);
  const rows = alloc(sets * rowBytes);
  return { ways: shape.ways, sets, setBits, partitionMask, rowBytes, rows, domains: alloc(domainCount) };
}

/** What is not zero at the start. */
export function fill(wasm: KernelExports, { caches: laid, end }: KernelLayout): void {
  wasm.alloc(end - firstFree);
  for (const at of queues) {
    const nodes = wasm.newNodes(queueNodes);
    const queue = new Int32Array(wasm.memory.buffer, at, 8);
    queue[Queue.nodes] = nodes;
    queue[Queue.firstTime] = never;
    queue[Queue.capacity] = queueNodes;
  }
  for (const [name, { policy, sets, rows, rowBytes, ways }] of Object.entries(laid)) {
    if (policy !== policies.lru || ways === 0) continue;
    const { buffer } = wasm.memory;
    new Uint8Array(buffer, caches[name as CacheName] + oldestAt, agedWays).fill(ways! - 1);
    for (let set = 0; set < sets; set++)
      new Uint8Array(buffer, rows! + set * rowBytes!, agedWays).forEach((_, way, ages) => {
        // Ways are filled from the first on.
        ages[way] = way < ways! ? ways! - 1 - way : noAge;
      });
  }
}

function roundedUp(count: number, step: number): number {
  return Math.ceil(count / step) * step;
}

export type Views = { readonly [name in ColumnName]: Uint8Array | Uint16Array | Uint32Array | Float64Array };

export function viewsOf({ memory: { buffer } }: KernelExports, { columns: at }: KernelLayout): Views {
  const length = columnRecords + 2;
  return {
    sids: new Uint16Array(buffer, at.sids, length),
    dids: new Uint16Array(buffer, at.dids, length),
    levels: new Uint8Array(buffer, at.levels, length),
    iovaLo: new Uint32Array(buffer, at.iovaLo, length),
    iovaHi: new Uint32Array(buffer, at.iovaHi, length),
    maskLo: new Uint32Array(buffer, at.maskLo, length),
    maskHi: new Uint32Array(buffer, at.maskHi, length),
    nextAccess: new Float64Array(buffer, at.nextAccess, length),
  };
}

export function countersOf({ memory }: KernelExports): Readonly<Record<(typeof counterNames)[number], number>> {
  const values = new BigUint64Array(memory.buffer, countersAt, counterNames.length);
  return Object.fromEntries(counterNames.map((name, index) => [name, Number(values[index]!)])) as Record<
    (typeof counterNames)[number],
    number
  >;
}

export function countsOf(
  { memory: { buffer } }: KernelExports,
  { caches: laid }: KernelLayout,
  name: CacheName,
): CompatCacheCounts {
  const { sets, rows: rowsAt, rowBytes, domains } = laid[name];
  const [miss, conflict] = Array.from(new BigUint64Array(buffer, caches[name] + missesAt, 2), Number);
  const rows = Array.from({ length: sets }, (_, set) =>
    Number(new BigUint64Array(buffer, rowsAt! + set * rowBytes! + Row.accesses, 1)[0]),
  );
  return {
    hit: rows.reduce((sum, accesses) => sum + accesses, 0) - miss!,
    miss: miss!,
    conflict: conflict!,
    domains: new Uint8Array(buffer, domains, domainCount).reduce((sum, seen) => sum + seen, 0),
    rowsUsed: rows.filter((accesses) => accesses > 0).length,
    rows,
  };
}
