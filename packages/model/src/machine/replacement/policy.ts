import type { Random } from '../random.ts';
import type { Named } from '../registry.ts';

/**
 * The decisions of a replacement policy in one set-associative structure. The store tells it what happens to which way of which set; it
 * keeps what it needs to name a victim. A victim is asked for only when no way of the set is empty.
 */
export interface Replacement {
  /** A look-up found its key there. */
  hit(set: number, way: number): void;
  /** A key was placed there. */
  fill(set: number, way: number): void;
  /** The key was taken away; the way is empty. */
  remove(set: number, way: number): void;
  /** The way to be replaced in a full set. */
  victim(set: number): number;
  clear(): void;
}

/** What a policy is given besides its shape. */
export interface ReplacementResources {
  readonly random: Random;
  /** For the oracle: when the key that is looked up or inserted now is used next. */
  readonly future?: Future | undefined;
}

/** Filled in by whoever knows the stream, before every look-up. */
export interface Future {
  /** Index of the next access to the current key; Infinity = never again. */
  next: number;
}

/** Names that the statements of a printed policy may use. */
export interface PrintScope {
  /** Prefix of everything that the policy declares. */
  readonly prefix: string;
  readonly sets: number;
  readonly ways: number;
  /** Structures of this shape that lie behind one another (one per core); sets are numbered through all of them. */
  readonly instances: number;
  /** Name of an array of `Random`, one per instance, and of the number of the instance. */
  readonly randoms: string;
}

/**
 * A policy as JavaScript. In every fragment `row` is the first slot of the set, `slot` the slot concerned, `set` the number of the set and
 * `instance` that of the structure.
 */
export interface PrintedReplacement {
  readonly declare: string;
  readonly hit: string;
  readonly fill: string;
  readonly remove: string;
  /** Statements that assign the slot to be replaced to `slot`. */
  readonly victim: string;
  /** Whether `victim` finds an empty slot first by itself. */
  readonly victimFindsEmpty: boolean;
  readonly clear: string;
}

/** A replacement policy: one file, one line in the registry. */
export interface ReplacementPolicy extends Named {
  readonly source: string;
  /** Using an entry again right after its use or filling changes nothing. */
  readonly repeatsChangeNothing: boolean;
  create(sets: number, ways: number, resources: ReplacementResources): Replacement;
  /** Absent: stores of this policy are always interpreted. */
  print?(scope: PrintScope): PrintedReplacement;
}

/** Statements that assign to `slot` the slot with the smallest number in `array`, the lowest way on ties; empty slots hold 0. */
export function printSmallest(array: string, ways: number): string {
  const scan =
    ways <= 16
      ? Array.from(
          { length: ways - 1 },
          (_, i) =>
            `if (${array}[row + ${i + 1}] < least) { least = ${array}[row + ${i + 1}]; slot = row + ${i + 1}; }`,
        ).join('\n')
      : `for (let way = 1; way < ${ways}; way++) if (${array}[row + way] < least) { least = ${array}[row + way]; slot = row + way; }`;
  return `slot = row; let least = ${array}[row];\n${scan}`;
}

/** The way with the smallest number, the lowest on ties. */
export function smallest(numbers: Float64Array, row: number, ways: number): number {
  let best = 0;
  for (let way = 1; way < ways; way++) if (numbers[row + way]! < numbers[row + best]!) best = way;
  return best;
}
