import type { Random } from '../../machine/random.ts';

export interface ElasticCuckooOptions<Region> {
  /** Arrays, each with a hash function of its own: at least 2. */
  readonly ways: number;
  /** Slots of a way at the start and at least, a power of two. */
  readonly initialSlots: number;
  /** Share of slots in use above which the table doubles. */
  readonly upsizeAbove: number;
  /** Share below which it halves, less than half of the other. */
  readonly downsizeBelow: number;
  /** Displacements of one insertion before the table is built anew, twice as large. */
  readonly maxKicks: number;
  readonly random: Random;
  /** Memory for a way of that many slots. */
  allocate(slots: number): Region;
  free(region: Region): void;
}

/** Work done so far. */
export interface ElasticCuckooCounts {
  /** Elements displaced by an insertion. */
  kicks: number;
  /** Elements moved by resizing. */
  moves: number;
  resizes: number;
  /** Insertions that ran out of kicks, so that all elements were placed anew. */
  rebuilds: number;
}

/** All ways at one size. */
interface Generation<Region> {
  readonly slots: number;
  readonly seeds: Int32Array;
  /** By way and slot, and their key and value side by side, since who finds one reads the other; key -1 = empty. */
  readonly cells: Float64Array;
  /**
   * By way and slot: bits of the hash of its key, 0 = empty. Nearly every place that does not hold a key is ruled out by these few bytes,
   * which stay in the caches of the machine that simulates; the cells of a large table do not.
   */
  readonly marks: Uint8Array;
  readonly regions: readonly Region[];
}

const empty = -1;

/** Of a hash whose lowest bits are the slot. */
const markOf = (hashed: number): number => (hashed >>> 24) | 128;

/**
 * A d-ary cuckoo hash table that is resized gradually (elastic cuckoo hashing: Skarlatos et al., ASPLOS 2020). An element lies in exactly one
 * of d places, one in each way. While the table is resized each way has an old and a new array, and a pointer: what hashes below it in the
 * old array has been moved, so a look-up still probes d places. Every insertion and removal moves one element on.
 *
 * Keys are integers from 0 to 2^53 - 1, values numbers.
 */
export class ElasticCuckooTable<Region> {
  readonly counts: ElasticCuckooCounts = { kicks: 0, moves: 0, resizes: 0, rebuilds: 0 };
  /** Elements held. */
  size = 0;
  /** Way that held the key of the last `find`, or -1. */
  holder = -1;
  readonly ways: number;
  private readonly options: ElasticCuckooOptions<Region>;
  private current: Generation<Region>;
  /** What the table is being moved to. */
  private next: Generation<Region> | undefined;
  /** By way: slots of `current` below it have been moved. */
  private readonly pointers: Int32Array;
  /** By way: the places that `find` has looked at last, as slots, and as indices of marks of their generation. */
  private readonly foundSlots: Int32Array;
  private readonly foundAt: Int32Array;
  private readonly foundMarks: Uint8Array;
  private readonly foundIn: Generation<Region>[];
  /** Whether those places are in two generations, as `foundIn` says, or all in the current one. */
  private foundInTwo = false;
  /** The element that an insertion has displaced and not placed yet. */
  private handKey = empty;
  private handValue = 0;

  constructor(options: ElasticCuckooOptions<Region>) {
    this.options = options;
    this.ways = options.ways;
    this.pointers = new Int32Array(options.ways);
    this.current = this.newGeneration(options.initialSlots);
    this.foundSlots = new Int32Array(options.ways);
    this.foundAt = new Int32Array(options.ways);
    this.foundMarks = new Uint8Array(options.ways);
    this.foundIn = new Array<Generation<Region>>(options.ways).fill(this.current);
  }

  get isResizing(): boolean {
    return this.next !== undefined;
  }

  /** Slots of all ways, of both sizes while resizing. */
  get slots(): number {
    return this.ways * (this.current.slots + (this.next?.slots ?? 0));
  }

  /**
   * Way that holds `key`, or -1. What `regionAt`, `slotAt` and `valueAt` say is about the places of this key, in every way, until another
   * one is looked for or the table changes.
   */
  find(key: number): number {
    const { current, next, foundSlots, foundAt, foundMarks, foundIn } = this;
    const { ways } = this;
    const folded = fold(key);
    this.foundInTwo = next !== undefined;
    let holder = -1;
    for (let way = 0; way < ways; way++) {
      let home = current;
      let hashed = hash(folded, home.seeds[way]!);
      if (next !== undefined) {
        if ((hashed & (home.slots - 1)) < this.pointers[way]!) {
          home = next;
          hashed = hash(folded, home.seeds[way]!);
        }
        foundIn[way] = home;
      }
      const slot = hashed & (home.slots - 1);
      const at = way * home.slots + slot;
      const mark = markOf(hashed);
      foundSlots[way] = slot;
      foundAt[way] = at;
      foundMarks[way] = mark;
      if (home.marks[at] === mark && home.cells[2 * at] === key) holder = way;
    }
    this.holder = holder;
    return holder;
  }

  private homeOf(way: number): Generation<Region> {
    return this.foundInTwo ? this.foundIn[way]! : this.current;
  }

  /** Memory in which that way keeps the key, if it does. */
  regionAt(way: number): Region {
    return this.homeOf(way).regions[way]!;
  }

  /** Slot of that memory. */
  slotAt(way: number): number {
    return this.foundSlots[way]!;
  }

