import { lineBytes } from './address.ts';
import { StrataError } from './errors.ts';
import { choice, group, integer, type ValuesOf } from './fields.ts';
import type { Geometry } from './tag-store.ts';

/**
 * The machine as data: cores, caches, TLBs and what sits beside the page walker. The defaults are the machine of the DMT artifact
 * (specification of translation, section 2); the other machines are files in `presets/`.
 */
const artifact = 'DMT artifact, run_common.sh';
const latencies = 'DMT artifact, processor/Formula.cs';

/** Replacement policies that work while a simulation runs; the oracle needs the future and is offline only. */
const policyNames = ['lru', 'lfu', 'tree-plru', 'random', 'srrip'] as const;

function policy(value: (typeof policyNames)[number], source: string) {
  return choice(policyNames, value, 'replacement policy', { source });
}

function cache(what: string, sizeBytes: number, ways: number, latencyCycles: number, sharedByCores: number) {
  return group(
    {
      sizeBytes: integer(sizeBytes, `capacity of one ${what}`, {
        unit: 'bytes',
        source: artifact,
        min: 1,
        max: 2 ** 36,
      }),
      ways: integer(ways, 'lines of a set', { unit: 'ways', source: artifact, min: 1, max: 1024 }),
      policy: policy('lru', 'DMT artifact, cache_lru.cpp'),
      latencyCycles: integer(latencyCycles, 'what a hit costs, all told', {
        unit: 'cycles',
        source: latencies,
        max: 1e6,
      }),
      sharedByCores: integer(sharedByCores, 'cores that share one instance; 1 = private, 0 = all cores', {
        max: 65_536,
      }),
    },
    what,
  );
}

interface ArrayShape {
  readonly entries: number;
  readonly ways: number;
}

function array(what: string, { entries, ways }: ArrayShape, source: string) {
  return group(
    {
      entries: integer(entries, `entries for ${what}; 0 = none`, { unit: 'entries', source, max: 2 ** 22 }),
      ways: integer(ways, 'entries of a set; as many as entries = fully associative', {
        unit: 'ways',
        source,
        max: 4096,
      }),
    },
    what,
  );
}

const skylake = 'Intel Optimization Manual (248966), Skylake server TLBs; the artifact has 4 KiB pages only';
const none: ArrayShape = { entries: 0, ways: 0 };

interface TlbShape {
  readonly small: ArrayShape;
  readonly large: ArrayShape;
  readonly giant: ArrayShape;
}

/** @param sharing sizes that live in the 4 KiB array; the others have arrays of their own */
function tlbLevel(what: string, sharing: 'none' | '2m' | '2m+1g', { small, large, giant }: TlbShape) {
  return group(
    {
      page4k: array('4 KiB pages, and the sizes that share their array', small, artifact),
      page2m: array('2 MiB pages, unless they share the 4 KiB array', large, skylake),
      page1g: array('1 GiB pages, unless they share the 4 KiB array', giant, skylake),
      sharing: choice(['none', '2m', '2m+1g'], sharing, 'page sizes held in the array of the 4 KiB pages', {
        source: skylake,
      }),
      policy: policy('lfu', 'DMT artifact, tlb_simulator.cpp'),
      latencyCycles: integer(0, 'what a hit adds to the access', {
        unit: 'cycles',
        source: 'DMT artifact: hits are free',
        max: 1e6,
      }),
    },
    what,
  );
}

const walkCacheSource = 'DMT artifact, cache_simulator.cpp';

function walkCaches(what: string) {
  return group(
    {
      organisation: choice(['split', 'unified'], 'split', 'one cache per level, or one for the entries of all levels', {
        source: walkCacheSource,
      }),
      level5: array('level 5 entries', none, walkCacheSource),
      level4: array('level 4 entries', { entries: 2, ways: 1 }, walkCacheSource),
      level3: array('level 3 entries', { entries: 4, ways: 4 }, walkCacheSource),
      level2: array('level 2 entries', { entries: 32, ways: 4 }, walkCacheSource),
      unified: array('entries of all levels (organisation unified)', none, walkCacheSource),
      policy: policy('lru', walkCacheSource),
    },
    what,
  );
}

