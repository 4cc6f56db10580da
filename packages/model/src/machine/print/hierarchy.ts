import { type CacheBias, createPressure } from '../biased-store.ts';
import {
  type CacheHierarchy,
  type CacheName,
  type CacheShape,
  cacheNames,
  cacheRandoms,
  cacheShapesOf,
  countersPerCache,
  createHierarchy,
  type HierarchyConfig,
  HitLevel,
  latenciesOf,
  namedCounts,
} from '../cache-hierarchy.ts';
import type { Random } from '../random.ts';
import type { Geometry } from '../tag-store.ts';
import { printBiasedCache } from './biased.ts';
import { canCompile, compile } from './compile.ts';
import { createLowerCaches, type Leanings, type LowerCaches } from './lower-caches.ts';
import { printRecencyCache } from './recency.ts';
import { printStore } from './store.ts';

type PrintedParts = Pick<CacheHierarchy, 'access' | 'fetchMissed' | 'walk' | 'clear'>;

/**
 * The hierarchy of `createHierarchy` printed as one module for its geometries: same answers, same counters. The caches behind the first level
 * are WebAssembly where they can be. Falls back to the interpreted one where code from text is forbidden or a policy cannot be printed.
 * @param bias caches that keep some lines longer than their policy would
 */
export function createPrintedHierarchy(config: HierarchyConfig, random: Random, bias?: CacheBias): CacheHierarchy {
  const shapes = cacheShapesOf(config);
  if (!canCompile()) return createHierarchy(config, random, bias);
  const lower = createLowerCaches(shapes, leaningsOf(bias));
  const source = printHierarchy(config, shapes, bias, lower);
  if (source === undefined) return createHierarchy(config, random, bias);
  const counters = new Float64Array(cacheNames.length * countersPerCache);
  const randoms = cacheRandoms(shapes, random);
  const pressure = createPressure(bias?.missesPerThousand ?? 0, lower?.press);
  const parts = compile<PrintedParts>(source, { counters, randoms, pressure, keeps: bias?.keeps, lower });
  return {
    ...parts,
    latencyCycles: latenciesOf(config, 'l1d'),
    fetchLatencyCycles: latenciesOf(config, 'l1i'),
    counts: () => {
      if (lower !== undefined) countLower(lower, counters);
      return namedCounts(counters);
    },
    resetCounts: () => {
      counters.fill(0);
      lower?.answers.fill(0);
    },
    ...(lower !== undefined && shapes.llc.instances === 1
      ? { ahead: { lines: lower.linesAhead, begin: lower.readAhead } }
      : {}),
    ...(bias === undefined ? {} : { missed: pressure.miss, passed: pressure.access }),
  };
}

function leaningsOf(bias: CacheBias | undefined): Leanings {
  const attempts = (name: 'l2' | 'llc') => (bias?.caches.includes(name) ? bias.attempts : 0);
  return { l2: attempts('l2'), llc: attempts('llc') };
}

/** Sets the counters of the caches behind the first level. */
function countLower({ answers }: LowerCaches, counters: Float64Array): void {
  const l2 = cacheNames.indexOf('l2') * countersPerCache;
  const llc = cacheNames.indexOf('llc') * countersPerCache;
  for (const kind of [0, 2, 4]) {
    const answered = (level: HitLevel) => answers[2 * kind + level]!;
    counters[l2 + kind] = answered(HitLevel.l2);
    counters[l2 + kind + 1] = answered(HitLevel.llc) + answered(HitLevel.memory);
    counters[llc + kind] = answered(HitLevel.llc);
    counters[llc + kind + 1] = answered(HitLevel.memory);
  }
}

