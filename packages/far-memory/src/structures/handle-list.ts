import type { Handle } from '../handles/words.ts';

/** Handles in order, 4 bytes each outside the heap's objects. */
export interface HandleList {
  readonly length: number;
  at(index: number): Handle;
  push(handle: Handle): void;
  pop(): Handle;
  [Symbol.iterator](): IterableIterator<Handle>;
}

const FIRST_CAPACITY = 16;

export function createHandleList(): HandleList {
  let handles = new Uint32Array(FIRST_CAPACITY);
  let length = 0;
  return {
    get length() {
      return length;
    },
    at: (index) => handles[index]! as Handle,
    push(handle) {
      if (length === handles.length) {
        const grown = new Uint32Array(length * 2);
        grown.set(handles);
        handles = grown;
      }
      handles[length++] = handle;
    },
    pop: () => handles[--length]! as Handle,
    *[Symbol.iterator]() {
      for (let index = 0; index < length; index++) yield handles[index]! as Handle;
    },
  };
}
