import type { Random } from '../random.ts';
import { policies } from '../replacement/policies.ts';
import { createTagStore } from '../set-associative.ts';
import type { Geometry, TagStore } from '../tag-store.ts';
import { canCompile, compile } from './compile.ts';

/** Ways up to which the search of a set is written out; beyond, a loop is as fast. */
const unrolledWays = 16;

const isPowerOfTwo = (count: number): boolean => Number.isInteger(Math.log2(count));

/**
 * JavaScript of `instances` equal structures behind one another (one per core), specialised for a geometry. It declares, each with the
 * prefix: `keys`, and the functions `set(instance, key)`, `lookup(instance, key)`, `peek(instance, key)`, `insert(instance, key)`,
 * `remove(instance, key)` and `clear()`, with the meaning of `TagStore`; slots are numbered through all instances. The array `randoms` has
 * a `Random` for each instance. Undefined when the policy cannot be printed.
 */
export function printStore(prefix: string, geometry: Geometry, instances: number, randoms: string): string | undefined {
  const { sets, ways } = geometry;
  const policy = policies.get(geometry.policy).print?.({ prefix, sets, ways, instances, randoms });
  if (policy === undefined) return undefined;
  const keys = `${prefix}keys`;
  const find = `const set = ${prefix}set(instance, key), row = set * ${ways};\n${printSearch(keys, 'key', ways)}`;
  const findEmpty = policy.victimFindsEmpty ? '' : `${printSearch(keys, '-1', ways)}\nif (slot < 0)`;
  return `
const ${keys} = new Float64Array(${instances * sets * ways}).fill(-1);
${policy.declare}
function ${prefix}set(instance, key) {
  ${printSetOf(sets)}
}
function ${prefix}lookup(instance, key) {
  ${find}
  if (slot < 0) return -1;
  ${policy.hit}
  return slot;
}
function ${prefix}peek(instance, key) {
  ${find}
  return slot;
}
function ${prefix}insert(instance, key) {
  const set = ${prefix}set(instance, key), row = set * ${ways};
  ${findEmpty === '' ? 'let slot;' : findEmpty}
  { ${policy.victim} }
  ${keys}[slot] = key;
  ${policy.fill}
  return slot;
}
function ${prefix}remove(instance, key) {
  ${find}
  if (slot < 0) return false;
  ${keys}[slot] = -1;
  ${policy.remove}
  return true;
}
function ${prefix}clear() {
  ${keys}.fill(-1);
  ${policy.clear}
}`;
}

/** Statements that declare `slot`: where in the set that begins at `row` the key is, or -1. */
export function printSearch(keys: string, wanted: string, ways: number): string {
  if (ways > unrolledWays)
    return `let slot = -1;
  for (let at = row; at < row + ${ways}; at++) if (${keys}[at] === ${wanted}) { slot = at; break; }`;
  const tests = Array.from(
    { length: ways },
    (_, way) => `if (${keys}[row + ${way}] === ${wanted}) slot = row + ${way};`,
  );
  return `let slot = -1;\n  ${tests.join('\n  else ')}`;
}

/** `key mod sets`, without the library call that `%` on large numbers is. */
export function printSetOf(sets: number): string {
  if (sets === 1) return 'return instance;';
  if (isPowerOfTwo(sets)) return `return instance * ${sets} + (key & ${sets - 1});`;
  return `let set = key - Math.floor(key / ${sets}) * ${sets};
  if (set < 0) set += ${sets};
  return instance * ${sets} + set;`;
}

/** The printed form of `createTagStore`: same look-ups, slots and evictions. Falls back to the interpreted one. */
export function createPrintedTagStore(geometry: Geometry, random: Random): TagStore {
  const source = printStore('store_', geometry, 1, 'randoms');
  if (source === undefined || !canCompile()) return createTagStore(geometry, random);
  return compile<TagStore>(source + exported(geometry), { randoms: [random] });
}

function exported({ sets, ways }: Geometry): string {
  return `
return {
  sets: ${sets}, ways: ${ways}, slots: ${sets * ways},
  lookup: (key) => store_lookup(0, key),
  peek: (key) => store_peek(0, key),
  insert: (key) => store_insert(0, key),
  remove: (key) => store_remove(0, key),
  keyAt: (slot) => store_keys[slot],
  clear: store_clear,
};`;
}
