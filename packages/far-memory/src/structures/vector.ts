import { FarUsageError } from '../errors.ts';
import { type Group, type Location, MISS } from '../handles/words.ts';
import type { Layout } from '../layout/layout.ts';
import type { Values } from '../operators/elements.ts';
import { type Packed, pack, unpack } from '../operators/pack.ts';
import type { Relation } from '../operators/relation.ts';
import { createHandleList } from './handle-list.ts';
import { inTurns, type Memory } from './memory.ts';
import { createRows, type Rows } from './rows.ts';

export interface VectorOptions {
  /** Bytes of one object, at most; a power of two of rows fits in it, at least one. 4096 when left out, as AIFM's. */
  readonly chunkBytes?: number;
  /** For reports. */
  readonly name?: string;
}

/** Set by structures of several vectors. */
export interface InternalVectorOptions extends VectorOptions {
  /** The group of the others: operators take objects of one group. */
  readonly group?: Group;
}

/** Values in chunks, growing at the end: a column of scalars or a table of structs. */
export interface FarVector<Value, View, Mutable> extends Rows<Value, View, Mutable> {
  /** Objects of the far side belong to this group. */
  readonly group: Group;
  readonly rowsPerChunk: number;
  /** Ids of its objects on the far side, chunk by chunk. */
  remoteIds(): Float64Array;
  /** False when there is no room for it in this turn. */
  tryPush(value: Value): boolean;
  /** Appends values; typed arrays of a scalar vector's own element type are copied as bytes. */
  push(values: Iterable<Value>): Promise<void>;
  pop(): Promise<Value | undefined>;
  /** New rows are zeros. */
  resize(length: number): Promise<void>;
  /** Resolves when the far side holds all rows. */
  flush(): Promise<void>;
  /**
   * Runs an operator of the far side over the chunks, each `rowsPerChunk` rows of raw little-endian values, the last padded with zeros:
   * the argument has to say how many rows count. Rejects with FarOperatorError or FarObjectLostError.
   */
  call(operator: string, version: number, argument: Uint8Array): Promise<Uint8Array>;
  /**
   * Runs a built-in operator where the rows are: `run('max', { column: 'distance' })`. Columns are the scalar fields of a struct, or `value`.
   * What the operator takes stands in API.md. Rejects with FarOperatorError or FarObjectLostError.
   */
  run(operator: string, parameters?: OperatorParameters, columns?: Readonly<Record<string, Values>>): Promise<Packed>;
  drop(): Promise<void>;
}

/** What an operator is told beside the rows, such as `column`, `where`, `aggregates`. */
export type OperatorParameters = Readonly<Record<string, unknown>>;

/** Version of the built-in operators. */
export const builtInVersion = 1;

const DEFAULT_CHUNK_BYTES = 4096;
/** How long `push` may hold the event loop at a time, in ms. */
const TURN_MS = 2;

