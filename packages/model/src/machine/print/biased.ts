import { policies } from '../replacement/policies.ts';
import type { Geometry } from '../tag-store.ts';
import { printPlace, shiftedWays, shortTags } from './recency.ts';
import { printSearch, printSetOf } from './store.ts';

/**
 * What the printed text of a leaning cache names: an object `pressure` with `isHigh`, and the array of a `Random` for each instance under
 * the name `randoms`.
 */
export interface BiasedScope {
  readonly prefix: string;
  readonly instances: number;
  readonly randoms: string;
  /** How often another victim is asked for. */
  readonly attempts: number;
}

/**
 * JavaScript of `instances` caches as `createBiasedStore` makes them, behind one another. Declares, each with the prefix,
 * `touch(instance, line, kept)` and `clear()`. Undefined when the policy cannot be printed.
 */
export function printBiasedCache(geometry: Geometry, scope: BiasedScope): string | undefined {
  return printBiasedRecency(geometry, scope) ?? printBiasedPolicy(geometry, scope);
}

/**
 * Under least-recently-used replacement: a set is the list of its lines by recency, and behind them, in the same row, a word with a bit for
 * each line that is kept, in the same order. Kept lines at the end of the list that a miss spares go to its front together.
 */
function printBiasedRecency(
  { sets, ways, policy }: Geometry,
  { prefix, instances, attempts }: BiasedScope,
): string | undefined {
  if (policy !== 'lru' || ways > shiftedWays) return undefined;
  const short = shortTags(sets);
  const cells = `${prefix}lines`;
  const array = short ? 'Int32Array' : 'Float64Array';
  const last = ways - 1;
  const most = Math.min(attempts, ways);
  const shift = Array.from(
    { length: last },
    (_, index) => `
  const line${index + 1} = ${cells}[row + ${index + 1}];
  ${cells}[row + ${index + 1}] = line${index};
  if (line${index + 1} === wanted) { ${prefix}used(row, ${index + 1}, kept); return true; }`,
  ).join('');
  return `
const ${cells} = new ${array}(${instances * sets * (ways + 1)}), ${prefix}spared = new ${array}(${ways});
function ${prefix}used(row, at, kept) {
  const bits = ${cells}[row + ${ways}], low = bits & ((1 << at) - 1);
  ${cells}[row + ${ways}] = bits - low - (bits & (1 << at)) | low << 1 | (bits >>> at & 1) | (kept ? 1 : 0);
}
// The list has been shifted: \`oldest\` is no longer in it. Each line that is spared is used, the one before it is asked for, and so on.
function ${prefix}spare(row, oldest, bits) {
  let count = 0;
  while (count < ${most} && (bits >>> (${last} - count) & 1) === 1) count++;
  if (count === ${ways}) return bits;
  const stay = ${last} - count;
  for (let at = 1; at < count; at++) ${prefix}spared[at - 1] = ${cells}[row + stay + 1 + at];
  ${prefix}spared[count - 1] = oldest;
  for (let at = stay; at > 0; at--) ${cells}[row + count + at] = ${cells}[row + at];
  for (let at = 0; at < count; at++) ${cells}[row + 1 + at] = ${prefix}spared[at];
  return (bits & ((1 << stay) - 1)) << count | ((1 << count) - 1);
}
function ${prefix}touch(instance, line, kept) {
  ${printPlace(sets, short)}
  const row = (instance * ${sets} + set) * ${ways + 1};
  const line0 = ${cells}[row];
  if (line0 === wanted) {
    if (kept) ${cells}[row + ${ways}] = ${cells}[row + ${ways}] | 1;
    return true;
  }
  ${cells}[row] = wanted;${shift}
  let bits = ${cells}[row + ${ways}];
  if ((bits >>> ${last}) === 1 && pressure.isHigh) bits = ${prefix}spare(row, line${last}, bits);
  ${cells}[row + ${ways}] = (bits & ${2 ** last - 1}) << 1 | (kept ? 1 : 0);
  return false;
}
function ${prefix}clear() {
  ${cells}.fill(-1);
  for (let bits = ${ways}; bits < ${cells}.length; bits += ${ways + 1}) ${cells}[bits] = 0;
}
${prefix}clear();`;
}

/** Under any policy that can be printed, which is asked and told as the interpreted store asks and tells it. */
function printBiasedPolicy(
  { sets, ways, policy }: Geometry,
  { prefix, instances, randoms, attempts }: BiasedScope,
): string | undefined {
  const printed = policies.get(policy).print?.({ prefix, sets, ways, instances, randoms });
  if (printed === undefined) return undefined;
  const lines = `${prefix}lines`;
  return `
const ${lines} = new Float64Array(${instances * sets * ways}).fill(-1), ${prefix}kept = new Uint8Array(${instances * sets * ways});
${printed.declare}
function ${prefix}set(instance, key) {
  ${printSetOf(sets)}
}
function ${prefix}victim(instance, set, row) {
  let slot;
  { ${printed.victim} }
  if (!pressure.isHigh) return slot;
  for (let attempt = 0; attempt < ${Math.min(attempts, ways)} && ${prefix}kept[slot] === 1; attempt++) {
    { ${printed.hit} }
    { ${printed.victim} }
  }
  return slot;
}
function ${prefix}empty(row) {
  ${printSearch(lines, '-1', ways)}
  return slot;
}
function ${prefix}touch(instance, line, kept) {
  const set = ${prefix}set(instance, line), row = set * ${ways};
  ${printSearch(lines, 'line', ways)}
  if (slot >= 0) {
    if (kept) ${prefix}kept[slot] = 1;
    ${printed.hit}
    return true;
  }
  slot = ${prefix}empty(row);
  if (slot < 0) slot = ${prefix}victim(instance, set, row);
  ${lines}[slot] = line;
  ${prefix}kept[slot] = kept ? 1 : 0;
  ${printed.fill}
  return false;
}
function ${prefix}clear() {
  ${lines}.fill(-1);
  ${prefix}kept.fill(0);
  ${printed.clear}
}`;
}
