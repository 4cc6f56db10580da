import { StrataError } from '../machine/index.ts';
import { type FastPath, wordsFastPath } from './fast-path.ts';
import { printedFastPath } from './fast-path-printed.ts';
import { sharedWasmMemory, type WasmMemory, wasmFastPath } from './fast-path-wasm.ts';
import { childShift, framesPerChild, header, type Layout, layoutOf, magic, maxOrder, treeShift } from './layout.ts';
import { LowerAllocator } from './lower.ts';
import { Reservations } from './reservations.ts';
import { TreeTable } from './trees.ts';
import { type Violation, violations } from './validate.ts';
import { AeUpper } from './versions/ae.ts';
import { HeadUpper } from './versions/head.ts';
import type { Upper } from './versions/version.ts';
import { ExclusiveWords, SharedWords, type Words } from './words.ts';

/** `ae`: the upper allocator of HyperAlloc (EuroSys'25); `head`: the newer one with classes. */
export const llfreeVersions = ['ae', 'head'] as const;
export type LLFreeVersion = (typeof llfreeVersions)[number];

/** What get() returns when no run of frames of that order is free. */
export const outOfMemory = -1;

/** Looks at everything before a get fails though a run is free; another thread may hold the tree reserved for a moment each time. */
const needTries = 2;

/** Memory that an allocator lies in: a WebAssembly.Memory where threads share it and the platform has it, else a plain or shared buffer. */
export type LLFreeMemory = ArrayBufferLike | WasmMemory;

export interface LLFreeOptions {
  /** 4 KiB frames, 1 to 2^30. */
  readonly frames: number;
  /** Cores that allocate, 1 to 1024; each is one thread at a time. */
  readonly cores: number;
  readonly version: LLFreeVersion;
}

/**
 * LLFree, a page-frame allocator whose whole state is one array of words. Frames are numbered from 0; an order-n request takes 2^n aligned frames.
 * A core number stands for one thread at a time; different cores may allocate and free at once when the memory is shared, also each other's frames.
 */
export class LLFree {
  readonly frames: number;
  readonly cores: number;
  readonly version: LLFreeVersion;
  /** The whole state. Post it to a worker and attachLLFree() it there if the allocator is a shared one. */
  readonly memory: LLFreeMemory;
  private readonly layout: Layout;
  private readonly lower: LowerAllocator;
  private readonly trees: TreeTable;
  private readonly locals: Reservations;
  private readonly upper: Upper;
  private readonly fast: FastPath;

  /** Use createExclusive(), createShared() or attachLLFree(). */
  constructor(memory: LLFreeMemory, words: Words, layout: Layout, version: LLFreeVersion, fast?: FastPath) {
    this.memory = memory;
    this.layout = layout;
    this.frames = layout.frames;
    this.cores = layout.cores;
    this.version = version;
    this.lower = new LowerAllocator(words, layout);
    this.trees = new TreeTable(words, layout);
    this.locals = new Reservations(words, layout.localsAt, layout.cores);
    const parts = { lower: this.lower, trees: this.trees, locals: this.locals, cores: layout.cores };
    this.upper = version === 'ae' ? new AeUpper(parts) : new HeadUpper(parts);
    this.fast = fast ?? fastPathOf(words, memory, layout, this.upper);
  }

  /**
   * Takes 2^order frames, aligned, for a core; the first frame, or `outOfMemory`. Movable allocations are kept apart from others.
   * @throws StrataError `llfree.core` or `llfree.order` out of range.
   */
  get(core: number, order: number, movable = false): number {
    const frame = order === 0 ? this.fast.get(core, movable) : -1;
    return frame >= 0 ? frame : this.getSlowly(core, order, movable);
  }

  /**
   * Gives back 2^order frames, also a part of a larger allocation. `movable` as in get().
   * @throws StrataError `llfree.double-free` if any of them is not taken; then nothing has changed.
   */
  put(core: number, frame: number, order: number, movable = false): void {
    if (order !== 0 || !this.fast.put(core, frame, movable)) this.putSlowly(core, frame, order, movable);
  }

  /** Takes exactly these frames; false if any is taken. */
  getAt(frame: number, order: number): boolean {
    this.requireOrder(order);
    this.requireRun(frame, order);
    const count = 1 << order;
    const tree = frame >> treeShift;
    if (!this.takeFromTree(tree, count)) return false;
    if (this.lower.getAt(frame, order)) return true;
    this.trees.give(tree, count);
    return false;
  }

