import { type CompatCacheConfig, type CompatCacheCounts, SetIndex } from './cache.ts';
import { type CompatIoConfig, type DeviceTlbPolicy, domainCount } from './model.ts';

export interface Global {
  value: number;
}

type GlobalName =
  | 'interval'
  | 'queueEntries'
  | 'inOrder'
  | 'depth'
  | 'distance'
  | 'flows'
  | 'sidRecords'
  | 'recent'
  | 'position'
  | 'length'
  | 'epoch'
  | 'now'
  | ColumnName;

export interface KernelExports extends Readonly<Record<GlobalName, Global>> {
  readonly memory: { readonly buffer: ArrayBuffer };
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

/** Addresses and offsets are those at the head of kernel.wat. */
const queues = [64, 96, 128, 160];
const queueNodes = 256;
const caches = { IOTLB: 256, L2PAGE: 384, L3PAGE: 512, buffer: 640, CC: 768 } as const;
const never = 0x7fffffff;
export const largestQueue = 0x7fffffff;
const policies: Readonly<Record<DeviceTlbPolicy, number>> = { lru: 0, lfu: 1, oracle: 2 };
/** LRU of more ways than have room in a vector of ages. */
const manyWaysLru = 3;
const agedWays = 16;
const noAge = 255;
/** Numbers by which the module asks for victims. */
export const contextNumber = 0;
const deviceTlbNumber = 1;
const signaturesPerStep = 16;
const tagBytes = 16;
const keptBytes = 8;
const countsPerStep = 8;
export const flowBytes = 32;
/** Records taken at a time; two more may be left from the time before. */
export const columnRecords = 8192;

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
/** Words of a cache. */
const Cache = {
  ways: 0,
  stride: 1,
  signatures: 2,
  slotOfSid: 2,
  tags: 3,
  sidOfSlot: 3,
  kept: 4,
  used: 5,
  rows: 6,
  domains: 7,
  number: 8,
  setBits: 9,
  partitionMask: 10,
  policy: 11,
  firstDid: 18,
  partitionBits: 18,
  endDid: 19,
} as const;
const cacheWords = 32;
/** Bytes from a cache to its misses and conflicts. */
const cacheCountsAt = 56;

export function layQueues(wasm: KernelExports): void {
  for (const at of queues) {
    const nodes = wasm.newNodes(queueNodes);
    const queue = new Int32Array(wasm.memory.buffer, at, 8);
    queue[Queue.nodes] = nodes;
    queue[Queue.firstTime] = never;
    queue[Queue.capacity] = queueNodes;
  }
}

export function layCaches(wasm: KernelExports, config: CompatIoConfig): void {
  const { contextCache, deviceTlb, l2PageCache, l3PageCache, prefetch, selective } = config;
  layContextCache(wasm, contextCache);
  // Selective allocation: each cache takes as many domains as it has partitions, after those of the one before (specs/io.md 2.5).
  const tlbEnd = deviceTlb.partitions;
  const l2End = tlbEnd + l2PageCache.partitions;
  const l3End = l2End + l3PageCache.partitions;
  const all = [0, domainCount] as const;
  layCache(wasm, 'IOTLB', deviceTlb, selective ? [0, tlbEnd] : all, policies[config.replacement]);
  layCache(wasm, 'L2PAGE', l2PageCache, selective ? [tlbEnd, l2End] : all);
  layCache(wasm, 'L3PAGE', l3PageCache, selective ? [l2End, l3End] : all);
  const ways = prefetch.bufferEntries;
  layCache(wasm, 'buffer', { entries: ways, ways, partitions: 1 }, all);
}

function layCache(
  wasm: KernelExports,
  name: keyof typeof caches,
  shape: CompatCacheConfig,
  [firstDid, endDid]: readonly [number, number],
  policy = policies.lru,
): void {
  const { ways } = shape;
  const { sets, setBits, partitionMask } = new SetIndex(name, shape);
  const stride = roundedUp(ways, signaturesPerStep);
  const signatures = wasm.alloc(sets * stride);
  const tags = wasm.alloc(sets * ways * tagBytes);
  const isAged = policy === policies.lru && ways <= agedWays;
  const kept = isAged ? layAges(wasm, sets, ways) : wasm.alloc(sets * ways * keptBytes);
  const common = commonParts(wasm, sets);
  const cache = new Int32Array(wasm.memory.buffer, caches[name], cacheWords);
  cache[Cache.ways] = ways;
  cache[Cache.stride] = stride;
  cache[Cache.signatures] = signatures;
  cache[Cache.tags] = tags;
  cache[Cache.kept] = kept;
  cache[Cache.used] = common.used;
  cache[Cache.rows] = common.rows;
  cache[Cache.domains] = common.domains;
  cache[Cache.number] = deviceTlbNumber;
  cache[Cache.setBits] = setBits;
  cache[Cache.partitionMask] = partitionMask;
  cache[Cache.policy] = policy === policies.lru && !isAged ? manyWaysLru : policy;
  cache[Cache.firstDid] = firstDid;
  cache[Cache.endDid] = endDid;
}

/** Empty ways are filled from the first on: the later, the older. */
function layAges(wasm: KernelExports, sets: number, ways: number): number {
  const at = wasm.alloc(sets * agedWays);
  new Uint8Array(wasm.memory.buffer, at, sets * agedWays).forEach((_, index, ages) => {
    const way = index % agedWays;
    ages[index] = way < ways ? way : noAge;
  });
  return at;
}

function layContextCache(wasm: KernelExports, shape: CompatCacheConfig): void {
  const { ways } = shape;
  const { sets, setBits, partitionMask } = new SetIndex('CC', shape);
  const stride = roundedUp(ways, countsPerStep);
  const slotOfSid = wasm.alloc(domainCount * (partitionMask + 1) * 4);
  const sidOfSlot = wasm.alloc(sets * stride * 4);
  const counts = wasm.alloc(sets * stride);
  const common = commonParts(wasm, sets);
  const cache = new Int32Array(wasm.memory.buffer, caches.CC, cacheWords);
  cache[Cache.ways] = ways;
  cache[Cache.stride] = stride;
  cache[Cache.slotOfSid] = slotOfSid;
  cache[Cache.sidOfSlot] = sidOfSlot;
  cache[Cache.kept] = counts;
  cache[Cache.used] = common.used;
  cache[Cache.rows] = common.rows;
  cache[Cache.domains] = common.domains;
  cache[Cache.setBits] = setBits;
  cache[Cache.partitionMask] = partitionMask;
  cache[Cache.partitionBits] = Math.log2(partitionMask + 1);
}

function commonParts(wasm: KernelExports, sets: number) {
  return { used: wasm.alloc(sets * 4), rows: wasm.alloc(sets * 8), domains: wasm.alloc(domainCount) };
}

function roundedUp(count: number, step: number): number {
  return Math.ceil(count / step) * step;
}

export type Views = { readonly [name in ColumnName]: Uint8Array | Uint16Array | Uint32Array | Float64Array };

export function viewsOf({ memory: { buffer }, ...wasm }: KernelExports): Views {
  const length = columnRecords + 2;
  return {
    sids: new Uint16Array(buffer, wasm.sids.value, length),
    dids: new Uint16Array(buffer, wasm.dids.value, length),
    levels: new Uint8Array(buffer, wasm.levels.value, length),
    iovaLo: new Uint32Array(buffer, wasm.iovaLo.value, length),
    iovaHi: new Uint32Array(buffer, wasm.iovaHi.value, length),
    maskLo: new Uint32Array(buffer, wasm.maskLo.value, length),
    maskHi: new Uint32Array(buffer, wasm.maskHi.value, length),
    nextAccess: new Float64Array(buffer, wasm.nextAccess.value, length),
  };
}

export function countersOf({ memory }: KernelExports): Readonly<Record<(typeof counterNames)[number], number>> {
  const values = new BigUint64Array(memory.buffer, countersAt, counterNames.length);
  return Object.fromEntries(counterNames.map((name, index) => [name, Number(values[index]!)])) as Record<
    (typeof counterNames)[number],
    number
  >;
}

export function countsOf(wasm: KernelExports, name: keyof typeof caches, shape: CompatCacheConfig): CompatCacheCounts {
  const { buffer } = wasm.memory;
  const at = caches[name];
  const cache = new Int32Array(buffer, at, cacheWords);
  const [miss, conflict] = Array.from(new BigUint64Array(buffer, at + cacheCountsAt, 2), Number);
  const { sets } = new SetIndex(name, shape);
  const rows = Array.from(new BigUint64Array(buffer, cache[Cache.rows], sets), Number);
  return {
    hit: rows.reduce((sum, accesses) => sum + accesses, 0) - miss!,
    miss: miss!,
    conflict: conflict!,
    domains: new Uint8Array(buffer, cache[Cache.domains], domainCount).reduce((sum, seen) => sum + seen, 0),
    rowsUsed: rows.filter((accesses) => accesses > 0).length,
    rows,
  };
}

/** Where the module keeps what the policy of a cache goes by. */
export function keptAt(
  { memory }: KernelExports,
  name: 'CC' | 'IOTLB',
): { readonly at: number; readonly stride: number } {
  const cache = new Int32Array(memory.buffer, caches[name], cacheWords);
  return { at: cache[Cache.kept]!, stride: cache[Cache.stride]! };
}
