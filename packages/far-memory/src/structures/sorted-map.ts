import { FarUsageError } from '../errors.ts';
import { type Handle, type Location, MISS } from '../handles/words.ts';
import type { Layout } from '../layout/layout.ts';
import { createCodec, createEntryView } from './entry.ts';
import { createStructurePrefetch, inTurns, type Memory } from './memory.ts';
import { type OrderedKeyLayout, orderedKey } from './ordered-key.ts';
import { createMissing, PENDING, type Pending } from './pending.ts';
import { alignedEntryBytes, createSortedPage, largestEntryBytes } from './sorted-page.ts';

export interface SortedMapOptions<Key, Value, View, Mutable> {
  readonly key: OrderedKeyLayout<Key>;
  readonly value: Layout<Value, View, Mutable>;
  /** Bytes of one object; no entry is larger than a quarter of it. 4096 when left out. */
  readonly pageBytes?: number;
  readonly name?: string;
}

/** From inclusive, to exclusive. */
export interface KeyRange<Key> {
  readonly from?: Key;
  readonly to?: Key;
}

/** Entries in the order of their keys. Pages of entries are far objects; the lowest key of each page is local. Values are copied. */
export interface FarSortedMap<Key, Value> {
  readonly size: number;
  tryGet(key: Key): Value | undefined | Pending;
  get(key: Key): Promise<Value | undefined>;
  has(key: Key): Promise<boolean>;
  /** False when a page, or room for one, is not in local memory. */
  trySet(key: Key, value: Value): boolean;
  set(key: Key, value: Value): Promise<void>;
  delete(key: Key): Promise<boolean>;
  /** In order, fetched ahead. Entries that come or go meanwhile may be seen or not; those that stay are seen once. */
  range(range?: KeyRange<Key>): AsyncIterableIterator<[Key, Value]>;
  entries(): AsyncIterableIterator<[Key, Value]>;
  drop(): Promise<void>;
}

interface Leaf {
  readonly handle: Handle;
  /** No key of the leaf is below it, and every key of the leaf before is. */
  low: Uint8Array;
}

const DEFAULT_PAGE_BYTES = 4096;
const LOWEST: Uint8Array = new Uint8Array(0);