export const machineSpec = {
  cores: integer(20, 'cores', { min: 1, max: 4096, source: artifact }),
  l1i: cache('first-level instruction cache', 32 * 1024, 8, 4, 1),
  l1d: cache('first-level data cache', 32 * 1024, 8, 4, 1),
  l2: cache('second-level cache', 1024 * 1024, 16, 14, 1),
  llc: cache('last-level cache', 23_068_672, 11, 54, 0),
  memoryLatencyCycles: integer(200, 'what an access costs that no cache answers', {
    unit: 'cycles',
    source: latencies,
    max: 1e6,
  }),
  prefetcher: choice(
    ['none', 'nextline'],
    'nextline',
    'next line into L1D on every L1D demand miss, page walks included',
    {
      source: 'DMT artifact, options.cpp',
    },
  ),
  walkerReads: choice(['l1d', 'l2'], 'l1d', 'first cache that the page walker asks', {
    source: 'DMT artifact, cache_simulator.cpp',
  }),
  tlb: group(
    {
      l1i: tlbLevel('first-level instruction TLB', 'none', {
        small: { entries: 128, ways: 8 },
        large: { entries: 8, ways: 8 },
        giant: none,
      }),
      l1d: tlbLevel('first-level data TLB', 'none', {
        small: { entries: 64, ways: 4 },
        large: { entries: 32, ways: 4 },
        giant: { entries: 4, ways: 4 },
      }),
      l2: tlbLevel('second-level TLB', '2m', {
        small: { entries: 1536, ways: 12 },
        large: none,
        giant: { entries: 16, ways: 4 },
      }),
    },
    'TLBs of a core; a page size without an array is held as pieces of the next smaller size',
  ),
  pageWalkCaches: walkCaches('page-walk caches of a core: the native walk, or the guest dimension'),
  hostPageWalkCaches: walkCaches('page-walk caches of a core for the host dimension'),
  pageWalkCacheCycles: integer(1, 'hit in the page-walk caches; a miss runs beside the first read', {
    unit: 'cycles',
    source: latencies,
    max: 1e6,
  }),
  nestedTlb: group(
    {
      ...array('guest-physical pages', none, 'DMT artifact: has none').fields,
      policy: policy('lru', 'DMT artifact: has none'),
      latencyCycles: integer(1, 'look-up in the nested TLB', {
        unit: 'cycles',
        max: 1e6,
        source: 'as the page-walk caches',
      }),
    },
    'guest-physical page to host frame, of a core',
  ),
} as const;

/** A machine, all values present; from `resolveMachine`. */
export type MachineConfig = ValuesOf<typeof machineSpec>;
export type CacheConfig = MachineConfig['l1d'];
export type TlbLevelConfig = MachineConfig['tlb']['l1d'];
export type WalkCachesConfig = MachineConfig['pageWalkCaches'];

/**
 * Sets and ways of a cache of 64-byte lines. Any number of sets is allowed, a fraction of one is not.
 * @param path where the cache stands in the configuration, for the message
 * @throws StrataError `machine.impossible-geometry`
 */
export function geometryOf(cacheConfig: Pick<CacheConfig, 'sizeBytes' | 'ways' | 'policy'>, path: string): Geometry {
  const { sizeBytes, ways, policy: name } = cacheConfig;
  return shape(sizeBytes, ways, lineBytes, name, { path, field: 'sizeBytes', unit: 'bytes' });
}

/**
 * Sets and ways of an array of entries (TLB, walk cache); undefined for one without entries.
 * @throws StrataError `machine.impossible-geometry`
 */
export function arrayGeometryOf({ entries, ways }: ArrayShape, policyName: string, path: string): Geometry | undefined {
  if (entries === 0) return undefined;
  return shape(entries, ways, 1, policyName, { path, field: 'entries', unit: 'entries' });
}

interface Place {
  readonly path: string;
  readonly field: string;
  readonly unit: string;
}

function shape(total: number, ways: number, each: number, policyName: string, place: Place): Geometry {
  if (!(ways >= 1))
    throw impossible(place, 'ways is 0', 'at least 1 way', String(ways), `Set ${place.path}.ways to 1 or more.`);
  const setSize = ways * each;
  if (!(total > 0) || total % setSize !== 0) {
    const nearest = nearestMultiple(total, setSize);
    const what = `${place.field} does not divide into whole sets of ${ways} ways`;
    const expected = `a multiple of ${setSize} ${place.unit} (${ways} ways${each > 1 ? ` of ${each}-byte lines` : ''})`;
    throw impossible(place, what, expected, String(total), `Nearest possible: ${place.field} ${nearest}.`);
  }
  if (policyName === 'tree-plru' && (ways & (ways - 1)) !== 0) {
    const lower = 2 ** Math.floor(Math.log2(ways));
    const mend = `Use ${lower} or ${lower * 2} ways, or policy lru.`;
    throw impossible(
      place,
      'tree-plru needs a binary tree over the ways',
      'ways that are a power of two',
      String(ways),
      mend,
    );
  }
  return { sets: total / setSize, ways, policy: policyName };
}

function nearestMultiple(total: number, setSize: number): string {
  const below = Math.floor(total / setSize) * setSize;
  const above = below + setSize;
  return below <= 0 ? String(above) : `${below} or ${above}`;
}

function impossible(place: Place, what: string, expected: string, found: string, mend: string): StrataError {
  return new StrataError({ code: 'machine.impossible-geometry', what, where: place.path, expected, found, mend });
}

/** Which page sizes (as leaf levels) an array of a TLB holds. */
export interface TlbArray {
  /** 'page4k', 'page2m' or 'page1g', its name in the configuration. */
  readonly name: string;
  readonly geometry: Geometry;
  readonly levels: readonly (1 | 2 | 3)[];
}

