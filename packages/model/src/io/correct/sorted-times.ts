/** A few times in ascending order. */
export class SortedTimes {
  length = 0;
  readonly #times: Float64Array;

  constructor(capacity: number) {
    this.#times = new Float64Array(capacity);
  }

  add(time: number): void {
    let at = this.length++;
    for (; at > 0 && this.#times[at - 1]! > time; at--) this.#times[at] = this.#times[at - 1]!;
    this.#times[at] = time;
  }

  takeFirst(): number {
    const first = this.#times[0]!;
    this.#times.copyWithin(0, 1, this.length);
    this.length--;
    return first;
  }

  /** Removes what is not later than `time`. */
  dropUntil(time: number): void {
    let passed = 0;
    while (passed < this.length && this.#times[passed]! <= time) passed++;
    if (passed === 0) return;
    this.#times.copyWithin(0, passed, this.length);
    this.length -= passed;
  }
}
