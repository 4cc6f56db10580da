/**
 * The queues between the stages of the original's model. Each holds events (numbers of the owner's) with the nanosecond at which they
 * are due, and releases at most one per nanosecond (specs/io.md 2.3, quirk Q1).
 */
export interface EventQueue {
  readonly length: number;
  /** When the event that leaves next is due; Infinity when empty. */
  readonly nextTime: number;
  push(event: number, time: number): void;
  /** Removes the event that leaves next. Only when not empty. */
  pop(): number;
}

const initialCapacity = 1024;

/**
 * Orders by time alone. Events of equal time leave in the order of a binary heap that sifts the last leaf down from the hole, as the
 * C++ standard library's does (specs/io.md 2.4): that order is part of the original's results (quirk Q2).
 */
export class HeapQueue implements EventQueue {
  length = 0;
  nextTime = Infinity;
  /** Times modulo 2^32: in-flight events lie within 2^31 ns of each other, and integers compare without a branch. */
  #times = new Int32Array(initialCapacity);
  #events = new Int32Array(initialCapacity);

  push(event: number, time: number): void {
    if (this.length === this.#times.length) this.#grow();
    this.#siftUp(this.length, event, time | 0);
    if (time < this.nextTime) this.nextTime = time;
    this.length++;
  }

  pop(): number {
    const times = this.#times;
    const events = this.#events;
    const first = events[0]!;
    const firstTime = times[0]!;
    const length = --this.length;
    if (length === 0) {
      this.nextTime = Infinity;
      return first;
    }
    const lastTime = times[length]!;
    const lastEvent = events[length]!;
    let hole = 0;
    let child = 2;
    while (child < length) {
      // One back when the right child is later than the left one: the sign of their difference.
      child -= (times[child - 1]! - times[child]!) >>> 31;
      times[hole] = times[child]!;
      events[hole] = events[child]!;
      hole = child;
      child = 2 * (hole + 1);
    }
    if (child === length) {
      times[hole] = times[child - 1]!;
      events[hole] = events[child - 1]!;
      hole = child - 1;
    }
    this.#siftUp(hole, lastEvent, lastTime);
    this.nextTime += (times[0]! - firstTime) | 0;
    return first;
  }

  #siftUp(from: number, event: number, time: number): void {
    const times = this.#times;
    const events = this.#events;
    let hole = from;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (((times[parent]! - time) | 0) <= 0) break;
      times[hole] = times[parent]!;
      events[hole] = events[parent]!;
      hole = parent;
    }
    times[hole] = time;
    events[hole] = event;
  }

  #grow(): void {
    const times = new Int32Array(this.#times.length * 2);
    times.set(this.#times);
    this.#times = times;
    const events = new Int32Array(this.#events.length * 2);
    events.set(this.#events);
    this.#events = events;
  }
}

/** The original's in-order mode: first in, first out, so that an event due later holds up those behind it (quirk Q13). */
export class FifoQueue implements EventQueue {
  length = 0;
  nextTime = Infinity;
  #head = 0;
  #times = new Float64Array(initialCapacity);
  #events = new Int32Array(initialCapacity);

  push(event: number, time: number): void {
    if (this.length === this.#times.length) this.#grow();
    const slot = (this.#head + this.length) & (this.#times.length - 1);
    this.#times[slot] = time;
    this.#events[slot] = event;
    this.length++;
    this.nextTime = this.#times[this.#head]!;
  }

  pop(): number {
    const event = this.#events[this.#head]!;
    this.#head = (this.#head + 1) & (this.#times.length - 1);
    this.length--;
    this.nextTime = this.length === 0 ? Infinity : this.#times[this.#head]!;
    return event;
  }

  #grow(): void {
    const capacity = this.#times.length;
    const times = new Float64Array(capacity * 2);
    const events = new Int32Array(capacity * 2);
    for (let index = 0; index < this.length; index++) {
      const slot = (this.#head + index) & (capacity - 1);
      times[index] = this.#times[slot]!;
      events[index] = this.#events[slot]!;
    }
    this.#head = 0;
    this.#times = times;
    this.#events = events;
  }
}