/** The arrays of one TLB, those for smaller pages first. @throws StrataError `machine.impossible-geometry` */
export function tlbArraysOf(level: TlbLevelConfig, path: string): TlbArray[] {
  const shared = level.sharing === 'none' ? [] : level.sharing === '2m' ? [2 as const] : [2 as const, 3 as const];
  const small = arrayGeometryOf(level.page4k, level.policy, `${path}.page4k`);
  if (small === undefined)
    throw new StrataError({
      code: 'machine.impossible-geometry',
      what: 'a TLB must hold 4 KiB pages',
      where: `${path}.page4k.entries`,
      expected: 'at least 1 entry',
      found: '0',
    });
  const arrays: TlbArray[] = [{ name: 'page4k', geometry: small, levels: [1, ...shared] }];
  for (const [name, size] of [
    ['page2m', 2],
    ['page1g', 3],
  ] as const) {
    if (shared.some((one) => one === size)) continue;
    const geometry = arrayGeometryOf(level[name], level.policy, `${path}.${name}`);
    if (geometry !== undefined) arrays.push({ name, geometry, levels: [size] });
  }
  return arrays;
}

/** What a design is told about the structures beside the page walker, in the shape of its `WalkerMachine`. */
export interface WalkerGeometry {
  /** By level of the entries held (2 to 5); absent = no such cache. One object for all levels when `unified`. */
  readonly pageWalkCaches: readonly (Geometry | undefined)[];
  readonly hostPageWalkCaches: readonly (Geometry | undefined)[];
  /** All levels share one cache, keyed by level as well: the geometries above are one and the same object. */
  readonly unified: boolean;
  readonly hostUnified: boolean;
  readonly nestedTlb: Geometry | undefined;
  readonly pageWalkCacheCycles: number;
  readonly nestedTlbCycles: number;
}

/** @throws StrataError `machine.impossible-geometry` */
export function walkerGeometryOf(machine: MachineConfig, where = 'machine'): WalkerGeometry {
  return {
    pageWalkCaches: walkCacheGeometries(machine.pageWalkCaches, `${where}.pageWalkCaches`),
    hostPageWalkCaches: walkCacheGeometries(machine.hostPageWalkCaches, `${where}.hostPageWalkCaches`),
    unified: machine.pageWalkCaches.organisation === 'unified',
    hostUnified: machine.hostPageWalkCaches.organisation === 'unified',
    nestedTlb: arrayGeometryOf(machine.nestedTlb, machine.nestedTlb.policy, `${where}.nestedTlb`),
    pageWalkCacheCycles: machine.pageWalkCacheCycles,
    nestedTlbCycles: machine.nestedTlb.latencyCycles,
  };
}

function walkCacheGeometries(caches: WalkCachesConfig, path: string): (Geometry | undefined)[] {
  if (caches.organisation === 'unified') {
    const unified = arrayGeometryOf(caches.unified, caches.policy, `${path}.unified`);
    return [undefined, undefined, unified, unified, unified, unified];
  }
  const level = (name: 'level2' | 'level3' | 'level4' | 'level5') =>
    arrayGeometryOf(caches[name], caches.policy, `${path}.${name}`);
  return [undefined, undefined, level('level2'), level('level3'), level('level4'), level('level5')];
}

/** Entries of all instances of one structure: 2^27 lines are 8 GiB of cache and take 2 GiB of memory to simulate. */
const entryLimit = 2 ** 27;

/**
 * Checks what no single field can: the geometries, and that all cores together are small enough to simulate.
 * @param where prefix of the paths in messages
 * @throws StrataError `machine.impossible-geometry` with the path and the nearest possible value, `machine.too-large`
 */
export function checkMachine(machine: MachineConfig, where = 'machine'): MachineConfig {
  for (const name of ['l1i', 'l1d', 'l2', 'llc'] as const) {
    const { sharedByCores } = machine[name];
    const instances = sharedByCores === 0 ? 1 : Math.ceil(machine.cores / sharedByCores);
    checkEntries(geometryOf(machine[name], `${where}.${name}`), instances, `${where}.${name}`);
  }
  for (const name of ['l1i', 'l1d', 'l2'] as const)
    for (const array of tlbArraysOf(machine.tlb[name], `${where}.tlb.${name}`))
      checkEntries(array.geometry, machine.cores, `${where}.tlb.${name}.${array.name}`);
  walkerGeometryOf(machine, where);
  return machine;
}

function checkEntries({ sets, ways }: Geometry, instances: number, where: string): void {
  if (sets * ways * instances <= entryLimit) return;
  throw new StrataError({
    code: 'machine.too-large',
    what: 'more entries than can be simulated',
    where,
    expected: `at most ${entryLimit} in all ${instances} instances`,
    found: String(sets * ways * instances),
    mend: 'Make it smaller, or simulate fewer cores.',
  });
}