export function createSortedMap<Key, Value, View, Mutable>(
  memory: Memory,
  options: SortedMapOptions<Key, Value, View, Mutable>,
): FarSortedMap<Key, Value> {
  const { objects, heap } = memory;
  const { views } = heap.arena;
  const pageBytes = (options.pageBytes ?? DEFAULT_PAGE_BYTES) & ~7;
  const group = memory.newGroup();
  const key = createCodec(orderedKey(options.key));
  const value = createCodec(options.value);
  const entry = createEntryView(views);
  const page = createSortedPage(views, pageBytes);
  if (alignedEntryBytes(key.maxBytes, value.maxBytes) > largestEntryBytes(pageBytes))
    throw new FarUsageError(
      `entries of up to ${alignedEntryBytes(key.maxBytes, value.maxBytes)} bytes are larger than a quarter of a page of ${pageBytes} bytes; enlarge pageBytes`,
    );
  const missing = createMissing(memory);
  const { until } = missing;
  const leaves: Leaf[] = [];
  let size = 0;
  let keyBytes = 0;
  let spare: Handle | undefined;
  let isDropped = false;
  const prefetch = createStructurePrefetch(
    memory,
    group,
    pageBytes,
    () => leaves.length,
    (at) => leaves[at]!.handle,
  );

  function requireAlive(): void {
    if (isDropped) throw new FarUsageError(`the sorted map${options.name ? ` "${options.name}"` : ''} was dropped`);
  }

  /** The leaf whose keys may include the bytes: the last one that does not begin above them. */
  function leafOf(bytes: Uint8Array): number {
    let low = 0;
    let high = leaves.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (Buffer.compare(leaves[middle]!.low, bytes) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Prepares the key; the leaf's index. */
  function prepare(wantedKey: Key): number {
    requireAlive();
    keyBytes = key.encode(wantedKey);
    return leafOf(key.u8.subarray(0, keyBytes));
  }

  function reading(at: number): number | Pending {
    const { handle } = leaves[at]!;
    const location = objects.tryGet(handle);
    return location === MISS ? missing.note(handle) : location * 4;
  }

  function writing({ handle }: Leaf): number | Pending {
    const location = objects.tryMut(handle);
    return location === MISS ? missing.note(handle) : location * 4;
  }

  function newPage(): { handle: Handle; location: Location } | Pending {
    spare ??= objects.create(group, pageBytes);
    const location = objects.tryMut(spare);
    if (location === MISS) return missing.note(spare);
    const handle = spare;
    spare = undefined;
    page.begin(location * 4);
    return { handle, location };
  }

  function valueAt(offset: number): Value {
    return value.decode(views, entry.valueOffset(offset), entry.valueBytes(offset));
  }

  function keyAt(offset: number): Uint8Array {
    const start = entry.keyOffset(offset);
    return views.u8.slice(start, start + entry.keyBytes(offset));
  }

  function getStep(wantedKey: Key): Value | undefined | Pending {
    if (leaves.length === 0) return undefined;
    const at = prepare(wantedKey);
    const base = reading(at);
    if (base === PENDING) return PENDING;
    const index = page.search(base, key, keyBytes);
    return page.hasKeyAt(base, index, key, keyBytes) ? valueAt(page.entryAt(base, index)) : undefined;
  }

  /** Makes two leaves of one. */
  function split(at: number, base: number): true | Pending {
    const added = newPage();
    if (added === PENDING) return PENDING;
    page.split(base, added.location * 4);
    leaves.splice(at + 1, 0, { handle: added.handle, low: keyAt(page.entryAt(added.location * 4, 0)) });
    return true;
  }

  function setStep(wantedKey: Key, newValue: Value): true | Pending {
    if (leaves.length === 0) {
      requireAlive();
      const first = newPage();
      if (first === PENDING) return PENDING;
      leaves.push({ handle: first.handle, low: LOWEST });
    }
    for (;;) {
      const at = prepare(wantedKey);
      const base = writing(leaves[at]!);
      if (base === PENDING) return PENDING;
      const valueBytes = value.encode(newValue);
      const index = page.search(base, key, keyBytes);
      const isThere = page.hasKeyAt(base, index, key, keyBytes);
      if (isThere && entry.valueBytes(page.entryAt(base, index)) === valueBytes) {
        entry.write(page.entryAt(base, index), key, keyBytes, value, valueBytes);
        return true;
      }
      // Room first: once an entry is removed, nothing may fail.
      if (page.makeRoom(base, alignedEntryBytes(keyBytes, valueBytes))) {
        if (isThere) page.remove(base, index);
        else size++;
        page.insert(base, index, key, keyBytes, value, valueBytes);
        return true;
      }
      if (split(at, base) === PENDING) return PENDING;
    }
  }

  function deleteStep(wantedKey: Key): boolean | Pending {
    if (leaves.length === 0) return false;
    const at = prepare(wantedKey);
    const base = writing(leaves[at]!);
    if (base === PENDING) return PENDING;
    const index = page.search(base, key, keyBytes);
    if (!page.hasKeyAt(base, index, key, keyBytes)) return false;
    page.remove(base, index);
    size--;
    if (page.count(base) === 0) removeLeaf(at);
    return true;
  }

  function removeLeaf(at: number): void {
    const [{ handle }] = leaves.splice(at, 1) as [Leaf];
    if (at === 0 && leaves.length > 0) leaves[0]!.low = LOWEST;
    objects.free(handle);
  }

  /** Copies of a leaf's entries from a key on, and where the next leaf begins. */
  function leafStep(from: Uint8Array): { entries: [Uint8Array, Value][]; next: Uint8Array | undefined } | Pending {
    requireAlive();
    if (leaves.length === 0) return { entries: [], next: undefined };
    const at = leafOf(from);
    for (let ahead = at + 1; ahead <= Math.min(at + prefetch.window.objects(), leaves.length - 1); ahead++)
      if (!objects.prefetch(leaves[ahead]!.handle)) break;
    const base = reading(at);
    if (base === PENDING) return PENDING;
    const entries: [Uint8Array, Value][] = [];
    for (let index = 0; index < page.count(base); index++) {
      const offset = page.entryAt(base, index);
      const bytes = keyAt(offset);
      if (Buffer.compare(bytes, from) >= 0) entries.push([bytes, valueAt(offset)]);
    }
    return { entries, next: leaves[at + 1]?.low };
  }

  function keyBytesOf(wantedKey: Key): Uint8Array {
    const length = key.encode(wantedKey);
    return key.u8.slice(0, length);
  }

  function decodeKey(bytes: Uint8Array): Key {
    key.u8.set(bytes);
    return key.decode(keyViews, 0, bytes.length);
  }
  const keyViews = key.views;

  async function* range({ from, to }: KeyRange<Key> = {}): AsyncGenerator<[Key, Value], void, undefined> {
    const end = to === undefined ? undefined : keyBytesOf(to);
    let start: Uint8Array | undefined = from === undefined ? LOWEST : keyBytesOf(from);
    while (start !== undefined) {
      const begin: Uint8Array = start;
      const { entries, next } = await until(() => leafStep(begin));
      for (const [bytes, entryValue] of entries) {
        if (end !== undefined && Buffer.compare(bytes, end) >= 0) return;
        yield [decodeKey(bytes), entryValue];
      }
      start = next;
    }
  }

  const map: FarSortedMap<Key, Value> = {
    get size() {
      return size;
    },
    tryGet(wantedKey) {
      requireAlive();
      return getStep(wantedKey);
    },
    async get(wantedKey) {
      requireAlive();
      return until(() => getStep(wantedKey));
    },
    async has(wantedKey) {
      requireAlive();
      return (await until(() => getStep(wantedKey))) !== undefined;
    },
    trySet: (wantedKey, newValue) => setStep(wantedKey, newValue) !== PENDING,
    async set(wantedKey, newValue) {
      await until(() => setStep(wantedKey, newValue));
    },
    async delete(wantedKey) {
      requireAlive();
      return until(() => deleteStep(wantedKey));
    },
    range(wantedRange) {
      requireAlive();
      return range(wantedRange);
    },
    entries() {
      requireAlive();
      return range();
    },
    async drop() {
      requireAlive();
      isDropped = true;
      prefetch.end();
      watch.dropped();
      const handles = leaves.splice(0).map(({ handle }) => handle);
      if (spare !== undefined) handles.push(spare);
      await inTurns(handles.length, (at) => objects.free(handles[at]!));
      await heap.store.dropGroup(group);
    },
  };
  const watch = memory.watch(map, options.name ?? `a sorted map of ${options.key.signature}`);
  return map;
}
