import type { Layout } from '../layout/layout.ts';
import { createList, type ListOptions } from './list.ts';
import type { Memory } from './memory.ts';
import type { Pending } from './pending.ts';

/** First in, first out. What is between the ends may be far away; the front is fetched ahead. */
export interface FarQueue<Value> {
  readonly length: number;
  push(value: Value): Promise<void>;
  pop(): Promise<Value | undefined>;
  peek(): Promise<Value | undefined>;
  tryPush(value: Value): boolean;
  tryPop(): Value | undefined | Pending;
  /** From the front. */
  values(): AsyncIterableIterator<Value>;
  drop(): Promise<void>;
}

export function createQueue<Value, View, Mutable>(
  memory: Memory,
  layout: Layout<Value, View, Mutable>,
  options?: ListOptions,
): FarQueue<Value> {
  const list = createList(memory, layout, options);
  return {
    get length() {
      return list.length;
    },
    push: list.pushBack,
    pop: list.popFront,
    peek: async () => (list.length === 0 ? undefined : list.at(0)),
    tryPush: list.tryPushBack,
    tryPop: list.tryPopFront,
    values: () => list.values(),
    drop: list.drop,
  };
}

/** Last in, first out. */
export interface FarStack<Value> {
  readonly length: number;
  push(value: Value): Promise<void>;
  pop(): Promise<Value | undefined>;
  top(): Promise<Value | undefined>;
  tryPush(value: Value): boolean;
  tryPop(): Value | undefined | Pending;
  /** From the top. */
  values(): AsyncIterableIterator<Value>;
  drop(): Promise<void>;
}

export function createStack<Value, View, Mutable>(
  memory: Memory,
  layout: Layout<Value, View, Mutable>,
  options?: ListOptions,
): FarStack<Value> {
  const list = createList(memory, layout, options);
  return {
    get length() {
      return list.length;
    },
    push: list.pushBack,
    pop: list.popBack,
    top: async () => (list.length === 0 ? undefined : list.at(list.length - 1)),
    tryPush: list.tryPushBack,
    tryPop: list.tryPopBack,
    values: () => list.values({ reverse: true }),
    drop: list.drop,
  };
}
