import { integer, type Random, type Spec, type ValuesOf } from '@strata/model/machine';

/** Where a generator's accesses go. `site` numbers the instructions of its loop, from 0: it gives the program counter. */
export interface Emitter {
  load(address: number, size: number, site: number): void;
  store(address: number, size: number, site: number): void;
}

/** Emits the accesses of the next operation: one update, one look-up, one edge. At most `operationAccesses` of them. */
export type Operation = (emit: Emitter) => void;

/** Bound on the accesses of one operation, and on its sites. */
export const operationAccesses = 256;

/** A workload: data and `create`. Adding one is one file here and one line in `registry.ts`. */
export interface Generator<S extends Spec = Spec> {
  readonly name: string;
  readonly summary: string;
  /** What it is modelled on. */
  readonly source: string;
  readonly spec: S;
  /** Starts the workload in `values.size` bytes from address `base`, in memory that does not depend on them. */
  create(values: ValuesOf<S>, random: Random, base: number): Operation;
}

/** Gives a generator its types; the identity at run time. */
export function defineGenerator<const S extends Spec>(generator: Generator<S>): Generator<S> {
  return generator;
}

/** Half of the user's half of a 48-bit address space, so that any base leaves room. */
export const largestSize = 2 ** 46;

export function sizeField(least: number): ReturnType<typeof integer> {
  return integer(2 ** 30, 'address space that the data take', { unit: 'bytes', min: least, max: largestSize });
}
