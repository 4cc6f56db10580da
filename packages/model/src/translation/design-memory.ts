import { type Frame, guestPage, type PageLevel, pagesIn, type Vpn } from '../machine/address.ts';
import { type BuddyAllocator, createBuddy, hugePageOrder } from '../machine/buddy.ts';
import { backedFrames } from '../machine/operating-system/index.ts';
import type { AddressSpace, FrameSource, MutablePageTable } from '../machine/page-table.ts';
import { createPageTable } from '../machine/radix-table.ts';
import { createRandom } from '../machine/random.ts';
import { TableWithArena } from './table-with-arena.ts';

/** State of the memory below one address space, from which a design takes its own tables. */
export interface DesignMemoryOptions {
  /** Frames that the design can take, at most 2^28 (1 TiB). Default 64 GiB. */
  readonly frames?: number;
  /** Linux's unusable free space index at 2 MiB, at the start. Default 0. */
  readonly unusable?: number;
  /** Whether the space backs the guest's frames by 2 MiB pages where memory has them. Default false. */
  readonly hugeBacking?: boolean;
}

/** A range that is contiguous in every physical space from one down to the host's. */
export interface ContiguousRange {
  readonly frame: Frame;
  readonly hostFrame: Frame;
}

/**
 * The memory of one design, in every dimension: a copy of the study's memories in their initial state of fragmentation, at frames beyond
 * all that the operating-system model manages. So no design moves what another one walks, results do not depend on which designs run
 * together, and a request for contiguous memory fails as often as it would on that machine.
 */
export interface DesignMemory {
  /** The same spaces with `frames` out of this memory; `seesGuestFrames`: and with tables that also map its guest frames. */
  spacesFor(spaces: readonly AddressSpace[], seesGuestFrames: boolean): AddressSpace[];
  take(dimension: number, first: Frame, count: number): boolean;
  contiguous(dimension: number, count: number): ContiguousRange | undefined;
  releaseContiguous(dimension: number, range: ContiguousRange, count: number): void;
}

/** Told when a guest frame of the design gets a frame below it, or loses it. */
export interface BackingObserver {
  mapped(dimension: number, vpn: Vpn, frame: Frame, level: PageLevel): void;
  unmapped(dimension: number, vpn: Vpn, frame: Frame, level: PageLevel): void;
}

const defaultFrames = 2 ** 24;

/** First frame of a design's memory: half of what four levels address, or half of all physical addresses. */
export function arenaStartOf(levels: 4 | 5): Frame {
  return levels === 4 ? 2 ** 35 : 2 ** 39;
}

/** @param shape the spaces of any process: how many, and how deep their tables are */
export function createDesignMemory(
  shape: readonly AddressSpace[],
  options: readonly DesignMemoryOptions[],
  seed: number,
  observer: BackingObserver,
): DesignMemory {
  const random = createRandom(seed);
  const arenas: Arena[] = [];
  for (let dimension = shape.length - 1; dimension >= 0; dimension--) {
    const below = arenas[0];
    const levels = shape[dimension + 1]?.table.levels ?? 5;
    arenas.unshift(createArena({ dimension, levels, below, random: random.fork(), ...options[dimension] }, observer));
  }
  /** A VM's space is seen as one object by all processes. */
  const views = new Map<AddressSpace, AddressSpace>();
  function viewOf(space: AddressSpace, dimension: number, seesGuestFrames: boolean): AddressSpace {
    const above = arenas[dimension - 1];
    const overlaid = seesGuestFrames && above?.backing !== undefined;
    return {
      table: overlaid ? new TableWithArena(space.table, above.backing, guestPage(above.start)) : space.table,
      get vmas() {
        return space.vmas;
      },
      vmaAt: (page) => space.vmaAt(page),
      frames: arenas[dimension]!.frames,
      ensure: (page) => (overlaid && page >= above.start ? above.backing.translate(page) : space.ensure(page)),
      observe: (one) => space.observe(one),
    };
  }
  return {
    spacesFor: (spaces, seesGuestFrames) =>
      spaces.map((space, dimension) => {
        const view = views.get(space) ?? viewOf(space, dimension, seesGuestFrames);
        views.set(space, view);
        return view;
      }),
    take: (dimension, first, count) => arenas[dimension]!.take(first, count),
    contiguous: (dimension, count) => arenas[dimension]!.contiguous(count),
    releaseContiguous: (dimension, range, count) => arenas[dimension]!.releaseContiguous(range, count),
  };
}

