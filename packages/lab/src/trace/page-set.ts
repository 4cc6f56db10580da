/** Distinct pages of several processes, exact up to a limit, in memory bounded by it. */
export interface PageSet {
  add(page: number, process: number): void;
  readonly size: number;
  /** False when pages beyond the limit were seen: `size` is then a lower bound. */
  readonly isExact: boolean;
}

const firstSlots = 4096;
/** Golden ratio, for Fibonacci hashing. */
const multiplier = 0x9e3779b1;

/** @param limit pages counted at most; 2^22 pages of 4 KiB are 16 GiB and take 80 MB */
export function createPageSet(limit: number = 2 ** 22): PageSet {
  let slots = firstSlots;
  let pages = new Float64Array(slots).fill(-1);
  let processes = new Uint16Array(slots);
  let size = 0;
  let isExact = true;

  function slotOf(page: number, process: number): number {
    const low = page >>> 0;
    const high = (page / 2 ** 32) >>> 0;
    let slot = Math.imul(low ^ Math.imul(high + process * 7919, multiplier), multiplier) >>> 0;
    slot = (slot ^ (slot >>> 15)) & (slots - 1);
    while (pages[slot] !== -1 && (pages[slot] !== page || processes[slot] !== process)) slot = (slot + 1) & (slots - 1);
    return slot;
  }

  function grow(): void {
    const [oldPages, oldProcesses] = [pages, processes];
    slots *= 2;
    pages = new Float64Array(slots).fill(-1);
    processes = new Uint16Array(slots);
    for (let old = 0; old < oldPages.length; old++) if (oldPages[old] !== -1) put(oldPages[old]!, oldProcesses[old]!);
  }

  function put(page: number, process: number): void {
    const slot = slotOf(page, process);
    pages[slot] = page;
    processes[slot] = process;
  }

  return {
    add(page, process) {
      if (pages[slotOf(page, process)] !== -1) return;
      if (size === limit) {
        isExact = false;
        return;
      }
      put(page, process);
      size++;
      if (size * 2 > slots) grow();
    },
    get size() {
      return size;
    },
    get isExact() {
      return isExact;
    },
  };
}
