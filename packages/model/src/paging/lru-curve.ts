/** What exact LRU does with one amount of local memory. */
export interface CurvePoint {
  readonly misses: number;
  readonly bytesIn: number;
  readonly writeBacks: number;
  readonly bytesOut: number;
}

/** Misses and write-backs of LRU for many amounts of local memory at once. */
export interface LruCurve {
  /** Uses a unit. `group` is what `retain` decides by. */
  touch(unit: number, bytes: number, isWrite: boolean, group: number): void;
  /** Units known. */
  readonly units: number;
  /** Bytes of the units known, scaled like the misses. */
  readonly footprintBytes: number;
  /** One point per capacity, in their order. */
  points(): CurvePoint[];
  /** Forgets units whose group is not to be kept; the others stand for so many units each from now on. */
  retain(keeps: (group: number) => boolean, weight: number): void;
}

const firstSlots = 1024;

/**
 * Mattson's stack algorithm in logarithmic time: the bytes used more recently than a unit are a prefix sum over the times of last use (a
 * Fenwick tree; Olken 1981). A unit is local under every capacity that holds them and the unit itself. Write-backs come in the same pass: a
 * unit is dirty under the capacities that kept it since it was written, so a use at depth d writes back under those from the greatest depth since the
 * write up to d. Exact for units of one size; for mixed sizes it is LRU that never fills a gap with an older, smaller unit.
 * @param capacitiesBytes ascending
 */
export function createLruCurve(capacitiesBytes: Float64Array): LruCurve {
  const capacities = capacitiesBytes.length;
  /** By the first capacity under which an event does not happen; suffix sums give the totals. */
  const missesFrom = new Float64Array(capacities + 1);
  const bytesFrom = new Float64Array(capacities + 1);
  /** Differences along the capacities. */
  const writesFrom = new Float64Array(capacities + 2);
  const writeBytesFrom = new Float64Array(capacities + 2);
  let numbers = new Map<number, number>();
  let sizes = new Float64Array(firstSlots);
  let groups = new Float64Array(firstSlots);
  let slotOf = new Int32Array(firstSlots);
  /** First capacity under which the unit is dirty; `capacities` when none. */
  let dirtyFrom = new Int16Array(firstSlots);
  let unitAt = new Int32Array(firstSlots).fill(-1);
  let tree = new Float64Array(firstSlots + 1);
  let nextSlot = 0;
  let total = 0;
  let weight = 1;

  function add(slot: number, bytes: number): void {
    for (let node = slot + 1; node < tree.length; node += node & -node) tree[node]! += bytes;
    total += bytes;
  }

  function upTo(slot: number): number {
    let sum = 0;
    for (let node = slot + 1; node > 0; node -= node & -node) sum += tree[node]!;
    return sum;
  }

  function firstHolding(bytes: number): number {
    let low = 0;
    let high = capacities;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (capacitiesBytes[middle]! >= bytes) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Numbers the times of last use anew, without gaps, and makes room. */
  function compact(): void {
    const slots = Math.max(firstSlots, 2 ** Math.ceil(Math.log2(Math.max(1, numbers.size) * 2)));
    const kept = unitAt.subarray(0, nextSlot).filter((unit) => unit >= 0);
    unitAt = new Int32Array(slots).fill(-1);
    unitAt.set(kept);
    tree = new Float64Array(slots + 1);
    total = 0;
    nextSlot = kept.length;
    for (let slot = 0; slot < nextSlot; slot++) {
      slotOf[kept[slot]!] = slot;
      add(slot, sizes[kept[slot]!]!);
    }
  }

  function placeNewest(number: number): void {
    if (nextSlot === unitAt.length) compact();
    unitAt[nextSlot] = number;
    slotOf[number] = nextSlot;
    add(nextSlot++, sizes[number]!);
  }

  function create(unit: number, bytes: number, group: number): number {
    const number = numbers.size;
    if (number === sizes.length) grow();
    numbers.set(unit, number);
    sizes[number] = bytes;
    groups[number] = group;
    dirtyFrom[number] = capacities;
    return number;
  }

  function grow(): void {
    const length = sizes.length * 2;
    const [oldSizes, oldGroups, oldSlots, oldDirty] = [sizes, groups, slotOf, dirtyFrom];
    sizes = new Float64Array(length);
    groups = new Float64Array(length);
    slotOf = new Int32Array(length);
    dirtyFrom = new Int16Array(length);
    sizes.set(oldSizes);
    groups.set(oldGroups);
    slotOf.set(oldSlots);
    dirtyFrom.set(oldDirty);
  }

  function depthOf(number: number): number {
    const newer = total - upTo(slotOf[number]!);
    return firstHolding(newer * weight + sizes[number]!);
  }

  function noteEviction(number: number, depth: number, writes: Float64Array, writeBytes: Float64Array): void {
    const from = dirtyFrom[number]!;
    if (from >= depth) return;
    writes[from]! += weight;
    writes[depth]! -= weight;
    writeBytes[from]! += weight * sizes[number]!;
    writeBytes[depth]! -= weight * sizes[number]!;
  }

  return {
    touch(unit, bytes, isWrite, group) {
      let number = numbers.get(unit);
      let depth = capacities;
      if (number === undefined) number = create(unit, bytes, group);
      else {
        const slot = slotOf[number]!;
        depth = depthOf(number);
        noteEviction(number, depth, writesFrom, writeBytesFrom);
        if (depth > dirtyFrom[number]!) dirtyFrom[number] = depth;
        add(slot, -sizes[number]!);
        unitAt[slot] = -1;
        if (slot === nextSlot - 1) nextSlot--;
        sizes[number] = bytes;
      }
      missesFrom[depth]! += weight;
      bytesFrom[depth]! += weight * bytes;
      if (isWrite) dirtyFrom[number] = 0;
      placeNewest(number);
    },
    get units() {
      return numbers.size;
    },
    get footprintBytes() {
      return total * weight;
    },
    points() {
      const writes = Float64Array.from(writesFrom);
      const writeBytes = Float64Array.from(writeBytesFrom);
      for (const number of numbers.values()) noteEviction(number, depthOf(number), writes, writeBytes);
      const points: CurvePoint[] = new Array(capacities);
      let misses = missesFrom[capacities]!;
      let bytesIn = bytesFrom[capacities]!;
      for (let at = capacities - 1; at >= 0; at--) {
        points[at] = { misses, bytesIn, writeBacks: 0, bytesOut: 0 };
        misses += missesFrom[at]!;
        bytesIn += bytesFrom[at]!;
      }
      let writeBacks = 0;
      let bytesOut = 0;
      return points.map((point, at) => {
        writeBacks += writes[at]!;
        bytesOut += writeBytes[at]!;
        return { ...point, writeBacks, bytesOut };
      });
    },
    retain(keeps, newWeight) {
      const kept = new Map<number, number>();
      const newNumber = new Int32Array(numbers.size).fill(-1);
      for (const [unit, number] of numbers) {
        if (!keeps(groups[number]!)) continue;
        newNumber[number] = kept.size;
        sizes[kept.size] = sizes[number]!;
        groups[kept.size] = groups[number]!;
        dirtyFrom[kept.size] = dirtyFrom[number]!;
        kept.set(unit, kept.size);
      }
      for (let slot = 0; slot < nextSlot; slot++) if (unitAt[slot]! >= 0) unitAt[slot] = newNumber[unitAt[slot]!]!;
      numbers = kept;
      weight = newWeight;
      compact();
    },
  };
}