/** A design's memory in one physical space. */
interface Arena {
  readonly start: Frame;
  readonly frames: FrameSource;
  /** The table below that maps it; none under the host's memory. */
  readonly backing: MutablePageTable | undefined;
  take(first: Frame, count: number): boolean;
  contiguous(count: number): ContiguousRange | undefined;
  releaseContiguous(range: ContiguousRange, count: number): void;
}

interface ArenaOptions extends DesignMemoryOptions {
  readonly dimension: number;
  /** Of the table that maps it. */
  readonly levels: 4 | 5;
  readonly below: Arena | undefined;
  readonly random: ReturnType<typeof createRandom>;
}

function createArena(
  { dimension, levels, below, random, frames = defaultFrames, unusable = 0, hugeBacking = false }: ArenaOptions,
  observer: BackingObserver,
): Arena {
  const start = arenaStartOf(levels);
  const own = beyond(start, frames, unusable, random);
  if (below === undefined)
    return {
      start,
      frames: own,
      backing: undefined,
      take: own.take,
      contiguous(count) {
        const frame = own.allocateRange(count);
        return frame < 0 ? undefined : { frame, hostFrame: frame };
      },
      releaseContiguous(range, count) {
        for (let index = 0; index < count; index++) own.free(range.frame + index, 0);
      },
    };

  const backing = createPageTable({ levels, rootFrame: below.frames.allocate(), addresses: 'physical' });
  const lower = dimension + 1;
  function map(page: Vpn, frame: Frame, level: PageLevel): void {
    backing.map(page, frame, level, () => below!.frames.allocate());
    observer.mapped(lower, page, frame, level);
  }
  function ensure(page: Vpn): Frame {
    if (backing.translate(page) < 0) {
      const isEmpty = backing.nodeAt(page, 1) < 0;
      const block = hugeBacking && isEmpty ? below!.frames.allocateBlock(hugePageOrder) : -1;
      if (block >= 0) map(page - (page % pagesIn[2]), block, 2);
      else map(page, below!.frames.allocate(), 1);
    }
    return backing.translate(page) as Frame;
  }

  /** Guest-physical addresses cost nothing: a contiguous range gets new ones, behind the memory, as a memory slot of its own. */
  let nextSlot = start + frames;
  return {
    start,
    frames: backedFrames(own, { ensure }),
    backing,
    take(first, count) {
      if (!own.take(first, count)) return false;
      for (let frame = first; frame < first + count; frame++) ensure(guestPage(frame));
      return true;
    },
    contiguous(count) {
      const range = below.contiguous(count);
      if (range === undefined) return undefined;
      const frame = nextSlot;
      nextSlot += count;
      for (let index = 0; index < count; index++) map(frame + index, range.frame + index, 1);
      return { frame, hostFrame: range.hostFrame };
    },
    releaseContiguous(range, count) {
      const first = backing.translate(guestPage(range.frame)) as Frame;
      for (let index = 0; index < count; index++) {
        backing.unmap(range.frame + index, (_level, node) => below.frames.free(node, 0));
        observer.unmapped(lower, guestPage(range.frame + index), first + index, 1);
      }
      below.releaseContiguous({ frame: first, hostFrame: range.hostFrame }, count);
    },
  };
}

/** A buddy allocator whose first frame is `start`, made and aged when it is first asked: many designs take nothing from some dimensions. */
function beyond(
  start: Frame,
  frames: number,
  unusable: number,
  random: ReturnType<typeof createRandom>,
): FrameSource & Pick<Arena, 'take'> {
  let made: BuddyAllocator | undefined;
  const memory = (): BuddyAllocator => {
    if (made !== undefined) return made;
    made = createBuddy({ frames, owner: "a design's tables" });
    if (unusable > 0) made.fragment(random, unusable, hugePageOrder);
    return made;
  };
  const shifted = (frame: Frame | -1): Frame | -1 => (frame < 0 ? -1 : frame + start);
  return {
    allocate: () => start + memory().allocate(),
    allocateBlock: (order) => shifted(memory().allocateBlock(order)),
    allocateRange: (count) => shifted(memory().allocateRange(count)),
    take: (first, count) => memory().take(first - start, count),
    free: (frame, order) => memory().free(frame - start, order),
  };
}
