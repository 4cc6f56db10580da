import type { DesignResources } from '../design.ts';

/**
 * Numbers of the steps of a walk in several dimensions. A context says what a dimension is asked to translate: as digits, the reads under
 * way in the dimensions above it, the nearest in the last digit; 0 = the page that the walk is about.
 */
export class StepLabels {
  private readonly resources: Pick<DesignResources, 'step'>;
  private readonly names: readonly string[];
  private readonly reads: readonly string[];
  /** By dimension and `context * base + read`; -1 = not asked for yet. */
  private readonly numbers: readonly Int32Array[];

  /**
   * @param names of the dimensions, from the process down; may be empty
   * @param reads what can be read in a dimension, from number 1 on; element 0 is not used
   */
  constructor(resources: Pick<DesignResources, 'step'>, names: readonly string[], reads: readonly string[]) {
    this.resources = resources;
    this.names = names;
    this.reads = reads;
    this.numbers = names.map((_, dimension) => new Int32Array(reads.length ** (dimension + 1)).fill(-1));
  }

  /** Context for the dimension below while `read` is under way. */
  below(context: number, read: number): number {
    return context * this.reads.length + read;
  }

  number(dimension: number, context: number, read: number): number {
    const at = context * this.reads.length + read;
    const known = this.numbers[dimension]![at]!;
    if (known >= 0) return known;
    const number = this.resources.step(this.label(dimension, context, read));
    this.numbers[dimension]![at] = number;
    return number;
  }

  private label(dimension: number, context: number, read: number): string {
    const own = `${this.names[dimension]} ${this.reads[read]}`.trimStart();
    return dimension === 0 ? own : `${own} for ${this.purpose(dimension - 1, context)}`;
  }

  private purpose(dimension: number, context: number): string {
    const read = context % this.reads.length;
    const above = Math.floor(context / this.reads.length);
    if (read !== 0) return this.label(dimension, above, read);
    return dimension === 0 ? 'data' : this.purpose(dimension - 1, above);
  }
}