  /** Value in that slot. */
  valueAt(way: number): number {
    return this.homeOf(way).cells[2 * this.foundAt[way]! + 1]!;
  }

  /** Value of `key`, or -1 when it is absent. */
  get(key: number): number {
    const way = this.find(key);
    return way < 0 ? -1 : this.valueAt(way);
  }

  /** Adds an element, or changes its value. */
  set(key: number, value: number): void {
    const way = this.find(key);
    if (way >= 0) {
      this.homeOf(way).cells[2 * this.foundAt[way]! + 1] = value;
      return;
    }
    this.size++;
    this.put(key, value, this.options.random.below(this.ways));
    this.goOn();
  }

  /** Removes an element; false when it is absent. */
  delete(key: number): boolean {
    const way = this.find(key);
    if (way < 0) return false;
    this.clearCell(this.homeOf(way), this.foundAt[way]!);
    this.size--;
    this.goOn();
    return true;
  }

  forEach(visit: (key: number, value: number) => void): void {
    for (const generation of [this.current, this.next]) {
      const cells = generation?.cells ?? [];
      for (let at = 0; at < cells.length; at += 2) if (cells[at] !== empty) visit(cells[at]!, cells[at + 1]!);
    }
  }

  private newGeneration(slots: number): Generation<Region> {
    const { ways, random, allocate } = this.options;
    const perWay = <T>(make: () => T): T[] => Array.from({ length: ways }, make);
    return {
      slots,
      seeds: Int32Array.from(perWay(() => random.uint32() | 0)),
      cells: new Float64Array(2 * ways * slots).fill(empty),
      marks: new Uint8Array(ways * slots),
      regions: perWay(() => allocate(slots)),
    };
  }

  private clearCell({ cells, marks }: Generation<Region>, at: number): void {
    cells[2 * at] = empty;
    marks[at] = 0;
  }

  private release({ regions }: Generation<Region>): void {
    for (const region of regions) this.options.free(region);
  }

  private put(key: number, value: number, way: number): void {
    if (this.tryPut(key, value, way)) return;
    this.rebuild();
  }

  /** Places an element, displacing others in turn; false when one is left in the hand. */
  private tryPut(key: number, value: number, firstWay: number): boolean {
    const { maxKicks, random } = this.options;
    let way = firstWay;
    this.handKey = key;
    this.handValue = value;
    for (let kicks = 0; ; kicks++) {
      this.find(this.handKey);
      const { cells, marks } = this.homeOf(way);
      const at = this.foundAt[way]!;
      const displaced = cells[2 * at]!;
      const displacedValue = cells[2 * at + 1]!;
      marks[at] = this.foundMarks[way]!;
      cells[2 * at] = this.handKey;
      cells[2 * at + 1] = this.handValue;
      this.handKey = displaced;
      this.handValue = displacedValue;
      if (displaced === empty) return true;
      if (kicks === maxKicks) return false;
      this.counts.kicks++;
      way = (way + 1 + random.below(this.ways - 1)) % this.ways;
    }
  }

  /** Places everything, and the element in the hand, in new arrays: twice as large, or larger until all find a place. */
  private rebuild(): void {
    const elements: [key: number, value: number][] = [[this.handKey, this.handValue]];
    this.forEach((key, value) => {
      elements.push([key, value]);
    });
    const largest = Math.max(this.current.slots, this.next?.slots ?? 0);
    this.release(this.current);
    if (this.next !== undefined) this.release(this.next);
    this.next = undefined;
    this.counts.rebuilds++;
    this.counts.moves += elements.length;
    for (let slots = 2 * largest; ; slots *= 2) {
      this.current = this.newGeneration(slots);
      if (elements.every(([key, value]) => this.tryPut(key, value, this.options.random.below(this.ways)))) return;
      this.release(this.current);
    }
  }

  /** Begins a resize when it is due, or moves one element on. */
  private goOn(): void {
    if (this.next !== undefined) {
      this.moveOne();
      return;
    }
    const { upsizeAbove, downsizeBelow, initialSlots } = this.options;
    const { slots } = this.current;
    const load = this.size / (this.ways * slots);
    if (load > upsizeAbove) this.begin(slots * 2);
    else if (load < downsizeBelow && slots > initialSlots) this.begin(slots / 2);
  }

  private begin(slots: number): void {
    this.counts.resizes++;
    this.next = this.newGeneration(slots);
    this.pointers.fill(0);
  }

  /** Moves the next element of the way that is furthest behind; ends the resize when none is left. */
  private moveOne(): void {
    const { current, pointers } = this;
    for (;;) {
      let way = 0;
      for (let other = 1; other < this.ways; other++) if (pointers[other]! < pointers[way]!) way = other;
      const slot = pointers[way]!;
      if (slot === current.slots) {
        this.current = this.next!;
        this.next = undefined;
        this.release(current);
        return;
      }
      pointers[way]!++;
      const at = way * current.slots + slot;
      const key = current.cells[2 * at]!;
      if (key === empty) continue;
      this.clearCell(current, at);
      this.counts.moves++;
      this.put(key, current.cells[2 * at + 1]!, way);
      return;
    }
  }
}

/** 32 bits of a 53-bit key, for `hash`. */
function fold(key: number): number {
  return (key | 0) ^ Math.imul(Math.floor(key / 2 ** 32), 0x9e3779b1);
}

/** 32 bits of a folded key: two rounds of multiply and shift (Wellons, hash prospector, lowbias32). */
function hash(folded: number, seed: number): number {
  let mixed = folded ^ seed;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
