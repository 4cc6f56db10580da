import type { DesignResources } from '../design.ts';
import type { TeaMemory } from './tea.ts';

/** Contiguous memory of the operating system that keeps the table. */
export function plainMemory(resources: DesignResources, dimension: number): TeaMemory {
  const { frames } = resources.spaces[dimension]!;
  const isHost = dimension === resources.spaces.length - 1;
  return {
    allocate(tables) {
      const frame = frames.allocateRange(tables);
      return frame < 0 ? undefined : { frame, hostFrame: isHost ? frame : -1 };
    },
    extend: ({ frame }, length, tables) => resources.takeFrames(dimension, frame + length, tables),
    release({ frame }, length) {
      for (let table = 0; table < length; table++) frames.free(frame + table, 0);
    },
  };
}
