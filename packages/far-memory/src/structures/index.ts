import type { Layout } from '../layout/layout.ts';
import { createArray, type FarArray } from './array.ts';
import { createDataFrame, type DataFrame, type DataFrameOptions, type FrameColumns } from './data-frame.ts';
import { createHashMap, type FarMap, type MapOptions } from './hash-map.ts';
import { createList, type FarList, type ListOptions } from './list.ts';
import type { Memory } from './memory.ts';
import { createQueue, createStack, type FarQueue, type FarStack } from './queue.ts';
import { createSortedMap, type FarSortedMap, type SortedMapOptions } from './sorted-map.ts';
import { createVector, type FarVector, type VectorOptions } from './vector.ts';

export type { FarArray } from './array.ts';
export type { ChunkOptions, RowChunk } from './chunks.ts';
export type { DataFrame, DataFrameOptions, FrameColumns } from './data-frame.ts';
export type { FarMap, MapOptions } from './hash-map.ts';
export type { FarList, ListOptions } from './list.ts';
export { PENDING, type Pending } from './pending.ts';
export type { FarQueue, FarStack } from './queue.ts';
export type { Rows } from './rows.ts';
export type { FarSortedMap, KeyRange, SortedMapOptions } from './sorted-map.ts';
export type { FarVector, OperatorParameters, VectorOptions } from './vector.ts';

/** Makers of the data structures. Each frees its objects with `drop()`, and only so. */
export interface Structures {
  /** @throws FarUsageError when a value does not fit a segment. */
  array<Value, View, Mutable>(layout: Layout<Value, View, Mutable>, length: number): FarArray<Value, View, Mutable>;
  vector<Value, View, Mutable>(
    layout: Layout<Value, View, Mutable>,
    options?: VectorOptions,
  ): FarVector<Value, View, Mutable>;
  /** Columns of numbers of one length. @throws FarUsageError when a chunk of a column does not fit a segment. */
  dataFrame(columns: FrameColumns, options?: DataFrameOptions): DataFrame;
  map<Key, KeyView, KeyMutable, Value, View, Mutable>(
    options: MapOptions<Key, KeyView, KeyMutable, Value, View, Mutable>,
  ): FarMap<Key, Value, View, Mutable>;
  sortedMap<Key, Value, View, Mutable>(options: SortedMapOptions<Key, Value, View, Mutable>): FarSortedMap<Key, Value>;
  list<Value, View, Mutable>(layout: Layout<Value, View, Mutable>, options?: ListOptions): FarList<Value>;
  queue<Value, View, Mutable>(layout: Layout<Value, View, Mutable>, options?: ListOptions): FarQueue<Value>;
  stack<Value, View, Mutable>(layout: Layout<Value, View, Mutable>, options?: ListOptions): FarStack<Value>;
}

export function createStructures(memory: Memory): Structures {
  return {
    array: (layout, length) => createArray(memory, layout, length),
    vector: (layout, options) => createVector(memory, layout, options),
    dataFrame: (columns, options) => createDataFrame(memory, columns, options),
    map: (options) => createHashMap(memory, options),
    sortedMap: (options) => createSortedMap(memory, options),
    list: (layout, options) => createList(memory, layout, options),
    queue: (layout, options) => createQueue(memory, layout, options),
    stack: (layout, options) => createStack(memory, layout, options),
  };
}