export function createVector<Value, View, Mutable>(
  memory: Memory,
  layout: Layout<Value, View, Mutable>,
  { chunkBytes = DEFAULT_CHUNK_BYTES, name, group = memory.newGroup() }: InternalVectorOptions = {},
): FarVector<Value, View, Mutable> {
  const { objects, heap, flush } = memory;
  const { views } = heap.arena;
  const rowBytes = layout.byteLength;
  const shift = Math.max(0, Math.floor(Math.log2(Math.max(1, chunkBytes / rowBytes))));
  const rowsPerChunk = 2 ** shift;
  const handles = createHandleList();
  let length = 0;
  let isDropped = false;

  function requireAlive(): void {
    if (isDropped) throw new FarUsageError(`the vector${name ? ` "${name}"` : ''} was dropped`);
  }

  const { prefetch, ...rows } = createRows({
    memory,
    layout,
    group,
    shift,
    handleAt: handles.at,
    length: () => length,
    requireAlive,
  });

  function ensureChunk(): void {
    if (length >>> shift >= handles.length) handles.push(objects.create(group, rowBytes << shift));
  }

  function tryPush(value: Value): boolean {
    requireAlive();
    ensureChunk();
    const location = objects.tryMut(handles.at(length >>> shift));
    if (location === MISS) return false;
    layout.write(views, location * 4 + (length & (rowsPerChunk - 1)) * rowBytes, value);
    length++;
    return true;
  }

  async function pushBytes(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      ensureChunk();
      const handle = handles.at(length >>> shift);
      const location = objects.tryMut(handle);
      if (location === MISS) {
        await objects.mut(handle);
        continue;
      }
      const row = length & (rowsPerChunk - 1);
      const count = Math.min(rowsPerChunk - row, (bytes.length - done) / rowBytes);
      views.u8.set(bytes.subarray(done, done + count * rowBytes), location * 4 + row * rowBytes);
      length += count;
      done += count * rowBytes;
    }
  }

  async function pushValues(values: Iterable<Value>): Promise<void> {
    let turnStart = performance.now();
    for (const value of values) {
      while (!tryPush(value)) await objects.mut(handles.at(length >>> shift));
      if ((length & (rowsPerChunk - 1)) !== 0 || performance.now() - turnStart < TURN_MS) continue;
      await new Promise<void>((resolve) => setImmediate(resolve));
      turnStart = performance.now();
    }
  }

  function take(index: number, location: Location): Value {
    const offset = location * 4 + (index & (rowsPerChunk - 1)) * rowBytes;
    const value = layout.read(views, offset);
    views.u8.fill(0, offset, offset + rowBytes);
    length = index;
    if ((index & (rowsPerChunk - 1)) === 0) objects.free(handles.pop());
    return value;
  }

  async function shrink(to: number): Promise<void> {
    const kept = (to + rowsPerChunk - 1) >>> shift;
    length = to;
    while (handles.length > kept) objects.free(handles.pop());
    const row = to & (rowsPerChunk - 1);
    if (row === 0) return;
    // Growing again must find zeros.
    const location = await objects.mut(handles.at(to >>> shift));
    views.u8.fill(0, location * 4 + row * rowBytes, location * 4 + (rowBytes << shift));
  }

  const vector: FarVector<Value, View, Mutable> = {
    ...rows,
    get length() {
      return length;
    },
    group,
    rowsPerChunk,
    remoteIds: () => Float64Array.from(handles, heap.table.remoteId),
    tryPush,
    push(values) {
      requireAlive();
      const bytes = packedBytes(layout, values);
      return bytes ? pushBytes(bytes) : pushValues(values);
    },
    async pop() {
      requireAlive();
      for (;;) {
        if (length === 0) return undefined;
        const index = length - 1;
        const handle = handles.at(index >>> shift);
        const location = objects.tryMut(handle);
        if (location !== MISS) return take(index, location);
        await objects.mut(handle);
      }
    },
    async resize(to) {
      requireAlive();
      if (!Number.isInteger(to) || to < 0) throw new FarUsageError(`a vector cannot have ${to} rows`);
      if (to <= length) return shrink(to);
      const wanted = (to + rowsPerChunk - 1) >>> shift;
      await inTurns(wanted - handles.length, () => handles.push(objects.create(group, rowBytes << shift)));
      length = to;
    },
    flush() {
      requireAlive();
      return flush.some(handles);
    },
    async call(operator, version, argument) {
      requireAlive();
      await flush.some(handles);
      return heap.store.call(operator, version, group, vector.remoteIds(), argument);
    },
    async run(operator, parameters = {}, columns = {}) {
      const relation = relationOf(layout, length, rowsPerChunk);
      return unpack(await vector.call(operator, builtInVersion, pack({ ...parameters, relation }, columns)));
    },
    async drop() {
      requireAlive();
      isDropped = true;
      length = 0;
      prefetch.end();
      watch.dropped();
      await inTurns(handles.length, () => objects.free(handles.pop()));
      await heap.store.dropGroup(group);
    },
  };
  const watch = memory.watch(vector, name ?? `a vector of ${layout.signature}`);
  return vector;
}

function relationOf(
  { columns = {}, byteLength }: Pick<Layout<unknown>, 'columns' | 'byteLength'>,
  rows: number,
  rowsPerObject: number,
): Relation {
  const layouts = Object.entries(columns).map(([name, place]) => [name, { ...place, stride: byteLength }]);
  return { rows, rowsPerObject, columns: Object.fromEntries(layouts) };
}

/** The bytes of a typed array whose elements are the layout's own. */
function packedBytes(layout: { readonly signature: string }, values: unknown): Uint8Array | undefined {
  if (!ArrayBuffer.isView(values)) return undefined;
  if (elementNames.get(values.constructor.name) !== layout.signature) return undefined;
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

const elementNames = new Map([
  ['Uint8Array', 'u8'],
  ['Int8Array', 'i8'],
  ['Uint16Array', 'u16'],
  ['Int16Array', 'i16'],
  ['Uint32Array', 'u32'],
  ['Int32Array', 'i32'],
  ['BigUint64Array', 'u64'],
  ['BigInt64Array', 'i64'],
  ['Float32Array', 'f32'],
  ['Float64Array', 'f64'],
]);
