import type { Memory } from './memory.ts';

export type Structures = {};
export function createStructures(_memory: Memory): Structures {
  return {};
}
