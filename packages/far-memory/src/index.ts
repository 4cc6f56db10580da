export type { Views } from './arena/index.ts';
export * from './errors.ts';
export { FarMemory } from './far-memory.ts';
export { type Group, type Handle, type Location, MISS } from './handles/index.ts';
export * from './layout/index.ts';
export { createLocalStore, type LocalStoreOptions } from './local-store/index.ts';
export type { Packed, Values } from './operators/index.ts';
export type { FarMemoryOptions } from './options.ts';
export type * from './remote-store.ts';
export type { Scope } from './scope/index.ts';
export type { FarMemoryStats, SegmentStats } from './statistics.ts';
export {
  type ChunkOptions,
  type DataFrame,
  type DataFrameOptions,
  type FarArray,
  type FarList,
  type FarMap,
  type FarQueue,
  type FarSortedMap,
  type FarStack,
  type FarVector,
  type FrameColumns,
  type KeyRange,
  type ListOptions,
  type MapOptions,
  type OperatorParameters,
  PENDING,
  type Pending,
  type RowChunk,
  type Rows,
  type SortedMapOptions,
  type Structures,
  type VectorOptions,
} from './structures/index.ts';
