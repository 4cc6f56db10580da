/** Orders that are kept on per-CPU lists: those of at most PAGE_ALLOC_COSTLY_ORDER, and huge pages (Linux 6.1, `pcp_allowed_order`). */
const costlyOrder = 3;
const hugePageOrder = 9;
const listsPerType = costlyOrder + 2;
/** Pages that move at once between the lists and the zone, and how many the lists of one processor hold (Linux 6.1 on a large zone). */
const batchPages = 63;
const highPages = 6 * batchPages;
const none = -1;

/** The zone behind the lists. */
export interface Zone {
  /** The first frame of a block of that order and type, or -1. */
  take(order: number, type: number): number;
  give(frame: number, order: number): void;
}

/** Free blocks that each processor keeps for itself, last in first out, so that they do not merge and are handed out again first. */
export interface PerCpuLists {
  holds(order: number): boolean;
  allocate(cpu: number, order: number, type: number): number;
  /** @param type of the pageblock that the frame lies in */
  free(cpu: number, frame: number, order: number, type: number): void;
  drain(): void;
  /** On all lists together. */
  readonly frames: number;
}

interface Lists {
  /** By type and order. */
  readonly blocks: readonly number[][];
  pages: number;
  /** How often the batch has been doubled by frees without an allocation between. */
  freeFactor: number;
}

export function createPerCpuLists(cpus: number, types: number, zone: Zone): PerCpuLists {
  const processors: Lists[] = Array.from({ length: cpus }, () => ({
    blocks: Array.from({ length: types * listsPerType }, () => []),
    pages: 0,
    freeFactor: 0,
  }));
  const indexOf = (order: number, type: number) => type * listsPerType + Math.min(order, costlyOrder + 1);
  const orderOf = (index: number) => {
    const order = index % listsPerType;
    return order > costlyOrder ? hugePageOrder : order;
  };

  /** The oldest blocks of one list after the other go back, from that list on. */
  function giveBack(lists: Lists, first: number, pages: number): void {
    let left = Math.min(pages, lists.pages);
    for (let step = 0; step < lists.blocks.length && left > 0; step++) {
      const index = (first + step) % lists.blocks.length;
      const order = orderOf(index);
      const list = lists.blocks[index]!;
      const count = Math.min(list.length, Math.ceil(left / 2 ** order));
      for (const frame of list.splice(0, count)) zone.give(frame, order);
      lists.pages -= count * 2 ** order;
      left -= count * 2 ** order;
    }
  }

  return {
    holds: (order) => order <= costlyOrder || order === hugePageOrder,
    allocate(cpu, order, type) {
      const lists = processors[cpu % cpus]!;
      const list = lists.blocks[indexOf(order, type)]!;
      lists.freeFactor >>= 1;
      if (list.length === 0) {
        const most = Math.max(batchPages >> order, 2);
        for (let count = 0; count < most; count++) {
          const frame = zone.take(order, type);
          if (frame === none) break;
          list.push(frame);
          lists.pages += 2 ** order;
        }
        // The first block of a batch is used first.
        list.reverse();
      }
      const frame = list.pop();
      if (frame === undefined) return none;
      lists.pages -= 2 ** order;
      return frame;
    },
    free(cpu, frame, order, type) {
      const lists = processors[cpu % cpus]!;
      const index = indexOf(order, type);
      lists.blocks[index]!.push(frame);
      lists.pages += 2 ** order;
      if (lists.freeFactor > 0 && order > 0 && order <= costlyOrder) giveBack(lists, index, lists.pages);
      else if (lists.pages >= highPages) {
        const batch = batchPages << lists.freeFactor;
        const most = highPages - batchPages;
        if (batch < most) lists.freeFactor++;
        giveBack(lists, index, Math.min(Math.max(batch, batchPages), most));
      }
    },
    drain() {
      for (const lists of processors) giveBack(lists, 0, lists.pages);
    },
    get frames() {
      return processors.reduce((sum, { pages }) => sum + pages, 0);
    },
  };
}
