import { FarUsageError } from '../errors.ts';
import { type Handle, type Location, MISS } from '../handles/words.ts';
import type { Layout } from '../layout/layout.ts';
import { createCodec, createEntryView, entryBytes } from './entry.ts';
import { murmur3 } from './hash.ts';
import { createHashIndex, NONE, type Position } from './hash-index.ts';
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
  delete(key: Key): Promise<boolean>;
  /** Copies of every entry that is there from the first to the last step, each once, in no order; fetched ahead. */
  entries(): AsyncIterableIterator<[Key, Value]>;
  keys(): AsyncIterableIterator<Key>;
  values(): AsyncIterableIterator<Value>;
  drop(): Promise<void>;
}

const HASH_SEED = 0x5f61767a;
/** More reads than this a processor does not have under way. */
const BATCH_KEYS = 32;

/** Prepared keys and where the index has them. */
interface KeyBatch {
  readonly words: readonly Uint32Array[];
  readonly hashes: Uint32Array;
  readonly lengths: Uint32Array;
  readonly positions: Int32Array;
}

function createKeyBatch(wordsPerKey: number): KeyBatch {
  return {
    words: Array.from({ length: BATCH_KEYS }, () => new Uint32Array(wordsPerKey)),
    hashes: new Uint32Array(BATCH_KEYS),
    lengths: new Uint32Array(BATCH_KEYS),
    positions: new Int32Array(BATCH_KEYS),
  };
}

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
  let batch: KeyBatch | undefined;
  /** The prepared key. */
  let keyBytes = 0;
  let hash = 0;

  function requireAlive(): void {
    if (isDropped) throw new FarUsageError(`the map${options.name ? ` "${options.name}"` : ''} was dropped`);
  }

  function prepare(wantedKey: Key): void {
    requireAlive();
    keyBytes = key.encode(wantedKey);
    hash = murmur3(key.words, keyBytes, HASH_SEED);
  }

  /** The slot of the prepared key, NONE, or PENDING with `wanted` set. */
  function find(attempt: (handle: Handle) => Location): Position | Pending {
    return findFrom(index.first(hash), hash, key.words, keyBytes, attempt);
  }

  function findFrom(
    first: Position,
    wantedHash: number,
    words: Uint32Array,
    length: number,
    attempt: (handle: Handle) => Location,
  ): Position | Pending {
    for (let position = first; position !== NONE; position = index.next(position, wantedHash)) {
      const handle = index.handleAt(position);
      const location = attempt(handle);
      if (location === MISS) return missing.note(handle);
      found = location;
      if (entry.hasKey(location * 4, words, length)) return position;
    }
    return NONE;
  }

  /** Keys of `batch`, looked up together: appends their values; false when one is PENDING. */
  function lookUp(wantedKeys: readonly Key[], from: number, to: number, values: (Value | undefined)[]): boolean {
    batch ??= createKeyBatch(key.words.length);
    const { words, hashes, lengths, positions } = batch;
    for (let at = from; at < to; at++) {
      const slot = at - from;
      prepare(wantedKeys[at]!);
      const keyWords = words[slot]!;
      for (let word = 0; word < (keyBytes + 3) >>> 2; word++) keyWords[word] = key.words[word]!;
      hashes[slot] = hash;
      lengths[slot] = keyBytes;
    }
    // Nothing but the index is read here, so that the processor has many of its reads under way.
    for (let slot = 0; slot < to - from; slot++) positions[slot] = index.first(hashes[slot]!);
    for (let slot = 0; slot < to - from; slot++) {
      const first = positions[slot]! as Position;
      const position = findFrom(first, hashes[slot]!, words[slot]!, lengths[slot]!, objects.tryGet);
      if (position === PENDING) return false;
      values[from + slot] = position === NONE ? undefined : valueAt(found);
    }
    return true;
  }

  function viewFound(): View {
    if (isVariable) return valueAt(found) as Value & View;
    return viewer.move(found, entry.valueOffset(found * 4));
  }

  function valueAt(location: Location): Value {
    const offset = location * 4;
    return value.decode(views, entry.valueOffset(offset), entry.valueBytes(offset));
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
      requireAlive();
      const values = new Array<Value | undefined>(keys.length);
      for (let from = 0; from < keys.length; from += BATCH_KEYS)
        if (!lookUp(keys, from, Math.min(from + BATCH_KEYS, keys.length), values)) return PENDING;
      return values;
    },
    async getMany(keys) {
      const copy = (wantedKey: Key) => {
        prepare(wantedKey);
        const position = find(objects.tryGet);
        if (position === PENDING) return PENDING;
        return position === NONE ? undefined : valueAt(found);
      };
      return Promise.all(keys.map((wantedKey) => until(() => copy(wantedKey))));
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
