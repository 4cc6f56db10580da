/** Bytes of a page of the paged system. */
export const pageBytes = 4096;

/** Share of a page's bytes that has to be in use for the page to travel as a whole; Atlas' card access rate (OSDI 2024) is the model. */
export const denseShare = 0.8;
const denseBytes = denseShare * pageBytes;
/** Larger objects gain nothing from a page. */
const largestSharedBytes = pageBytes / 2;

interface Unit extends Link {
  readonly key: number;
  readonly page: number;
  readonly bytes: number;
  isDirty: boolean;
  /** Of a page: its objects that were used while it is local. */
  readonly used: Map<number, number> | undefined;
}

/** Neighbours in the order of use; the ring's head is a unit of no bytes. */
interface Link {
  newer: Unit;
  older: Unit;
}
type Loose = Omit<Unit, keyof Link>;

export interface HybridCounts {
  readonly misses: number;
  readonly fetches: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly writeBacks: number;
}

/** Local memory that holds pages and single objects side by side. */
export interface HybridPool extends HybridCounts {
  /** Uses an object that begins on `page`; brings what it travels with if it is not local. */
  touch(object: number, objectBytes: number, page: number, isWrite: boolean): void;
  readonly localBytes: number;
  /** The same state with another capacity, at least what is local; counts go on from these. */
  clone(capacityBytes: number): HybridPool;
  /** Forgets the pages that are not to be kept, and their objects, without writing back; evicts to the new capacity later. */
  retain(keeps: (page: number) => boolean, capacityBytes: number): void;
  /** How much one event counts from now on (1 / rate of sampling). */
  weigh(weight: number): void;
}

/**
 * Exact LRU over units of two kinds. A page travels whole at first. When one is evicted with less than `denseShare` of its bytes used, its
 * objects travel alone from then on; when so much of it is local as single objects, the miss that reaches it brings the page, which replaces them.
 * An object belongs to the page that it begins on; one above half a page always travels alone.
 */
export function createHybridPool(capacityBytes: number): HybridPool {
  return poolOf(capacityBytes, {
    units: new Map(),
    ring: emptyRing(),
    sparse: new Set(),
    alone: new Map(),
    aloneBytes: new Map(),
    counts: { misses: 0, fetches: 0, bytesIn: 0, bytesOut: 0, writeBacks: 0 },
    localBytes: 0,
    weight: 1,
  });
}

interface State {
  /** Pages have even keys, objects odd ones. */
  readonly units: Map<number, Unit>;
  /** `ring.older` is the newest unit, `ring.newer` the oldest. */
  readonly ring: Unit;
  /** Pages whose objects travel alone. */
  readonly sparse: Set<number>;
  /** Small single objects that are local with their bytes, by page. */
  readonly alone: Map<number, Map<number, number>>;
  /** The sums of their bytes. */
  readonly aloneBytes: Map<number, number>;
  readonly counts: { -readonly [Count in keyof HybridCounts]: number };
  localBytes: number;
  weight: number;
}

const pageKey = (page: number) => page * 2;
const objectKey = (object: number) => object * 2 + 1;
const objectOf = (key: number) => (key - 1) / 2;

