/**
 * Sums of doubles without rounding, so that they do not depend on the order or on how the data is cut: what is kept is a list of doubles
 * whose exact sum is the sum (Shewchuk, Adaptive Precision Floating-Point Arithmetic, 1997), and only the end is rounded, once, to nearest
 * even. Infinities and NaN follow IEEE 754.
 */
export interface ExactSum {
  add(value: number): void;
  /** Adds many at once, for less: high parts of a block are split off and added without error (Rump, Ogita and Oishi, 2008). */
  addAll(values: ArrayLike<number>): void;
  /** Doubles whose exact sum is the sum so far. */
  terms(): readonly number[];
  /** The sum, correctly rounded. */
  round(): number;
}

/** Beyond this the arithmetic of `add` could overflow; such values are kept as they are and added as integers in `round`. */
const greatest = 2 ** 900;

export function createExactSum(): ExactSum {
  // Ascending in magnitude, without overlap.
  const partials: number[] = [];
  const huge: number[] = [];
  let special = 0;
  let scratch = new Float64Array(0);

  function add(value: number): void {
    if (!(Math.abs(value) < greatest)) {
      if (Number.isFinite(value)) huge.push(value);
      else special += value;
      return;
    }
    let x = value;
    let kept = 0;
    for (let i = 0; i < partials.length; i++) {
      const y = partials[i]!;
      const high = x + y;
      const rounded = high - x;
      const low = x - (high - rounded) + (y - rounded);
      if (low !== 0) partials[kept++] = low;
      x = high;
    }
    partials.length = kept;
    if (Math.abs(x) >= greatest) huge.push(x);
    else partials.push(x);
  }

  function addAll(values: ArrayLike<number>): void {
    const { length } = values;
    // One kind of array for the loops below: each more would make all of them slower.
    const doubles = values instanceof Float64Array ? values : intoScratch(values);
    const most = greatestMagnitude(doubles, length);
    // Also where one of them is infinite, or the unit below would be subnormal.
    if (length < 8 || !(most < greatest) || most < 2 ** -900) {
      for (let i = 0; i < length; i++) add(doubles[i]!);
      return;
    }
    if (scratch.length < length) scratch = new Float64Array(length);
    // A power of two above length * most: adding and subtracting it keeps the bits of a value above its unit, and these add without error.
    let unit = 2 ** (Math.ceil(Math.log2(most)) + Math.ceil(Math.log2(length + 2)) + 1);
    let isLeft = splitOff(doubles, length, unit);
    while (isLeft && unit > 2 ** -800) {
      unit *= 2 ** (Math.ceil(Math.log2(length + 2)) - 51);
      isLeft = splitOff(scratch, length, unit);
    }
    if (isLeft) for (let i = 0; i < length; i++) if (scratch[i] !== 0) add(scratch[i]!);
  }

  function intoScratch(values: ArrayLike<number>): Float64Array {
    if (scratch.length < values.length) scratch = new Float64Array(values.length);
    scratch.set(values);
    return scratch;
  }

  /**
   * Adds the high parts, leaves the rest in `scratch`; whether there is any. In four sums, which are exact in any order: one alone would wait
   * for each addition before the next.
   */
  function splitOff(values: Float64Array, length: number, unit: number): boolean {
    const rest = scratch;
    let isLeft = false;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    let i = 0;
    for (const inFours = length - 3; i < inFours; i += 4) {
      const v = values[i]!;
      const w = values[i + 1]!;
      const x = values[i + 2]!;
      const y = values[i + 3]!;
      const p = unit + v - unit;
      const q = unit + w - unit;
      const r = unit + x - unit;
      const s = unit + y - unit;
      a += p;
      b += q;
      c += r;
      d += s;
      const k = v - p;
      const l = w - q;
      const m = x - r;
      const n = y - s;
      rest[i] = k;
      rest[i + 1] = l;
      rest[i + 2] = m;
      rest[i + 3] = n;
      if (k !== 0 || l !== 0 || m !== 0 || n !== 0) isLeft = true;
    }
    for (; i < length; i++) {
      const value = values[i]!;
      const high = unit + value - unit;
      a += high;
      rest[i] = value - high;
      if (rest[i] !== 0) isLeft = true;
    }
    const sum = a + b + (c + d);
    add(sum);
    // A NaN decides the sum, whatever is left.
    return isLeft && !Number.isNaN(sum);
  }

  function terms(): readonly number[] {
    const all = [...huge, ...partials];
    if (special !== 0) all.push(special);
    return all;
  }

  return {
    add,
    addAll,
    terms,
    round() {
      if (special !== 0) return special;
      return huge.length === 0 ? roundPartials(partials) : roundExactly([...huge, ...partials]);
    },
  };
}

/** Of the values that are numbers. */
function greatestMagnitude(values: Float64Array, length: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let i = 0;
  for (const inFours = length - 3; i < inFours; i += 4) {
    const v = Math.abs(values[i]!);
    const w = Math.abs(values[i + 1]!);
    const x = Math.abs(values[i + 2]!);
    const y = Math.abs(values[i + 3]!);
    if (v > a) a = v;
    if (w > b) b = w;
    if (x > c) c = x;
    if (y > d) d = y;
  }
  for (; i < length; i++) if (Math.abs(values[i]!) > a) a = Math.abs(values[i]!);
  return Math.max(a, b, c, d);
}

/** Rounds an expansion once, to nearest even (as Python's fsum does). */
function roundPartials(partials: readonly number[]): number {
  let at = partials.length - 1;
  if (at < 0) return 0;
  let high = partials[at]!;
  let low = 0;
  while (at > 0) {
    const x = high;
    const y = partials[--at]!;
    high = x + y;
    low = y - (high - x);
    if (low !== 0) break;
  }
  // Halfway between two doubles: what lies below decides.
  if (at > 0 && ((low < 0 && partials[at - 1]! < 0) || (low > 0 && partials[at - 1]! > 0))) {
    const doubled = low * 2;
    const moved = high + doubled;
    if (moved - high === doubled) return moved;
  }
  return high;
}

/** The same by integers, for any finite values: also the oracle of the tests. */
export function roundExactly(values: Iterable<number>): number {
  let sum = 0n;
  for (const value of values) sum += scaled(value);
  return unscaled(sum);
}

/** Every double is a whole multiple of 2^-1074. */
function scaled(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = (bits >> 52n) & 0x7ffn;
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return bits >> 63n === 0n ? magnitude : -magnitude;
}

function unscaled(sum: bigint): number {
  const magnitude = sum < 0n ? -sum : sum;
  const bits = magnitude.toString(2).length;
  const drop = BigInt(Math.max(0, bits - 53));
  let kept = magnitude >> drop;
  const rest = magnitude - (kept << drop);
  const half = drop === 0n ? 0n : 1n << (drop - 1n);
  if (drop > 0n && (rest > half || (rest === half && (kept & 1n) === 1n))) kept += 1n;
  const result = scaleUp(Number(kept), Number(drop) - 1074);
  return sum < 0n ? -result : result;
}

/** value * 2^exponent in steps that neither overflow early nor round twice. */
function scaleUp(value: number, exponent: number): number {
  let result = value;
  let left = exponent;
  for (; left > 1000; left -= 1000) result *= 2 ** 1000;
  for (; left < -1000; left += 1000) result *= 2 ** -1000;
  return result * 2 ** left;
}
