import type { Geometry } from '../tag-store.ts';

/** Ways up to which shifting a set by hand beats a clock; also what a reader of printed code can bear. */
export const shiftedWays = 16;
/** Sets from which on what is left of a line number (below 2^46: frames have 40 bits, a frame has 64 lines) fits into 31 bits. */
const setsForSmallTags = 2 ** 15;

/** Whether what is left of a line number beside its set fits into 31 bits. */
export const shortTags = (sets: number): boolean => sets >= setsForSmallTags;

const isPowerOfTwo = (count: number): boolean => Number.isInteger(Math.log2(count));

/**
 * JavaScript of `instances` equal caches of lines under least-recently-used replacement, without slots: a set is the list of its lines by
 * recency, so look-up, replacement and the note of the use are one pass over it, and a set of the last level takes one line of the machine
 * that simulates. Declares, each with the prefix, `touch(instance, line)`, true on a hit, else the line has been placed, and `clear()`.
 * Undefined for other policies and for more ways than pay.
 */
export function printRecencyCache(prefix: string, geometry: Geometry, instances: number): string | undefined {
  const { sets, ways, policy } = geometry;
  if (policy !== 'lru' || ways > shiftedWays) return undefined;
  const small = shortTags(sets);
  const lines = `${prefix}lines`;
  const shift = Array.from(
    { length: ways - 1 },
    (_, index) => `
  const line${index + 1} = ${lines}[row + ${index + 1}];
  ${lines}[row + ${index + 1}] = line${index};
  if (line${index + 1} === wanted) return true;`,
  ).join('');
  return `
const ${lines} = new ${small ? 'Int32Array' : 'Float64Array'}(${instances * sets * ways}).fill(-1);
function ${prefix}touch(instance, line) {
  ${printPlace(sets, small)}
  const row = (instance * ${sets} + set) * ${ways};
  const line0 = ${lines}[row];
  if (line0 === wanted) return true;
  ${lines}[row] = wanted;${shift}
  return false;
}
function ${prefix}clear() {
  ${lines}.fill(-1);
}`;
}

/** `set`, and what is kept of the line there. */
export function printPlace(sets: number, small: boolean): string {
  const set = isPowerOfTwo(sets) ? `line & ${sets - 1}` : `line - quotient * ${sets}`;
  const quotient = `const quotient = Math.floor(line / ${sets});`;
  if (small) return `${quotient} const set = ${set}, wanted = quotient | 0;`;
  return `${isPowerOfTwo(sets) ? '' : quotient} const set = ${set}, wanted = line;`;
}
