/** Labels of a trajectory in the original's enumeration order; `RANGE_*` end a row. A step's value is its index here. */
export const labels = ['MEMORY', 'L1', 'L2', 'LLC', 'PWC', 'ZERO', 'RANGE_HIT', 'RANGE_MISS'] as const;
export type Label = (typeof labels)[number];

export const Step = { memory: 0, walkCache: 4, skipped: 5, rangeHit: 6, rangeMiss: 7 } as const;

/** One row of the original's report: where each step of a walk was answered, then the range flag, and how many walks went that way. */
export interface HistogramRow {
  readonly labels: readonly Label[];
  readonly count: number;
}

const bitsPerStep = 3;
const stepsPerWord = 10;
const words = 3;

/** Counts trajectories of up to 30 steps. A trajectory is packed into three words of ten steps, the first step highest. */
export class TrajectoryHistogram {
  private readonly steps: number;
  private keys = new Int32Array(words * 256);
  private counts = new Float64Array(256);
  private used = 0;

  constructor(steps: number) {
    this.steps = steps;
  }

  add(trajectory: Uint8Array): void {
    let first = 0;
    let second = 0;
    let third = 0;
    const steps = this.steps;
    for (let step = 0; step < stepsPerWord; step++) {
      first = (first << bitsPerStep) | (step < steps ? trajectory[step]! : 0);
      const middle = step + stepsPerWord;
      second = (second << bitsPerStep) | (middle < steps ? trajectory[middle]! : 0);
      const late = step + 2 * stepsPerWord;
      third = (third << bitsPerStep) | (late < steps ? trajectory[late]! : 0);
    }
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
      labels: Array.from({ length: this.steps }, (_, step) => labels[this.stepAt(slot, step)]!),
      count: this.counts[slot]!,
    }));
  }

  private stepAt(slot: number, step: number): number {
    const word = this.keys[words * slot + Math.floor(step / stepsPerWord)]!;
    return (word >> (bitsPerStep * (stepsPerWord - 1 - (step % stepsPerWord)))) & 7;
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
