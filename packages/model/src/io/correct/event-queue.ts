/** Future events by time; equal times leave in the order in which they were pushed. A binary heap in typed arrays. */
export class EventQueue {
  length = 0;
  /** Time, kind and argument of the event popped last. */
  now = 0;
  kind = 0;
  argument = 0;
  #pushed = 0;
  #times = new Float64Array(1024);
  #orders = new Float64Array(1024);
  #kinds = new Uint8Array(1024);
  #arguments = new Int32Array(1024);

  /** Infinity when there is none. */
  get nextTime(): number {
    return this.length === 0 ? Number.POSITIVE_INFINITY : this.#times[0]!;
  }

  push(time: number, kind: number, argument: number): void {
    if (this.length === this.#times.length) this.#grow();
    const order = this.#pushed++;
    const times = this.#times;
    const orders = this.#orders;
    let at = this.length++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      // An older event of the same time stays in front.
      if (times[parent]! <= time) break;
      this.#move(parent, at);
      at = parent;
    }
    times[at] = time;
    orders[at] = order;
    this.#kinds[at] = kind;
    this.#arguments[at] = argument;
  }

  pop(): void {
    this.now = this.#times[0]!;
    this.kind = this.#kinds[0]!;
    this.argument = this.#arguments[0]!;
    const last = --this.length;
    if (last === 0) return;
    const time = this.#times[last]!;
    const order = this.#orders[last]!;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#precedes(child + 1, this.#times[child]!, this.#orders[child]!)) child++;
      if (!this.#precedes(child, time, order)) break;
      this.#move(child, at);
      at = child;
    }
    this.#move(last, at);
  }

  #precedes(slot: number, time: number, order: number): boolean {
    const own = this.#times[slot]!;
    return own < time || (own === time && this.#orders[slot]! < order);
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from]!;
    this.#orders[to] = this.#orders[from]!;
    this.#kinds[to] = this.#kinds[from]!;
    this.#arguments[to] = this.#arguments[from]!;
  }

  #grow(): void {
    const capacity = this.#times.length * 2;
    this.#times = larger(this.#times, new Float64Array(capacity));
    this.#orders = larger(this.#orders, new Float64Array(capacity));
    this.#kinds = larger(this.#kinds, new Uint8Array(capacity));
    this.#arguments = larger(this.#arguments, new Int32Array(capacity));
  }
}

function larger<T extends Float64Array | Uint8Array | Int32Array>(old: T, grown: T): T {
  grown.set(old);
  return grown;
}
