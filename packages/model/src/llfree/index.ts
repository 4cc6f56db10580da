export { attachHost, HostView } from './host-view.ts';
export {
  attachLLFree,
  createExclusive,
  createShared,
  type HugeFrameState,
  LLFree,
  type LLFreeMemory,
  type LLFreeOptions,
  type LLFreeVersion,
  llfreeVersions,
  outOfMemory,
} from './llfree.ts';
export {
  createVectorReplay,
  type Mismatch,
  type RecordedOperation,
  type RecordedState,
  type VectorReplay,
} from './replay.ts';
export type { Violation } from './validate.ts';
export type { Reclaimed } from './versions/ae.ts';
