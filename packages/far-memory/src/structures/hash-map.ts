import { FarUsageError } from '../errors.ts';
import { type Handle, type Location, MISS } from '../handles/words.ts';
import type { Layout } from '../layout/layout.ts';
import { createCodec, createEntryView, entryBytes } from './entry.ts';
import { HASH_SEED, murmur3 } from './hash.ts';
import { createHashIndex, NONE, type Position } from './hash-index.ts';
import { BATCH_KEYS, createKeyBatch, NOT_THERE } from './key-batch.ts';
import { createStructurePrefetch, inTurns, type Memory } from './memory.ts';
import { createMissing, PENDING, type Pending } from './pending.ts';

export interface MapOptions<Key, KeyView, KeyMutable, Value, View, Mutable> {
  /** Keys are compared by their bytes: `bytes`, `varbytes`, `utf8`, or a scalar. */
  readonly key: Layout<Key, KeyView, KeyMutable>;
  readonly value: Layout<Value, View, Mutable>;
  /** Entries expected. */
  readonly initial?: number;
  readonly name?: string;
}

/**
 * A hash map whose entries are objects of their own; the index (8 bytes per slot) stays local, so that an absent key never asks the far
 * side. Fixed-size values are viewed in place, byte strings are copied out.
 */
export interface FarMap<Key, Value, View, Mutable> {
  readonly size: number;
  /** Local bytes of the index. */
  readonly indexBytes: number;
  tryGet(key: Key): View | undefined | Pending;
  get(key: Key): Promise<View | undefined>;
  getSync(key: Key): View | undefined;
  /** Copies of many, or PENDING when one may be away. Faster per key than `tryGet`: the reads of the index overlap. */
  tryGetMany(keys: readonly Key[]): (Value | undefined)[] | Pending;
  /** Copies; the misses travel together. */
  getMany(keys: readonly Key[]): Promise<(Value | undefined)[]>;
  /** The value in place, to write it in this turn. For fixed-size values. */
  tryMut(key: Key): Mutable | undefined | Pending;
  mut(key: Key): Promise<Mutable | undefined>;
  tryHas(key: Key): boolean | Pending;
  has(key: Key): Promise<boolean>;
  /** False when the entry, or room for it, is not in local memory. */
  trySet(key: Key, value: Value): boolean;
  set(key: Key, value: Value): Promise<void>;
  /** Sets many, one after the other in their order; the entries that have to come first travel together. */
  setMany(entries: readonly (readonly [Key, Value])[]): Promise<void>;
  delete(key: Key): Promise<boolean>;
  /** Copies of every entry that is there from the first to the last step, each once, in no order; fetched ahead. */
  entries(): AsyncIterableIterator<[Key, Value]>;
  keys(): AsyncIterableIterator<Key>;
  values(): AsyncIterableIterator<Value>;
  drop(): Promise<void>;
}

/** Entries that one step of `setMany` brings: more would displace each other where local memory is small. */
const SET_TOGETHER = 256;

