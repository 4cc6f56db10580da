/** Bytes of a page of the paged system. */
export const pageBytes = 4096;

/** Share of a page's bytes that has to be in use for the page to travel as a whole; Atlas' card access rate (OSDI 2024) is the model. */
export const denseShare = 0.8;
const denseBytes = denseShare * pageBytes;
/** Larger objects gain nothing from a page. */
const largestSharedBytes = pageBytes / 2;

export interface HybridCounts {
  readonly misses: number;
  readonly fetches: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly writeBacks: number;
}

/** Local memory that holds pages and single objects side by side. Objects and pages are numbered from 0 on without large gaps. */
export interface HybridPool extends HybridCounts {
  /** Uses an object that begins on `page`, always the same; brings what it travels with if it is not local. */
  touch(object: number, objectBytes: number, page: number, isWrite: boolean): void;
  readonly localBytes: number;
  /** The same state with another capacity, at least what is local; counts go on from these. */
  clone(capacityBytes: number): HybridPool;
  /**
   * Forgets the pages that are not to be kept, and their objects, without writing back; evicts to the new capacity later. Their numbers may
   * be given to others.
   */
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
  const firstSize = 64;
  return poolOf(capacityBytes, {
    ...emptyUnits(firstSize * 2 + firstUnit),
    ...emptyPages(firstSize),
    ...emptyObjects(firstSize),
    counts: { misses: 0, fetches: 0, bytesIn: 0, bytesOut: 0, writeBacks: 0 },
    localBytes: 0,
    residencies: 0,
    weight: 1,
  });
}

/** What can be local, in the order of use: a ring whose head is unit 0. Pages are the even units from 2 on, objects the odd ones from 3. */
interface Units {
  newer: Int32Array;
  older: Int32Array;
  bytes: Float64Array;
  flags: Uint8Array;
}
const head = 0;
const firstUnit = 2;
const unitOfPage = (page: number) => page * 2 + firstUnit;
const unitOfObject = (object: number) => object * 2 + firstUnit + 1;
const isPage = (unit: number) => (unit & 1) === 0;
const numberOf = (unit: number) => (unit - firstUnit) >>> 1;

const LOCAL = 1;
const DIRTY = 2;
/** A small single object, in the list of its page. */
const ALONE = 4;

interface Pages {
  /** 1: its objects travel alone. */
  sparse: Uint8Array;
  /** Of the local ones: which stay in local memory this is, of all stays of all pages. */
  residency: Float64Array;
  /** Bytes of the objects that were used during it. */
  usedBytes: Float64Array;
  /** Small single objects that are local: the first of them plus 1, and the sum of their bytes. */
  firstAlone: Int32Array;
  aloneBytes: Float64Array;
}

interface Objects {
  page: Int32Array;
  /** Neighbours in the list of their page, plus 1. */
  nextAlone: Int32Array;
  previousAlone: Int32Array;
  /** The residency of its page that counts it among the used, and with how many bytes. */
  usedIn: Float64Array;
  usedBytes: Float64Array;
}

interface State extends Units {
  pages: Pages;
  objects: Objects;
  readonly counts: { -readonly [Count in keyof HybridCounts]: number };
  localBytes: number;
  residencies: number;
  weight: number;
}

function emptyUnits(length: number): Units {
  return {
    newer: new Int32Array(length),
    older: new Int32Array(length),
    bytes: new Float64Array(length),
    flags: new Uint8Array(length),
  };
}

function emptyPages(length: number): { pages: Pages } {
  return {
    pages: {
      sparse: new Uint8Array(length),
      residency: new Float64Array(length),
      usedBytes: new Float64Array(length),
      firstAlone: new Int32Array(length),
      aloneBytes: new Float64Array(length),
    },
  };
}

function emptyObjects(length: number): { objects: Objects } {
  return {
    objects: {
      page: new Int32Array(length),
      nextAlone: new Int32Array(length),
      previousAlone: new Int32Array(length),
      usedIn: new Float64Array(length),
      usedBytes: new Float64Array(length),
    },
  };
}

type Column = Int32Array | Uint8Array | Float64Array;

/** The columns of a table in larger ones, or copies of them. */
function enlarged<Table extends object>(empty: Table, table: Table): Table {
  const from = table as Record<string, Column>;
  for (const [name, column] of Object.entries(empty as Record<string, Column>)) column.set(from[name]!);
  return empty;
}

