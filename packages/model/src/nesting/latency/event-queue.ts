export interface TimedEvent {
  readonly at: number;
  readonly happen: () => void;
}

/** Events by time; those of the same time in the order they were added. */
export interface EventQueue {
  add(at: number, happen: () => void): void;
  /** Removes the earliest. */
  next(): TimedEvent | undefined;
}

interface Entry extends TimedEvent {
  readonly order: number;
}

export function createEventQueue(): EventQueue {
  const heap: Entry[] = [];
  let added = 0;
  const before = (a: Entry, b: Entry) => a.at < b.at || (a.at === b.at && a.order < b.order);

  return {
    add(at, happen) {
      const entry = { at, happen, order: added++ };
      let index = heap.length;
      heap.push(entry);
      while (index > 0) {
        const parent = (index - 1) >> 1;
        if (!before(entry, heap[parent]!)) break;
        heap[index] = heap[parent]!;
        index = parent;
      }
      heap[index] = entry;
    },
    next() {
      const first = heap[0];
      const last = heap.pop();
      if (first === undefined || last === undefined || heap.length === 0) return first;
      let index = 0;
      for (;;) {
        let child = 2 * index + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
        if (!before(heap[child]!, last)) break;
        heap[index] = heap[child]!;
        index = child;
      }
      heap[index] = last;
      return first;
    },
  };
}
