/** Labels of steps in the original's enumeration order: a step's value is its index here. */
export const labels = ['MEMORY', 'L1', 'L2', 'LLC', 'PWC', 'ZERO'] as const;
export type Label = (typeof labels)[number];

const ranges = ['RANGE_HIT', 'RANGE_MISS'] as const;
export type RangeLabel = (typeof ranges)[number];

/** Values of steps that no cache level has; a trajectory ends with one of the last two. */
export const Step = { walkCache: 4, skipped: 5, rangeHit: 6, rangeMiss: 7 } as const;

/** One row of the original's report: where each step of a walk was answered (4 native, 24 virtualized) and how many walks went that way. */
export interface HistogramRow {
  readonly labels: readonly Label[];
  /** Whether the page is in a range of the range file; always a hit without one. */
  readonly range: RangeLabel;
  readonly count: number;
}

const bitsPerStep = 3;
const stepsPerWord = 10;
const words = 3;

/** Counts trajectories of up to 29 steps and a range flag. A trajectory is packed into three words of ten steps, the first step highest. */
export class TrajectoryHistogram {
  private readonly steps: number;
  private keys = new Int32Array(words * 256);
  private counts = new Float64Array(256);
  private used = 0;

  /** @param steps without the range flag */
  constructor(steps: number) {
    this.steps = steps + 1;
  }

  add(trajectory: Uint8Array): void {
    const { steps } = this;
    let first = 0;
    let second = 0;
    let third = 0;
    let step = 0;
    for (; step < steps && step < stepsPerWord; step++) first = (first << bitsPerStep) | trajectory[step]!;
    for (; step < steps && step < 2 * stepsPerWord; step++) second = (second << bitsPerStep) | trajectory[step]!;
    for (; step < steps; step++) third = (third << bitsPerStep) | trajectory[step]!;
    const slot = this.slotOf(first, second, third);
    if (this.counts[slot] === 0) this.occupy(slot, first, second, third);
    else this.counts[slot]!++;
  }

  clear(): void {
    this.counts.fill(0);
    this.used = 0;
  }

  /** Rows in the order of the enumeration values of their labels. */
  rows(): HistogramRow[] {
    const slots = [...this.counts.keys()].filter((slot) => this.counts[slot]! > 0);
    const keys = this.keys;
    slots.sort((a, b) => {
      for (let word = 0; word < words; word++) {
        const difference = keys[words * a + word]! - keys[words * b + word]!;
        if (difference !== 0) return difference;
      }
      return 0;
    });
    return slots.map((slot) => ({
      labels: Array.from({ length: this.steps - 1 }, (_, step) => labels[this.stepAt(slot, step)]!),
      range: ranges[this.stepAt(slot, this.steps - 1) - Step.rangeHit]!,
      count: this.counts[slot]!,
    }));
  }

  private stepAt(slot: number, step: number): number {
    const word = Math.floor(step / stepsPerWord);
    const stepsInWord = Math.min(stepsPerWord, this.steps - word * stepsPerWord);
    const shift = bitsPerStep * (stepsInWord - 1 - (step % stepsPerWord));
    return (this.keys[words * slot + word]! >> shift) & 7;
  }

  private slotOf(first: number, second: number, third: number): number {
    const keys = this.keys;
    const mask = this.counts.length - 1;
    const mixed = Math.imul(Math.imul(Math.imul(first, 0x9e3779b1) ^ second, 0x85ebca6b) ^ third, 0xc2b2ae35);
    let slot = (mixed ^ (mixed >>> 15)) & mask;
    while (
      this.counts[slot] !== 0 &&
      (keys[words * slot] !== first || keys[words * slot + 1] !== second || keys[words * slot + 2] !== third)
    )
      slot = (slot + 1) & mask;
    return slot;
  }

  private occupy(slot: number, first: number, second: number, third: number): void {
    this.keys[words * slot] = first;
    this.keys[words * slot + 1] = second;
    this.keys[words * slot + 2] = third;
    this.counts[slot] = 1;
    this.used++;
    if (2 * this.used > this.counts.length) this.grow();
  }

  private grow(): void {
    const keys = this.keys;
    const counts = this.counts;
    this.keys = new Int32Array(2 * keys.length);
    this.counts = new Float64Array(2 * counts.length);
    for (let slot = 0; slot < counts.length; slot++) {
      if (counts[slot] === 0) continue;
      const [first, second, third] = [keys[words * slot]!, keys[words * slot + 1]!, keys[words * slot + 2]!];
      const moved = this.slotOf(first, second, third);
      this.keys.set([first, second, third], words * moved);
      this.counts[moved] = counts[slot]!;
    }
  }
}
