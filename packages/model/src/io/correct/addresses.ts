/** Linux keeps so many freed ranges per core and size before it hands them back (IOVA_MAG_SIZE, drivers/iommu/iova.c). */
const magazineRanges = 127;
/** Ranges up to 2^5 pages are kept (IOVA_RANGE_CACHE_MAX_SIZE - 1). */
const largestKeptPages = 32;

/**
 * I/O virtual addresses as Linux hands them out: each core keeps magazines of freed ranges by size, last freed first; what they do not hold
 * comes from a depot that the cores share, and last from the top of the space downwards.
 */
export class AddressAllocator {
  #top: number;
  /** By core and size: ranges freed last. */
  readonly #magazines = new Map<number, number[]>();
  /** By size: whole magazines, and single ranges too large for any. */
  readonly #depot = new Map<number, number[][]>();
  readonly #large = new Map<number, number[]>();

  /** @param top first page above the space */
  constructor(top = 2 ** 20) {
    this.#top = top;
  }

  /** First page of a range; sizes are rounded up to a power of two, and ranges aligned to it. */
  allocate(core: number, pages: number): number {
    const size = sizeOf(pages);
    if (size > largestKeptPages) return this.#large.get(size)?.pop() ?? this.#fresh(size);
    const magazine = this.#magazine(core, size);
    const kept = magazine.pop();
    if (kept !== undefined) return kept;
    const full = this.#depot.get(size)?.pop();
    if (full === undefined) return this.#fresh(size);
    magazine.push(...full);
    return magazine.pop()!;
  }

  free(core: number, vpn: number, pages: number): void {
    const size = sizeOf(pages);
    if (size > largestKeptPages) {
      const ranges = this.#large.get(size);
      if (ranges === undefined) this.#large.set(size, [vpn]);
      else ranges.push(vpn);
      return;
    }
    const magazine = this.#magazine(core, size);
    magazine.push(vpn);
    if (magazine.length < 2 * magazineRanges) return;
    const full = magazine.splice(0, magazineRanges);
    const depot = this.#depot.get(size);
    if (depot === undefined) this.#depot.set(size, [full]);
    else depot.push(full);
  }

  #magazine(core: number, size: number): number[] {
    const key = core * 64 + Math.log2(size);
    let magazine = this.#magazines.get(key);
    if (magazine === undefined) {
      magazine = [];
      this.#magazines.set(key, magazine);
    }
    return magazine;
  }

  /** Downwards; below the first 4 GiB the space goes on above them, as a 64-bit device's does. */
  #fresh(size: number): number {
    const first = Math.floor((this.#top - size) / size) * size;
    if (first >= size) {
      this.#top = first;
      return first;
    }
    this.#top = 2 ** 35;
    return this.#fresh(size);
  }
}

function sizeOf(pages: number): number {
  return 2 ** Math.ceil(Math.log2(pages));
}
