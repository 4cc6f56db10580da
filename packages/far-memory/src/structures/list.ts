import { FarUsageError } from '../errors.ts';
import { type Handle, type Location, MISS } from '../handles/words.ts';
import type { Layout } from '../layout/layout.ts';
import { createStructurePrefetch, inTurns, type Memory } from './memory.ts';
import { createMissing, PENDING, type Pending } from './pending.ts';

export interface ListOptions {
  /** Bytes of one object, at most; at least two values go into it. */
  readonly chunkBytes?: number;
  readonly name?: string;
}

/** A sequence that grows and shrinks anywhere: O(1) at both ends, O(chunks) in the middle. Values are copied in and out. */
export interface FarList<Value> {
  readonly length: number;
  pushBack(value: Value): Promise<void>;
  pushFront(value: Value): Promise<void>;
  popBack(): Promise<Value | undefined>;
  popFront(): Promise<Value | undefined>;
  /** The synchronous forms answer PENDING (or false) when what they need is not in local memory, and then change nothing. */
  tryPushBack(value: Value): boolean;
  tryPushFront(value: Value): boolean;
  tryPopBack(): Value | undefined | Pending;
  tryPopFront(): Value | undefined | Pending;
  /** @throws FarUsageError for an index out of range. */
  at(index: number): Promise<Value>;
  set(index: number, value: Value): Promise<void>;
  /** Before the value at `index`; `length` appends. */
  insert(index: number, value: Value): Promise<void>;
  remove(index: number): Promise<Value>;
  /** Values in order, or backwards; fetched ahead. The list must not change meanwhile. */
  values(options?: { readonly reverse?: boolean }): AsyncIterableIterator<Value>;
  drop(): Promise<void>;
}

/** The local skeleton: one record per object. Values lie in rows `start` to `start + count - 1`. */
interface Chunk {
  readonly handle: Handle;
  start: number;
  count: number;
}

const DEFAULT_CHUNK_BYTES = 4096;
const FEWEST_ROWS = 2;
/** Emptied places at the front of the skeleton are closed when there are so many, and half of it. */
const COMPACT_FROM = 64;

