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
  latenciesOf,
  namedCounts,
} from '../cache-hierarchy.ts';
import type { Random } from '../random.ts';
import type { Geometry } from '../tag-store.ts';
import { printBiasedCache } from './biased.ts';
import { canCompile, compile } from './compile.ts';
import { printRecencyCache } from './recency.ts';
import { printStore } from './store.ts';

type PrintedParts = Pick<CacheHierarchy, 'access' | 'walk' | 'clear'>;

/**
 * The hierarchy of `createHierarchy` printed as one module for its geometries: same answers, same counters. Falls back to the interpreted
 * one where code from text is forbidden or a policy cannot be printed.
 * @param bias caches that keep some lines longer than their policy would
 */
export function createPrintedHierarchy(config: HierarchyConfig, random: Random, bias?: CacheBias): CacheHierarchy {
  const shapes = cacheShapesOf(config);
  const source = printHierarchy(config, shapes, bias);
  if (source === undefined || !canCompile()) return createHierarchy(config, random, bias);
  const counters = new Float64Array(cacheNames.length * countersPerCache);
  const randoms = cacheRandoms(shapes, random);
  const pressure = createPressure(bias?.missesPerThousand ?? 0);
  const parts = compile<PrintedParts>(source, { counters, randoms, pressure, keeps: bias?.keeps });
  return {
    ...parts,
    latencyCycles: latenciesOf(config, 'l1d'),
    fetchLatencyCycles: latenciesOf(config, 'l1i'),
    counts: () => namedCounts(counters),
    resetCounts: () => {
      counters.fill(0);
    },
    ...(bias === undefined ? {} : { missed: pressure.miss }),
  };
}

function printHierarchy(
  { prefetcher, walkerReads }: HierarchyConfig,
  shapes: Readonly<Record<CacheName, CacheShape>>,
  bias: CacheBias | undefined,
): string | undefined {
  const stores: string[] = [];
  const leaning: readonly string[] = bias?.caches ?? [];
  for (const [index, name] of cacheNames.entries()) {
    const store = printCache(shapes[name], index, leaning.includes(name) ? bias : undefined);
    if (store === undefined) return undefined;
    stores.push(store);
  }
  const prefetch = prefetcher === 'nextline' ? 'if (!l1d_touch(core, line + 1, 4)) below(core, line + 1, 4);' : '';
  return `${stores.join('\n')}
function below(core, line, kind) {
  return l2_touch(core, line, kind) ? 2 : llc_touch(core, line, kind) ? 3 : 0;
}
function l1dMissed(core, line, kind) {
  const level = below(core, line, kind);
  ${prefetch}
  return level;
}
return {
  access(core, line, isFetch) {
    ${bias === undefined ? '' : 'pressure.access();'}
    if (isFetch) return l1i_touch(core, line, 0) ? 1 : below(core, line, 0);
    return l1d_touch(core, line, 0) ? 1 : l1dMissed(core, line, 0);
  },
  walk(core, line) {
    return ${walkerReads === 'l1d' ? 'l1d_touch(core, line, 2) ? 1 : l1dMissed(core, line, 2)' : 'below(core, line, 2)'};
  },
  clear() { ${cacheNames.map((name) => `${name}_clear();`).join(' ')} },
};`;
}

/** The stores of one cache, and `touch`: true on a hit; on a miss the line is placed. */
function printCache(
  { name, geometry, sharedByCores, instances }: CacheShape,
  index: number,
  bias: CacheBias | undefined,
): string | undefined {
  const prefix = `${name}_`;
  const inner = `${prefix}instance_`;
  const randoms = `randoms.${name}`;
  const cache =
    bias === undefined
      ? (printRecencyCache(inner, geometry, instances) ?? printStoreCache(inner, geometry, instances, randoms))
      : printBiasedCache(geometry, { prefix: inner, instances, randoms, attempts: bias.attempts });
  if (cache === undefined) return undefined;
  const instance = instances === 1 ? '0' : sharedByCores === 1 ? 'core' : `Math.floor(core / ${sharedByCores})`;
  return `${cache}
const ${prefix}clear = ${inner}clear;
function ${prefix}touch(core, line, kind) {
  if (${inner}touch(${instance}, line${bias === undefined ? '' : `, keeps(line, kind === 2)`})) {
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