function poolOf(initialCapacity: number, state: State): HybridPool {
  const { units, ring, sparse, alone, aloneBytes, counts } = state;
  let capacity = initialCapacity;

  function remove(unit: Unit): void {
    const { key } = unit;
    units.delete(key);
    unlink(unit);
    state.localBytes -= unit.bytes;
    const neighbours = alone.get(unit.page);
    if (unit.used !== undefined || neighbours === undefined) return;
    neighbours.delete(objectOf(key));
    if (neighbours.size > 0) aloneBytes.set(unit.page, aloneBytes.get(unit.page)! - unit.bytes);
    else {
      alone.delete(unit.page);
      aloneBytes.delete(unit.page);
    }
  }

  function writeBack(unit: Loose): void {
    counts.writeBacks += state.weight;
    counts.bytesOut += state.weight * unit.bytes;
  }

  function evictOldest(): void {
    const unit = ring.newer;
    remove(unit);
    if (unit.isDirty) writeBack(unit);
    if (unit.used !== undefined && sumOf(unit.used) < denseBytes) sparse.add(unit.page);
  }

  function bring(unit: Loose): void {
    counts.misses += state.weight;
    counts.fetches += state.weight;
    counts.bytesIn += state.weight * unit.bytes;
    if (unit.bytes > capacity) {
      if (unit.isDirty) writeBack(unit);
      return;
    }
    while (state.localBytes + unit.bytes > capacity) evictOldest();
    units.set(unit.key, putNewest(unit, ring));
    state.localBytes += unit.bytes;
    if (unit.used !== undefined || unit.bytes > largestSharedBytes) return;
    const neighbours = alone.get(unit.page);
    if (neighbours === undefined) alone.set(unit.page, new Map([[objectOf(unit.key), unit.bytes]]));
    else neighbours.set(objectOf(unit.key), unit.bytes);
    aloneBytes.set(unit.page, (aloneBytes.get(unit.page) ?? 0) + unit.bytes);
  }

  /** The single objects of a page make room for it. */
  function absorb(page: number): Pick<Unit, 'isDirty'> & { readonly used: Map<number, number> } {
    const used = new Map(alone.get(page));
    let isDirty = false;
    for (const object of used.keys()) {
      const unit = units.get(objectKey(object))!;
      isDirty ||= unit.isDirty;
      remove(unit);
    }
    return { used, isDirty };
  }

  function use(unit: Unit, object: number, objectBytes: number, isWrite: boolean): void {
    if (ring.older !== unit) {
      unlink(unit);
      link(unit, ring);
    }
    unit.isDirty ||= isWrite;
    unit.used?.set(object, objectBytes);
  }

  return {
    touch(object, objectBytes, page, isWrite) {
      const single = units.get(objectKey(object));
      if (single !== undefined) return use(single, object, objectBytes, isWrite);
      const isShared = objectBytes <= largestSharedBytes;
      const whole = isShared ? units.get(pageKey(page)) : undefined;
      if (whole !== undefined) return use(whole, object, objectBytes, isWrite);
      const becomesDense = (aloneBytes.get(page) ?? 0) + objectBytes >= denseBytes;
      if (!isShared || (sparse.has(page) && !becomesDense))
        return bring({ key: objectKey(object), page, bytes: objectBytes, isDirty: isWrite, used: undefined });
      sparse.delete(page);
      const { used, isDirty } = absorb(page);
      used.set(object, objectBytes);
      bring({ key: pageKey(page), page, bytes: pageBytes, isDirty: isDirty || isWrite, used });
    },
    clone(capacityBytes) {
      const copy = { units: new Map<number, Unit>(), ring: emptyRing() };
      for (let unit = ring.newer; unit !== ring; unit = unit.newer)
        copy.units.set(unit.key, putNewest(looseCopyOf(unit), copy.ring));
      return poolOf(capacityBytes, {
        ...copy,
        sparse: new Set(sparse),
        alone: new Map([...alone].map(([page, neighbours]) => [page, new Map(neighbours)])),
        aloneBytes: new Map(aloneBytes),
        counts: { ...counts },
        localBytes: state.localBytes,
        weight: state.weight,
      });
    },
    retain(keeps, capacityBytes) {
      for (const unit of units.values()) if (!keeps(unit.page)) remove(unit);
      for (const page of sparse) if (!keeps(page)) sparse.delete(page);
      capacity = capacityBytes;
      while (state.localBytes > capacity) evictOldest();
    },
    weigh(weight) {
      state.weight = weight;
    },
    get localBytes() {
      return state.localBytes;
    },
    get misses() {
      return counts.misses;
    },
    get fetches() {
      return counts.fetches;
    },
    get bytesIn() {
      return counts.bytesIn;
    },
    get bytesOut() {
      return counts.bytesOut;
    },
    get writeBacks() {
      return counts.writeBacks;
    },
  };
}

function looseCopyOf({ key, page, bytes, isDirty, used }: Unit): Loose {
  return { key, page, bytes, isDirty, used: used && new Map(used) };
}

function emptyRing(): Unit {
  const ring: Loose & Partial<Link> = { key: -1, page: -1, bytes: 0, isDirty: false, used: undefined };
  return Object.assign(ring, { newer: ring as Unit, older: ring as Unit });
}

/** Written out: every unit has the same shape, and copying by spread takes ten times as long. */
function putNewest({ key, page, bytes, isDirty, used }: Loose, ring: Unit): Unit {
  const unit: Unit = { key, page, bytes, isDirty, used, newer: ring, older: ring };
  link(unit, ring);
  return unit;
}

function link(unit: Unit, ring: Unit): void {
  unit.newer = ring;
  unit.older = ring.older;
  ring.older.newer = unit;
  ring.older = unit;
}

function unlink(unit: Unit): void {
  unit.newer.older = unit.older;
  unit.older.newer = unit.newer;
  // A dead unit that still points into the list keeps whole generations from being collected.
  unit.newer = unit;
  unit.older = unit;
}

function sumOf(used: ReadonlyMap<number, number>): number {
  let sum = 0;
  for (const bytes of used.values()) sum += bytes;
  return sum;
}