  /** Gives up what the core has reserved, so that others find it. */
  drain(core: number): void {
    this.requireCore(core);
    this.upper.drain(core);
  }

  /**
   * Rebuilds everything after threads have died inside an operation: counters follow the bits, reservations are dropped. At most one allocation
   * per dead thread stays taken that its caller never learned of. No other thread may use the allocator meanwhile.
   */
  recover(): void {
    this.lower.recover();
    for (let slot = 0; slot < this.locals.length; slot++) {
      this.locals.clear(slot);
      this.locals.moveCursor(slot, 0);
    }
    this.upper.rebuild();
  }

  /** What does not hold of the invariants, in words; empty when all do. Exact only while no thread is inside an operation. */
  violations(): Violation[] {
    return violations(this.layout, this.lower, this.trees, this.locals);
  }

  /** @throws StrataError `llfree.invariant` with the first invariant that does not hold. */
  validate(): void {
    const [first, ...others] = this.violations();
    if (!first) return;
    throw new StrataError({
      code: 'llfree.invariant',
      what: `the allocator is inconsistent (${first.invariant}${others.length > 0 ? `, and ${others.length} more` : ''})`,
      where: first.where,
      expected: first.expected,
      found: first.found,
      mend: 'Run recover() while no thread uses the allocator.',
    });
  }

  /** Free frames by the counters of the lower allocator. */
  freeFrames(): number {
    let free = 0;
    for (let child = 0; child < this.layout.children; child++) free += this.lower.freeIn(child);
    return free;
  }

  /** Wholly free huge frames. */
  freeHugeFrames(): number {
    let free = 0;
    for (let child = 0; child < this.layout.children; child++) if (this.lower.freeIn(child) === framesPerChild) free++;
    return free;
  }

  /** State of the huge frame number `index`: free frames, whether it is taken as one, whether the host has evicted it. */
  hugeFrame(index: number): HugeFrameState {
    return { free: this.lower.freeIn(index), huge: this.lower.isHuge(index), evicted: this.lower.isEvicted(index) };
  }

  /** Whether a frame is taken, by itself or as part of a larger run. */
  isTaken(frame: number): boolean {
    this.requireRun(frame, 0);
    return this.lower.isTaken(frame);
  }

  /** Whether the host must install memory before 2^order frames from `frame` can be used. */
  needsInstall(frame: number, order: number): boolean {
    const first = frame >> childShift;
    return this.lower.isEvicted(first) || (order === maxOrder && this.lower.isEvicted(first + 1));
  }

  /** The class or kind of a frame's tree, as a number (0 fixed, 1 movable, 2 huge). */
  kindOf(frame: number): number {
    return this.trees.kind(frame >> treeShift);
  }

  /** Everything free, nothing reserved. */
  clear(): void {
    const words = new Int32Array(bufferOf(this.memory), 0, this.layout.words);
    words.fill(0);
    words[header.magic] = magic;
    words[header.frames] = this.frames;
    words[header.cores] = this.cores;
    words[header.version] = llfreeVersions.indexOf(this.version);
    this.lower.clear();
    this.upper.rebuild();
  }

  /** The published searches miss frames that lie split between a tree and its reservation: give up all reservations and look again. */
  private getInNeed(core: number, order: number, movable: boolean): number {
    let frame = outOfMemory;
    for (let tries = 0; frame < 0 && tries < needTries && this.lower.hasRun(order); tries++) {
      for (let other = 0; other < this.cores; other++) this.upper.drain(other);
      frame = this.upper.getFromAnyTree(core, order, movable);
    }
    return frame;
  }

  private isCore(core: number): boolean {
    return (core | 0) === core && core >= 0 && core < this.cores;
  }

  private isRun(frame: number, order: number): boolean {
    const count = 1 << order;
    return (frame | 0) === frame && frame >= 0 && frame + count <= this.frames && (frame & (count - 1)) === 0;
  }

  private getSlowly(core: number, order: number, movable: boolean): number {
    this.requireCore(core);
    this.requireOrder(order);
    const frame = this.upper.get(core, order, movable);
    return frame >= 0 ? frame : this.getInNeed(core, order, movable);
  }

  private putSlowly(core: number, frame: number, order: number, movable: boolean): void {
    this.requireCore(core);
    this.requireOrder(order);
    this.requireRun(frame, order);
    this.upper.put(core, frame, order, movable);
  }
  private takeFromTree(tree: number, count: number): boolean {
    if (this.trees.takeSome(tree, count)) return true;
    for (let slot = 0; slot < this.locals.length; slot++) if (this.locals.takeOf(slot, tree, count)) return true;
    return false;
  }

