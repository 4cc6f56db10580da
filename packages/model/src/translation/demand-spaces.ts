import {
  type AddressSpaces,
  createAddressSpaces,
  type DemandSpace,
  type DimensionOptions,
} from '../machine/operating-system/index.ts';
import { createRandom } from '../machine/random.ts';
import type { TranslationConfig } from './config.ts';
import type { Setup } from './design.ts';
import type { DesignMemoryOptions } from './design-memory.ts';

/** Names of the dimensions in `config.spaces`, from the process down. */
const dimensionNames = {
  native: ['process'],
  virtualized: ['process', 'vm'],
  nested: ['process', 'vm', 'l1'],
} as const satisfies Readonly<Record<Setup, readonly string[]>>;

/**
 * The address spaces that a configuration describes, filled by the operating-system model as the trace touches them: the second argument of
 * `createSimulation` when no tables are imported. Each process of the trace gets a space of its own over the same memory and VMs.
 */
export function demandSpaces(config: TranslationConfig): (process: number) => readonly DemandSpace[] {
  const built = demandMachine(config);
  return (process) => (process === 0 ? built.spaces : built.addProcess());
}

/** The same spaces with the memories below them, for what happens to a VM's memory while a trace runs. */
export function demandMachine({ setup, spaces, seed }: TranslationConfig): AddressSpaces {
  const dimensions: DimensionOptions[] = dimensionNames[setup].map((name) => {
    const { page, levels, memoryGiB, fragmentation } = spaces[name];
    return {
      pages: page,
      levels: levels === 5 ? 5 : 4,
      unusable: fragmentation,
      ...(memoryGiB > 0 ? { memoryBytes: Math.floor(memoryGiB * 2 ** 18) * 4096 } : {}),
    };
  });
  return createAddressSpaces(dimensions, createRandom(seed));
}

/** The memories that designs find for tables of their own: as large and as fragmented at the start as the study's. */
export function designMemories({ setup, spaces }: TranslationConfig): DesignMemoryOptions[] {
  return dimensionNames[setup].map((name, dimension) => {
    const { memoryGiB, fragmentation } = spaces[name];
    const below = dimensionNames[setup][dimension + 1];
    return {
      unusable: fragmentation,
      hugeBacking: below !== undefined && ['2m', '1g', 'thp'].includes(spaces[below].page),
      ...(memoryGiB > 0 ? { frames: Math.min(Math.floor(memoryGiB * 2 ** 18), 2 ** 28) } : {}),
    };
  });
}