export function createHashMap<Key, KeyView, KeyMutable, Value, View, Mutable>(
  memory: Memory,
  options: MapOptions<Key, KeyView, KeyMutable, Value, View, Mutable>,
): FarMap<Key, Value, View, Mutable> {
  const { objects, heap } = memory;
  const { generations } = heap.table;
  const { views } = heap.arena;
  const group = memory.newGroup();
  const key = createCodec(options.key);
  const value = createCodec(options.value);
  const entry = createEntryView(views);
  const viewer = options.value.createViewer(views, memory.guard);
  const isVariable = options.value.exact !== undefined;
  const index = createHashIndex(options.initial ?? 0);
  const largest = entryBytes(key.maxBytes, value.maxBytes);
  if (largest > heap.arena.maxObjectBytes)
    throw new FarUsageError(
      `entries of up to ${largest} bytes do not fit a segment (${heap.arena.maxObjectBytes} bytes); shorten keys or values`,
    );
  const prefetch = createStructurePrefetch(
    memory,
    group,
    largest,
    () => 0,
    () => 0 as Handle,
  );
  const missing = createMissing(memory);
  const { until } = missing;
  let isDropped = false;
  /** Set by `find`: where the entry is. */
  let found: Location = MISS;
  const together = createKeyBatch(heap, objects, key, entry, index);
  /** The prepared key. */
  let keyBytes = 0;
  let hash = 0;

  function requireAlive(): void {
    if (isDropped) throw new FarUsageError(`the map${options.name ? ` "${options.name}"` : ''} was dropped`);
  }

  function prepare(wantedKey: Key): void {
    requireAlive();
    keyBytes = key.encode(wantedKey);
    hash = murmur3(key.words, 0, keyBytes, HASH_SEED);
  }

  /** The slot of the prepared key, NONE, or PENDING with `wanted` set. */
  function find(attempt: (handle: Handle) => Location): Position | Pending {
    for (let position = index.first(hash); position !== NONE; position = index.next(position, hash)) {
      const handle = index.handleAt(position);
      const location = attempt(handle);
      if (location === MISS) return missing.note(handle);
      found = location;
      if (entry.hasKey(location * 4, key.words, 0, keyBytes)) return position;
    }
    return NONE;
  }

  /** Looks many keys up together; `onPending` hears of each that an object has to come for. */
  function lookUp(keys: readonly Key[], onPending: (at: number, handle: Handle) => void): (Value | undefined)[] {
    requireAlive();
    const { locations, handles } = together;
    const values = new Array<Value | undefined>(keys.length);
    for (let from = 0; from < keys.length; from += BATCH_KEYS) {
      const to = Math.min(from + BATCH_KEYS, keys.length);
      together.find(keys, from, to);
      for (let at = from; at < to; at++) {
        const location = locations[at - from]!;
        if (location === MISS) onPending(at, handles[at - from] as Handle);
        values[at] = location === MISS || location === NOT_THERE ? undefined : valueAt(location as Location);
      }
    }
    return values;
  }

  /** Brings the entries of these keys that are away. Who fails is asked again by the call that needs it, which reports why. */
  async function bringFor(keys: readonly Key[]): Promise<void> {
    const wanted: Handle[] = [];
    lookUp(keys, (_, handle) => wanted.push(handle));
    await Promise.allSettled(wanted.map((handle) => objects.get(handle)));
  }

  function viewFound(): View {
    if (isVariable) return valueAt(found) as Value & View;
    return viewer.move(found, entry.valueOffset(found * 4));
  }

  function valueAt(location: Location): Value {
    const offset = location * 4;
    return value.decode(views, entry.valueOffset(offset), entry.valueBytes(offset));
  }

  function copyOf(wantedKey: Key): Value | undefined | Pending {
    prepare(wantedKey);
    const position = find(objects.tryGet);
    if (position === PENDING) return PENDING;
    return position === NONE ? undefined : valueAt(found);
  }

  function tryGet(wantedKey: Key): View | undefined | Pending {
    prepare(wantedKey);
    const position = find(objects.tryGet);
    if (position === PENDING) return PENDING;
    return position === NONE ? undefined : viewFound();
  }

  function tryMut(wantedKey: Key): Mutable | undefined | Pending {
    prepare(wantedKey);
    const position = find(objects.tryMut);
    if (position === PENDING) return PENDING;
    return position === NONE ? undefined : viewer.mutable(found, entry.valueOffset(found * 4));
  }

  /** Writes the prepared key and value into an object; false when it has no place in local memory. */
  function fill(handle: Handle, valueBytes: number): boolean {
    const location = objects.tryMut(handle);
    if (location === MISS) return false;
    entry.write(location * 4, key, keyBytes, value, valueBytes);
    return true;
  }

  function overwrite(position: Position, valueBytes: number): boolean {
    const handle = index.handleAt(position);
    if (entry.valueBytes(found * 4) === valueBytes) return fill(handle, valueBytes);
    const replacement = objects.create(group, entryBytes(keyBytes, valueBytes));
    if (!fill(replacement, valueBytes)) {
      objects.free(replacement);
      return false;
    }
    index.replace(position, replacement);
    objects.free(handle);
    return true;
  }

  /** True when set, false when there is no room, PENDING when an entry has to come first. */
  function attemptSet(wantedKey: Key, newValue: Value): boolean | Pending {
    prepare(wantedKey);
    const position = find(objects.tryGet);
    if (position === PENDING) return PENDING;
    const valueBytes = value.encode(newValue);
    if (position !== NONE) return overwrite(position, valueBytes);
    const handle = objects.create(group, entryBytes(keyBytes, valueBytes));
    if (!fill(handle, valueBytes)) {
      objects.free(handle);
      return false;
    }
    index.insert(hash, handle);
    return true;
  }

  function attemptDelete(wantedKey: Key): boolean | Pending {
    prepare(wantedKey);
    const position = find(objects.tryGet);
    if (position === PENDING) return PENDING;
    if (position === NONE) return false;
    const handle = index.handleAt(position);
    index.remove(position);
    objects.free(handle);
    return true;
  }

  /** MISS when the entry was deleted meanwhile. */
  async function present(handle: Handle, life: number): Promise<Location> {
    const location = objects.tryGet(handle);
    if (location !== MISS) return location;
    try {
      return await objects.get(handle);
    } catch (error) {
      if (generations[handle] !== life) return MISS;
      throw error;
    }
  }

  /** A snapshot of the handles, so that entries may come and go meanwhile. */
  async function* locations(): AsyncGenerator<Location, void, undefined> {
    requireAlive();
    const handles = index.handles();
    const lives = Uint32Array.from(handles, (handle) => generations[handle]!);
    let next = 0;
    for (let at = 0; at < handles.length; at++) {
      next = Math.max(next, at + 1);
      for (const limit = Math.min(handles.length, at + prefetch.window.objects()); next < limit; next++)
        if (lives[next] === generations[handles[next]!] && !objects.prefetch(handles[next]! as Handle)) break;
      const handle = handles[at]! as Handle;
      if (generations[handle] !== lives[at]) continue;
      const location = await present(handle, lives[at]!);
      if (location !== MISS) yield location;
    }
  }

  function entryAt(location: Location): [Key, Value] {
    const offset = location * 4;
    return [key.decode(views, entry.keyOffset(offset), entry.keyBytes(offset)), valueAt(location)];
  }

  async function* entries(): AsyncGenerator<[Key, Value], void, undefined> {
    for await (const location of locations()) yield entryAt(location);
  }

  const map: FarMap<Key, Value, View, Mutable> = {
    get size() {
      return index.size;
    },
    get indexBytes() {
      return index.bytes();
    },
    tryGet,
    async get(wantedKey) {
      const step = () => {
        prepare(wantedKey);
        const position = find(objects.tryGet);
        if (position === PENDING) return PENDING;
        if (position === NONE) return undefined;
        return isVariable ? (valueAt(found) as Value & View) : viewer.view(found, entry.valueOffset(found * 4));
      };
      return until(step);
    },
    getSync(wantedKey) {
      prepare(wantedKey);
      return find(objects.getSync) === NONE ? undefined : viewFound();
    },
    tryGetMany(keys) {
      let isPending = false;
      const values = lookUp(keys, () => {
        isPending = true;
      });
      return isPending ? PENDING : values;
    },
    async getMany(keys) {
      const pending: number[] = [];
      const values = lookUp(keys, (at) => pending.push(at));
      await Promise.all(
        pending.map(async (at) => {
          values[at] = await until(() => copyOf(keys[at]!));
        }),
      );
      return values;
    },
    tryMut,
    mut: (wantedKey) => until(() => tryMut(wantedKey)),
    tryHas(wantedKey) {
      prepare(wantedKey);
      const position = find(objects.tryGet);
      return position === PENDING ? PENDING : position !== NONE;
    },
    has: (wantedKey) => until(() => map.tryHas(wantedKey)),
    trySet: (wantedKey, newValue) => attemptSet(wantedKey, newValue) === true,
    async set(wantedKey, newValue) {
      while (!(await until(() => attemptSet(wantedKey, newValue)))) await memory.space.wait();
    },
    async setMany(pairs) {
      for (let from = 0; from < pairs.length; from += SET_TOGETHER) {
        const some = pairs.slice(from, from + SET_TOGETHER);
        await bringFor(some.map(([wantedKey]) => wantedKey));
        for (const [wantedKey, newValue] of some)
          if (attemptSet(wantedKey, newValue) !== true) await map.set(wantedKey, newValue);
      }
    },
    delete: async (wantedKey) => until(() => attemptDelete(wantedKey)),
    entries,
    async *keys() {
      for await (const [entryKey] of entries()) yield entryKey;
    },
    async *values() {
      for await (const [, entryValue] of entries()) yield entryValue;
    },
    async drop() {
      requireAlive();
      isDropped = true;
      prefetch.end();
      watch.dropped();
      const handles = index.handles();
      await inTurns(handles.length, (at) => objects.free(handles[at]! as Handle));
      await heap.store.dropGroup(group);
    },
  };
  const watch = memory.watch(map, options.name ?? `a map of ${options.key.signature} to ${options.value.signature}`);
  return map;
}
