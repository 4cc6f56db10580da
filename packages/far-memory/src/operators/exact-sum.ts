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
    let most = 0;
    for (let i = 0; i < length; i++) {
      const magnitude = Math.abs(values[i]!);
      if (!(magnitude <= most)) most = magnitude;
    }
    // Also where one of them is NaN, or the unit below would be subnormal.
    if (length < 8 || !(most < greatest) || most < 2 ** -900) {
      for (let i = 0; i < length; i++) add(values[i]!);
      return;
    }
    if (scratch.length < length) scratch = new Float64Array(length);
    // A power of two above length * most: adding and subtracting it keeps the bits of a value above its unit, and these add without error.
    let unit = 2 ** (Math.ceil(Math.log2(most)) + Math.ceil(Math.log2(length + 2)) + 1);
    let isLeft = splitOff(values, length, unit);
    while (isLeft && unit > 2 ** -800) {
      unit *= 2 ** (Math.ceil(Math.log2(length + 2)) - 51);
      isLeft = splitOff(scratch, length, unit);
    }
    if (isLeft) for (let i = 0; i < length; i++) if (scratch[i] !== 0) add(scratch[i]!);
  }

  /** Adds the high parts, leaves the rest in `scratch`; whether there is any. */
  function splitOff(values: ArrayLike<number>, length: number, unit: number): boolean {
    let sum = 0;
    let isLeft = false;
    for (let i = 0; i < length; i++) {
      const value = values[i]!;
      const high = unit + value - unit;
      sum += high;
      const low = value - high;
      scratch[i] = low;
      if (low !== 0) isLeft = true;
    }
    add(sum);
    return isLeft;
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