function poolOf(initialCapacity: number, state: State): HybridPool {
  const { counts } = state;
  let { newer, older, bytes, flags, pages, objects } = state;
  let capacity = initialCapacity;

  function makeRoom(object: number, page: number): void {
    const most = Math.max(object, page) + 1;
    if (page >= pages.sparse.length) pages = enlarged(emptyPages(most * 2).pages, pages);
    if (object >= objects.page.length) objects = enlarged(emptyObjects(most * 2).objects, objects);
    const units = unitOfObject(Math.max(pages.sparse.length, objects.page.length));
    if (units <= newer.length) return;
    ({ newer, older, bytes, flags } = enlarged(emptyUnits(units), { newer, older, bytes, flags }));
  }

  function link(unit: number): void {
    const newest = older[head]!;
    newer[unit] = head;
    older[unit] = newest;
    newer[newest] = unit;
    older[head] = unit;
  }

  function unlink(unit: number): void {
    newer[older[unit]!] = newer[unit]!;
    older[newer[unit]!] = older[unit]!;
  }

  function remove(unit: number): void {
    unlink(unit);
    state.localBytes -= bytes[unit]!;
    if ((flags[unit]! & ALONE) !== 0) leavePage(numberOf(unit), bytes[unit]!);
    flags[unit] = 0;
  }

  function joinPage(object: number, objectBytes: number, page: number): void {
    const next = pages.firstAlone[page]!;
    objects.page[object] = page;
    objects.nextAlone[object] = next;
    objects.previousAlone[object] = 0;
    if (next > 0) objects.previousAlone[next - 1] = object + 1;
    pages.firstAlone[page] = object + 1;
    pages.aloneBytes[page]! += objectBytes;
  }

  function leavePage(object: number, objectBytes: number): void {
    const page = objects.page[object]!;
    const next = objects.nextAlone[object]!;
    const previous = objects.previousAlone[object]!;
    if (previous > 0) objects.nextAlone[previous - 1] = next;
    else pages.firstAlone[page] = next;
    if (next > 0) objects.previousAlone[next - 1] = previous;
    pages.aloneBytes[page]! -= objectBytes;
  }

  function writeBack(unitBytes: number): void {
    counts.writeBacks += state.weight;
    counts.bytesOut += state.weight * unitBytes;
  }

  function evictOldest(): void {
    const unit = newer[head]!;
    if ((flags[unit]! & DIRTY) !== 0) writeBack(bytes[unit]!);
    remove(unit);
    if (isPage(unit) && pages.usedBytes[numberOf(unit)]! < denseBytes) pages.sparse[numberOf(unit)] = 1;
  }

  /** Whether the unit, which misses, finds room. */
  function bring(unit: number, unitBytes: number, isDirty: boolean): boolean {
    counts.misses += state.weight;
    counts.fetches += state.weight;
    counts.bytesIn += state.weight * unitBytes;
    if (unitBytes > capacity) {
      if (isDirty) writeBack(unitBytes);
      return false;
    }
    while (state.localBytes + unitBytes > capacity) evictOldest();
    link(unit);
    bytes[unit] = unitBytes;
    flags[unit] = isDirty ? LOCAL | DIRTY : LOCAL;
    state.localBytes += unitBytes;
    return true;
  }

  function bringObject(object: number, objectBytes: number, page: number, isWrite: boolean): void {
    const unit = unitOfObject(object);
    objects.page[object] = page;
    if (!bring(unit, objectBytes, isWrite) || objectBytes > largestSharedBytes) return;
    flags[unit]! |= ALONE;
    joinPage(object, objectBytes, page);
  }

  /** The page as a whole; its single objects make room for it, and count as used. */
  function bringPage(object: number, objectBytes: number, page: number, isWrite: boolean): void {
    pages.sparse[page] = 0;
    pages.residency[page] = ++state.residencies;
    pages.usedBytes[page] = 0;
    let isDirty = isWrite;
    for (let alone = pages.firstAlone[page]!; alone > 0; alone = pages.firstAlone[page]!) {
      const unit = unitOfObject(alone - 1);
      isDirty ||= (flags[unit]! & DIRTY) !== 0;
      countUsed(alone - 1, bytes[unit]!, page);
      remove(unit);
    }
    countUsed(object, objectBytes, page);
    bring(unitOfPage(page), pageBytes, isDirty);
  }

  function countUsed(object: number, objectBytes: number, page: number): void {
    const residency = pages.residency[page]!;
    const before = objects.usedIn[object] === residency ? objects.usedBytes[object]! : 0;
    objects.usedIn[object] = residency;
    objects.usedBytes[object] = objectBytes;
    pages.usedBytes[page]! += objectBytes - before;
  }

  function use(unit: number, isWrite: boolean): void {
    if (older[head] !== unit) {
      unlink(unit);
      link(unit);
    }
    if (isWrite) flags[unit]! |= DIRTY;
  }

  return {
    touch(object, objectBytes, page, isWrite) {
      if (object >= objects.page.length || page >= pages.sparse.length) makeRoom(object, page);
      const single = unitOfObject(object);
      if (flags[single] !== 0) return use(single, isWrite);
      const isShared = objectBytes <= largestSharedBytes;
      if (isShared && flags[unitOfPage(page)] !== 0) {
        countUsed(object, objectBytes, page);
        return use(unitOfPage(page), isWrite);
      }
      const becomesDense = pages.aloneBytes[page]! + objectBytes >= denseBytes;
      if (!isShared || (pages.sparse[page] === 1 && !becomesDense))
        return bringObject(object, objectBytes, page, isWrite);
      bringPage(object, objectBytes, page, isWrite);
    },
    clone: (capacityBytes) =>
      poolOf(capacityBytes, {
        ...enlarged(emptyUnits(newer.length), { newer, older, bytes, flags }),
        pages: enlarged(emptyPages(pages.sparse.length).pages, pages),
        objects: enlarged(emptyObjects(objects.page.length).objects, objects),
        counts: { ...counts },
        localBytes: state.localBytes,
        residencies: state.residencies,
        weight: state.weight,
      }),
    retain(keeps, capacityBytes) {
      for (let unit = newer[head]!; unit !== head; ) {
        const next = newer[unit]!;
        if (!keeps(isPage(unit) ? numberOf(unit) : objects.page[numberOf(unit)]!)) remove(unit);
        unit = next;
      }
      for (let page = 0; page < pages.sparse.length; page++)
        if (pages.sparse[page] === 1 && !keeps(page)) pages.sparse[page] = 0;
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