export function createList<Value, View, Mutable>(
  memory: Memory,
  layout: Layout<Value, View, Mutable>,
  { chunkBytes = DEFAULT_CHUNK_BYTES, name }: ListOptions = {},
): FarList<Value> {
  const { objects, heap } = memory;
  const { views } = heap.arena;
  const rowBytes = layout.byteLength;
  const rows = Math.max(FEWEST_ROWS, Math.floor(chunkBytes / Math.max(1, rowBytes)));
  const group = memory.newGroup();
  const missing = createMissing(memory, objects.mut);
  const { until } = missing;
  /** Chunks from `head` on. */
  let chunks: Chunk[] = [];
  let head = 0;
  let length = 0;
  let isDropped = false;
  /** Made for a step that then missed something: used by the next. */
  let spare: Handle | undefined;
  const prefetch = createStructurePrefetch(
    memory,
    group,
    rows * rowBytes,
    () => chunks.length,
    (at) => chunks[at]!.handle,
  );

  function requireAlive(): void {
    if (isDropped) throw new FarUsageError(`the list${name ? ` "${name}"` : ''} was dropped`);
  }

  function requireIndex(index: number, limit: number): void {
    requireAlive();
    if (!(Number.isInteger(index) && index >= 0 && index < limit))
      throw new FarUsageError(`index ${index} is out of range: there are ${length} values`);
  }

  /** Where row `row` of the chunk is, for writing, or PENDING. */
  function place({ handle }: Chunk): Location | Pending {
    const location = objects.tryMut(handle);
    return location === MISS ? missing.note(handle) : location;
  }

  function offsetOf(location: Location, row: number): number {
    return location * 4 + row * rowBytes;
  }

  /** An empty chunk that is in local memory, or PENDING. */
  function newChunk(start: number): Chunk | Pending {
    spare ??= objects.create(group, rows * rowBytes);
    if (objects.tryMut(spare) === MISS) return missing.note(spare);
    const chunk = { handle: spare, start, count: 0 };
    spare = undefined;
    return chunk;
  }

  function release(at: number): void {
    const { handle } = chunks[at]!;
    if (at === head) {
      head++;
      if (head >= COMPACT_FROM && head * 2 >= chunks.length) {
        chunks = chunks.slice(head);
        head = 0;
      }
    } else chunks.splice(at, 1);
    objects.free(handle);
  }

  function tailForPush(): Chunk | Pending {
    const last = chunks.at(-1);
    if (last !== undefined && chunks.length > head && last.start + last.count < rows) return last;
    const added = newChunk(0);
    if (added !== PENDING) chunks.push(added);
    return added;
  }

  function headForPush(): Chunk | Pending {
    const first = chunks[head];
    if (first !== undefined && first.start > 0) return first;
    const added = newChunk(rows);
    if (added === PENDING) return PENDING;
    if (head > 0) chunks[--head] = added;
    else chunks.unshift(added);
    return added;
  }

  function pushBackStep(value: Value): true | Pending {
    requireAlive();
    const chunk = tailForPush();
    if (chunk === PENDING) return PENDING;
    const location = place(chunk);
    if (location === PENDING) return PENDING;
    layout.write(views, offsetOf(location, chunk.start + chunk.count), value);
    chunk.count++;
    length++;
    return true;
  }

  function pushFrontStep(value: Value): true | Pending {
    requireAlive();
    const chunk = headForPush();
    if (chunk === PENDING) return PENDING;
    const location = place(chunk);
    if (location === PENDING) return PENDING;
    layout.write(views, offsetOf(location, chunk.start - 1), value);
    chunk.start--;
    chunk.count++;
    length++;
    return true;
  }

  function takeFrom(at: number, isFront: boolean): Value | Pending {
    const chunk = chunks[at]!;
    const location = place(chunk);
    if (location === PENDING) return PENDING;
    const value = layout.read(views, offsetOf(location, isFront ? chunk.start : chunk.start + chunk.count - 1));
    if (isFront) chunk.start++;
    chunk.count--;
    length--;
    if (chunk.count === 0) release(at);
    return value;
  }

  function popBackStep(): Value | undefined | Pending {
    requireAlive();
    dropEmptyEnds();
    if (length === 0) return undefined;
    const at = chunks.length - 1;
    const chunk = chunks[at]!;
    if (chunk.count === 1 && at - 1 >= head) objects.prefetch(chunks[at - 1]!.handle);
    return takeFrom(at, false);
  }

  function popFrontStep(): Value | undefined | Pending {
    requireAlive();
    dropEmptyEnds();
    if (length === 0) return undefined;
    const chunk = chunks[head]!;
    // The chunks after this one are next, unless the list is turned around.
    if (chunk.count === rows || chunk.start === 0) fetchAfter(head, 1);
    return takeFrom(head, true);
  }

  /** A push that made a chunk and then missed it leaves it empty. */
  function dropEmptyEnds(): void {
    while (chunks.length > head && chunks[head]!.count === 0) release(head);
    while (chunks.length > head && chunks.at(-1)!.count === 0) release(chunks.length - 1);
  }

  function fetchAfter(at: number, direction: 1 | -1): void {
    for (let ahead = 1; ahead <= prefetch.window.objects(); ahead++) {
      const chunk = chunks[at + ahead * direction];
      if (chunk === undefined || at + ahead * direction < head || !objects.prefetch(chunk.handle)) return;
    }
  }

  /** The chunk of an index and the row in it, looked for from the nearer end. */
  function locate(index: number): { at: number; row: number } {
    if (index < length / 2) {
      let before = 0;
      for (let at = head; ; at++) {
        const { count, start } = chunks[at]!;
        if (index < before + count) return { at, row: start + index - before };
        before += count;
      }
    }
    let before = length;
    for (let at = chunks.length - 1; ; at--) {
      const { count, start } = chunks[at]!;
      before -= count;
      if (index >= before) return { at, row: start + index - before };
    }
  }

  /** Half of a full chunk goes to a new one behind it. */
  function split(at: number, location: Location): true | Pending {
    const chunk = chunks[at]!;
    const added = newChunk(0);
    if (added === PENDING) return PENDING;
    const target = place(added);
    if (target === PENDING) return PENDING;
    const kept = chunk.count >>> 1;
    added.count = chunk.count - kept;
    const from = offsetOf(location, chunk.start + kept);
    views.u8.copyWithin(offsetOf(target, 0), from, from + added.count * rowBytes);
    chunk.count = kept;
    chunks.splice(at + 1, 0, added);
    return true;
  }

  function insertStep(index: number, value: Value): true | Pending {
    if (index === length) return pushBackStep(value);
    if (index === 0) return pushFrontStep(value);
    for (;;) {
      const { at, row } = locate(index);
      const chunk = chunks[at]!;
      const location = place(chunk);
      if (location === PENDING) return PENDING;
      if (chunk.count < rows) {
        openGap(chunk, location, row, value);
        return true;
      }
      if (split(at, location) === PENDING) return PENDING;
    }
  }

  /** Shifts the rows after `row` up, or those before it down where there is no room above. */
  function openGap(chunk: Chunk, location: Location, row: number, value: Value): void {
    const end = chunk.start + chunk.count;
    if (end < rows) {
      views.u8.copyWithin(offsetOf(location, row + 1), offsetOf(location, row), offsetOf(location, end));
      layout.write(views, offsetOf(location, row), value);
    } else {
      views.u8.copyWithin(
        offsetOf(location, chunk.start - 1),
        offsetOf(location, chunk.start),
        offsetOf(location, row),
      );
      chunk.start--;
      layout.write(views, offsetOf(location, row - 1), value);
    }
    chunk.count++;
    length++;
  }

  function removeStep(index: number): Value | Pending {
    const { at, row } = locate(index);
    const chunk = chunks[at]!;
    const location = place(chunk);
    if (location === PENDING) return PENDING;
    const value = layout.read(views, offsetOf(location, row));
    const end = chunk.start + chunk.count;
    views.u8.copyWithin(offsetOf(location, row), offsetOf(location, row + 1), offsetOf(location, end));
    chunk.count--;
    length--;
    if (chunk.count === 0) release(at);
    return value;
  }

  function readStep(index: number): Value | Pending {
    const { at, row } = locate(index);
    const { handle } = chunks[at]!;
    const location = objects.tryGet(handle);
    return location === MISS ? missing.note(handle) : layout.read(views, offsetOf(location, row));
  }

  function setStep(index: number, value: Value): true | Pending {
    const { at, row } = locate(index);
    const location = place(chunks[at]!);
    if (location === PENDING) return PENDING;
    layout.write(views, offsetOf(location, row), value);
    return true;
  }

  async function* values(isReverse: boolean): AsyncGenerator<Value, void, undefined> {
    const order = chunks.slice(head);
    if (isReverse) order.reverse();
    for (const [position, { handle, start, count }] of order.entries()) {
      for (let ahead = 1; ahead <= prefetch.window.objects(); ahead++) {
        const next = order[position + ahead];
        if (next === undefined || !objects.prefetch(next.handle)) break;
      }
      for (let step = 0; step < count; step++) {
        const location = await until(() => {
          const at = objects.tryGet(handle);
          return at === MISS ? missing.note(handle) : at;
        });
        yield layout.read(views, offsetOf(location, isReverse ? start + count - 1 - step : start + step));
      }
    }
  }

  const list: FarList<Value> = {
    get length() {
      return length;
    },
    pushBack: async (value) => void (await until(() => pushBackStep(value))),
    pushFront: async (value) => void (await until(() => pushFrontStep(value))),
    popBack: async () => until(popBackStep),
    popFront: async () => until(popFrontStep),
    tryPushBack: (value) => pushBackStep(value) !== PENDING,
    tryPushFront: (value) => pushFrontStep(value) !== PENDING,
    tryPopBack: popBackStep,
    tryPopFront: popFrontStep,
    async at(index) {
      requireIndex(index, length);
      return until(() => readStep(index));
    },
    async set(index, value) {
      requireIndex(index, length);
      await until(() => setStep(index, value));
    },
    async insert(index, value) {
      requireIndex(index, length + 1);
      await until(() => insertStep(index, value));
    },
    async remove(index) {
      requireIndex(index, length);
      return until(() => removeStep(index));
    },
    values(options) {
      requireAlive();
      return values(options?.reverse ?? false);
    },
    async drop() {
      requireAlive();
      isDropped = true;
      prefetch.end();
      watch.dropped();
      const handles = chunks.slice(head).map(({ handle }) => handle);
      if (spare !== undefined) handles.push(spare);
      chunks = [];
      await inTurns(handles.length, (at) => objects.free(handles[at]!));
      await heap.store.dropGroup(group);
    },
  };
  const watch = memory.watch(list, name ?? `a list of ${layout.signature}`);
  return list;
}
