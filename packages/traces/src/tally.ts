import { type AccessBlock, AccessKind, StrataError } from '@strata/model/machine';
import type { TraceSummary } from './reader.ts';

const maxNumbers = 65_536;

/** What a reader learns on the way: the mutable side of a `TraceSummary`. */
export class Tally implements TraceSummary {
  accesses = 0;
  loads = 0;
  stores = 0;
  fetches = 0;
  prefetches = 0;
  readonly dropped = new Map<string, number>();
  readonly threads: number[] = [];
  readonly processes: number[] = [];
  readonly warnings: string[] = [];
  readonly format: string;
  readonly compression: readonly string[];
  readonly path: string;
  dialect: string;
  readonly #threadNumbers = new Map<number, number>();
  readonly #processNumbers = new Map<number, number>();

  constructor(path: string, format: string, dialect: string, compression: readonly string[]) {
    this.path = path;
    this.format = format;
    this.dialect = dialect;
    this.compression = compression;
  }

  warn(text: string): void {
    if (!this.warnings.includes(text)) this.warnings.push(text);
  }

  drop(reason: string, count = 1): void {
    if (count > 0) this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + count);
  }

  /** The number that blocks carry for a recorded thread or processor. */
  thread(recorded: number): number {
    return this.#number(recorded, this.#threadNumbers, this.threads, 'threads');
  }

  process(recorded: number): number {
    return this.#number(recorded, this.#processNumbers, this.processes, 'processes');
  }

  /** Counts what a block delivers. */
  count(block: AccessBlock): void {
    const { kind, length } = block;
    let loads = 0;
    let stores = 0;
    let fetches = 0;
    let prefetches = 0;
    for (let i = 0; i < length; i++) {
      const value = kind[i]!;
      if (value === AccessKind.load) loads++;
      else if (value === AccessKind.store) stores++;
      else if (value === AccessKind.fetch) fetches++;
      else if (value === AccessKind.prefetch) prefetches++;
    }
    this.loads += loads;
    this.stores += stores;
    this.fetches += fetches;
    this.prefetches += prefetches;
    this.accesses += loads + stores + fetches + prefetches;
  }

  #number(recorded: number, numbers: Map<number, number>, list: number[], noun: string): number {
    const known = numbers.get(recorded);
    if (known !== undefined) return known;
    if (list.length === maxNumbers)
      throw new StrataError({
        code: 'trace.too-many',
        what: `more than ${maxNumbers} ${noun}`,
        where: this.path,
        mend: 'Split the trace.',
      });
    numbers.set(recorded, list.length);
    list.push(recorded);
    return list.length - 1;
  }
}