  private requireCore(core: number): void {
    if (!this.isCore(core)) throw outOfRange('llfree.core', 'core', core, this.cores - 1);
  }

  private requireOrder(order: number): void {
    if ((order | 0) !== order || order < 0 || order > maxOrder)
      throw outOfRange('llfree.order', 'order', order, maxOrder);
  }

  private requireRun(frame: number, order: number): void {
    if (!this.isRun(frame, order)) throw noSuchRun(frame, order, this.frames);
  }
}

function fastPathOf(words: Words, memory: LLFreeMemory, layout: Layout, { freeTo, movableKind }: Upper): FastPath {
  let quick: FastPath | undefined;
  if (words instanceof ExclusiveWords)
    quick = printedFastPath(new Int32Array(bufferOf(memory)), layout, freeTo, movableKind);
  else if (words instanceof SharedWords && 'buffer' in memory)
    quick = wasmFastPath(memory, layout, freeTo, movableKind);
  return quick ?? wordsFastPath(words, layout, freeTo, movableKind);
}

function noSuchRun(frame: number, order: number, frames: number): StrataError {
  const count = 1 << order;
  return new StrataError({
    code: 'llfree.frame',
    what: 'no such run of frames',
    expected: `a multiple of ${count} from 0 to ${frames - count} (order ${order})`,
    found: String(frame),
  });
}

export interface HugeFrameState {
  readonly free: number;
  readonly huge: boolean;
  readonly evicted: boolean;
}

/** An allocator for one thread: plain memory, no atomics. @throws StrataError `llfree.frames`, `llfree.cores` out of range. */
export function createExclusive(options: LLFreeOptions): LLFree {
  const layout = layoutOf(options.frames, options.cores);
  const words = new Int32Array(layout.words);
  const allocator = new LLFree(words.buffer, new ExclusiveWords(words), layout, options.version);
  allocator.clear();
  return allocator;
}

/** An allocator that threads share: post its `memory` to each and attachLLFree() it. @throws StrataError `llfree.frames`, `llfree.cores` out of range. */
export function createShared(options: LLFreeOptions): LLFree {
  const layout = layoutOf(options.frames, options.cores);
  const memory = sharedWasmMemory(layout.words) ?? new SharedArrayBuffer(layout.words * 4);
  const words = new Int32Array(bufferOf(memory), 0, layout.words);
  const allocator = new LLFree(memory, new SharedWords(words), layout, options.version);
  allocator.clear();
  return allocator;
}

/** The allocator that lies in `memory`, as it is. @throws StrataError `llfree.memory` if there is none. */
export function attachLLFree(memory: LLFreeMemory): LLFree {
  const { words, layout, version } = openMemory(memory);
  return new LLFree(memory, wordsOf(words), layout, version);
}

/** @throws StrataError `llfree.memory` if no allocator lies there. */
export function openMemory(memory: LLFreeMemory): { words: Int32Array; layout: Layout; version: LLFreeVersion } {
  const buffer = bufferOf(memory);
  const words = buffer.byteLength % 4 === 0 ? new Int32Array(buffer) : new Int32Array(0);
  const [found, frames, cores, index] = words;
  const version = llfreeVersions[index ?? -1];
  if (found !== magic || frames === undefined || cores === undefined || !version) throw notAnAllocator();
  const layout = layoutOf(frames, cores);
  if (words.length < layout.words) throw notAnAllocator();
  return { words: words.subarray(0, layout.words), layout, version };
}

export function bufferOf(memory: LLFreeMemory): ArrayBufferLike {
  return 'buffer' in memory ? memory.buffer : memory;
}

/** Atomics for memory that threads may share, plain access otherwise. */
export function wordsOf(words: Int32Array): Words {
  return typeof SharedArrayBuffer !== 'undefined' && words.buffer instanceof SharedArrayBuffer
    ? new SharedWords(words)
    : new ExclusiveWords(words);
}

function notAnAllocator(): StrataError {
  return new StrataError({
    code: 'llfree.memory',
    what: 'this memory holds no allocator, or only a part of one',
    mend: 'Attach to the `memory` of an allocator that createShared() or createExclusive() made.',
  });
}

function outOfRange(code: string, what: string, found: number, limit: number): StrataError {
  return new StrataError({
    code,
    what: `no such ${what}`,
    expected: `an integer from 0 to ${limit}`,
    found: String(found),
  });
}
