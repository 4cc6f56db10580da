import { type Frame, guestPage } from '../address.ts';
import { type BuddyAllocator, createBuddy, hugePageOrder } from '../buddy.ts';
import type { AddressSpace, FrameSource, Vma } from '../page-table.ts';
import type { Random } from '../random.ts';
import { createDemandSpace, type DemandSpace, type KhugepagedOptions, type PagePolicy } from './demand-space.ts';

/** One address space and the memory that it leads into. */
export interface DimensionOptions {
  /** Levels of its page table. Default 4. */
  readonly levels?: 4 | 5;
  /** Default `4k`. */
  readonly pages?: PagePolicy;
  readonly khugepaged?: KhugepagedOptions;
  /** Known VMAs; for the process only (a VM's space is one range of its memory's size). */
  readonly vmas?: readonly Vma[];
  /** Size of the memory below. Default 1 TiB for a process, twice the memory of the guest for a VM. Memory not touched costs nothing. */
  readonly memoryBytes?: number;
  /**
   * State of the memory below at the start, as Linux's unusable free space index at 2 MiB: 0 (the default) a fresh boot, whose free memory
   * is contiguous; 1 an aged system without any free huge page.
   */
  readonly unusable?: number;
}

export interface AddressSpaces {
  /** From the application down: [process], [process, VM] or [process, L2 VM, L1 VM]. */
  readonly spaces: readonly DemandSpace[];
  /** The memory below each space. */
  readonly memories: readonly BuddyAllocator[];
  /** Another process over the same memory and VMs, with the options of the first but VMAs of its own. */
  addProcess(vmas?: readonly Vma[]): readonly DemandSpace[];
}

/** The kernel's image and early allocations: the lowest frames of a memory are never free. Modelled; only the addresses depend on it. */
const bootFrames = (16 * 2 ** 20) / 4096;
const processMemoryBytes = 2 ** 40;

/**
 * Address spaces on top of each other, each filled on demand by a modelled operating system or hypervisor. When a memory first hands out a
 * frame, for data or for a page-table node, the space below maps it at once (an EPT violation), so no walk meets an unmapped host page.
 * @param dimensions from the application down: 1 = native, 2 = virtualized, 3 = nested
 * @throws StrataError `memory.size`, `memory.exhausted`, `memory.no-huge-page`
 */
export function createAddressSpaces(dimensions: readonly DimensionOptions[], random: Random): AddressSpaces {
  const sizes: number[] = [];
  for (const { memoryBytes } of dimensions)
    sizes.push(memoryBytes ?? (sizes.length === 0 ? processMemoryBytes : 2 * sizes.at(-1)!));
  const memories = dimensions.map((options, dimension) =>
    createMemory(Math.floor(sizes[dimension]! / 4096), dimension, dimensions.length, options, random.fork()),
  );

  function createSpace(dimension: number, below: DemandSpace | undefined, vmas: readonly Vma[]): DemandSpace {
    const memory = memories[dimension]!;
    return createDemandSpace({
      ...dimensions[dimension]!,
      vmas,
      addresses: dimension === 0 ? 'virtual' : 'physical',
      frames: below === undefined ? memory : backedFrames(memory, below),
      memoryState: () => ({
        unusableIndex: memory.unusableIndex(hugePageOrder),
        fragmentationIndex: memory.fragmentationIndex(hugePageOrder),
      }),
    });
  }

  const machines: DemandSpace[] = [];
  for (let dimension = dimensions.length - 1; dimension > 0; dimension--)
    machines.unshift(createSpace(dimension, machines[0], [{ start: 0, end: memories[dimension - 1]!.frames }]));
  const addProcess = (vmas: readonly Vma[] = []) => [createSpace(0, machines[0], vmas), ...machines];
  return { spaces: addProcess(dimensions[0]?.vmas), memories, addProcess };
}

function createMemory(
  frames: number,
  dimension: number,
  dimensions: number,
  { unusable = 0 }: DimensionOptions,
  random: Random,
): BuddyAllocator {
  const owner = dimension === dimensions - 1 ? 'the host' : dimensions === 2 ? 'the VM' : `the L${2 - dimension} VM`;
  const memory = createBuddy({ frames, owner });
  memory.take(0, Math.min(bootFrames, Math.floor(frames / 8)));
  if (unusable > 0) memory.fragment(random, unusable, hugePageOrder);
  return memory;
}

/** The frames of a guest: handing one out makes the space below map it. */
export function backedFrames(memory: FrameSource, below: Pick<AddressSpace, 'ensure'>): FrameSource {
  function back(first: Frame | -1, count: number): Frame | -1 {
    if (first >= 0) for (let frame = first as Frame; frame < first + count; frame++) below.ensure(guestPage(frame));
    return first;
  }
  return {
    allocate: () => back(memory.allocate(), 1),
    allocateBlock: (order) => back(memory.allocateBlock(order), 2 ** order),
    allocateRange: (count) => back(memory.allocateRange(count), count),
    free: memory.free,
  };
}