function printHierarchy(
  { prefetcher, walkerReads }: HierarchyConfig,
  shapes: Readonly<Record<CacheName, CacheShape>>,
  bias: CacheBias | undefined,
  lower: LowerCaches | undefined,
): string | undefined {
  const stores: string[] = [];
  const printed = lower === undefined ? cacheNames : cacheNames.slice(0, 2);
  const leaning: readonly string[] = bias?.caches ?? [];
  for (const [index, name] of printed.entries()) {
    const store = printCache(shapes[name], index, leaning.includes(name) ? bias : undefined);
    if (store === undefined) return undefined;
    stores.push(store);
  }
  const prefetches = prefetcher === 'nextline';
  const behind =
    lower === undefined ? printBehind(prefetches) : printBehindInWasm(shapes, prefetches, bias !== undefined);
  const pressed = bias === undefined ? '' : 'pressure.access(1);';
  return `${stores.join('\n')}
${behind}
return {
  access(core, line, isFetch) {
    ${pressed}
    if (isFetch) return l1i_touch(core, line, 0) ? 1 : below(core, line, 0);
    return l1d_touch(core, line, 0) ? 1 : l1dMissed(core, line, 0);
  },
  fetchMissed(core, line) {
    ${pressed}
    return below(core, line, 0);
  },
  walk(core, line) {
    return ${walkerReads === 'l1d' ? 'l1d_touch(core, line, 2) ? 1 : l1dMissed(core, line, 2)' : 'below(core, line, 2)'};
  },
  clear() { ${printed.map((name) => `${name}_clear();`).join(' ')} ${lower === undefined ? '' : 'lower.clear();'} },
};`;
}

/** `below` and `l1dMissed` over printed caches. */
function printBehind(prefetches: boolean): string {
  return `function below(core, line, kind) {
  return l2_touch(core, line, kind) ? 2 : llc_touch(core, line, kind) ? 3 : 0;
}
function l1dMissed(core, line, kind) {
  const level = below(core, line, kind);
  ${prefetches ? 'if (!l1d_touch(core, line + 1, 4)) below(core, line + 1, 4);' : ''}
  return level;
}`;
}

/** The same: one call for the line and the next one, since a call costs as much as a look-up. */
function printBehindInWasm(
  shapes: Readonly<Record<CacheName, CacheShape>>,
  prefetches: boolean,
  leans: boolean,
): string {
  const call = (how: string) => `lowerBelow(${printInstance(shapes.l2)}, ${printInstance(shapes.llc)}, line, ${how})`;
  const kept = leans ? ' + (keeps(line, kind === 2) ? 16 : 0)' : '';
  const nextKept = leans ? ' + (keeps(line + 1, false) ? 32 : 0)' : '';
  return `const lowerBelow = lower.below;
function below(core, line, kind) {
  return ${call(`kind${kept}`)};
}
function l1dMissed(core, line, kind) {
  return ${prefetches ? call(`kind${kept} + (l1d_touch(core, line + 1, 4) ? 0 : 8${nextKept})`) : 'below(core, line, kind)'};
}`;
}

function printInstance({ sharedByCores, instances }: CacheShape): string {
  return instances === 1 ? '0' : sharedByCores === 1 ? 'core' : `Math.floor(core / ${sharedByCores})`;
}

/** The stores of one cache, and `touch`: true on a hit; on a miss the line is placed. */
function printCache(shape: CacheShape, index: number, bias: CacheBias | undefined): string | undefined {
  const { name, geometry, instances } = shape;
  const prefix = `${name}_`;
  const inner = `${prefix}instance_`;
  const randoms = `randoms.${name}`;
  const cache =
    bias === undefined
      ? (printRecencyCache(inner, geometry, instances) ?? printStoreCache(inner, geometry, instances, randoms))
      : printBiasedCache(geometry, { prefix: inner, instances, randoms, attempts: bias.attempts });
  if (cache === undefined) return undefined;
  return `${cache}
const ${prefix}clear = ${inner}clear;
function ${prefix}touch(core, line, kind) {
  if (${inner}touch(${printInstance(shape)}, line${bias === undefined ? '' : `, keeps(line, kind === 2)`})) {
    counters[${index * countersPerCache} + kind]++;
    return true;
  }
  counters[${index * countersPerCache + 1} + kind]++;
  return false;
}`;
}

/** The same as `printRecencyCache` for any policy that can be printed. */
function printStoreCache(prefix: string, geometry: Geometry, instances: number, randoms: string): string | undefined {
  const store = printStore(prefix, geometry, instances, randoms);
  return (
    store &&
    `${store}
function ${prefix}touch(instance, line) {
  if (${prefix}lookup(instance, line) >= 0) return true;
  ${prefix}insert(instance, line);
  return false;
}`
  );
}
