import { FarMemoryError, FarObjectLostError, FarOperatorError, FarQuotaError } from '../errors.ts';
import { builtIns } from '../operators/built-ins.ts';
import { type Operator, runOperator } from '../operators/operator.ts';
import { createOperatorTable } from '../operators/operator-table.ts';
import type { RemoteStore } from '../remote-store.ts';
import { createSlabs } from './slabs.ts';

export interface LocalStoreOptions {
  /** Most bytes of object data; unlimited when left out. */
  readonly quotaBytes?: number;
  /** Operators beside the built-in ones. */
  readonly operators?: readonly Operator[];
}

const ADDRESS = 'in-process';

interface StoredObject {
  block: number;
  length: number;
}

/**
 * The far side in this process: objects lie in slabs outside the JavaScript heap. For data that the heap cannot hold but the machine can,
 * and for programs that run with and without agents. Reads are answered in the same turn of the event loop, and synchronously.
 */
export function createLocalStore(options: LocalStoreOptions = {}): RemoteStore {
  const groups = new Map<number, Map<number, StoredObject>>();
  const slabs = createSlabs();
  const operators = createOperatorTable([...builtIns, ...(options.operators ?? [])]);
  const quotaBytes = options.quotaBytes ?? Number.POSITIVE_INFINITY;
  let isClosed = false;
  let bytes = 0;
  let objects = 0;
  const seen = { reads: 0, bytesIn: 0, writes: 0, bytesOut: 0 };

  function requireOpen(): void {
    if (isClosed) throw new FarMemoryError('FAR_CLOSED', 'the store was closed');
  }

  function find(group: number, id: number): StoredObject {
    requireOpen();
    const stored = groups.get(group)?.get(id);
    if (stored === undefined)
      throw new FarObjectLostError(id, ADDRESS, `object ${id} of group ${group} is not in this store`);
    return stored;
  }

  function read(group: number, id: number, into: Uint8Array): void {
    const { block, length } = find(group, id);
    if (length !== into.length)
      throw new FarMemoryError('FAR_USAGE', `object ${id} has ${length} bytes, ${into.length} were asked for`);
    into.set(slabs.view(block, length));
    seen.reads++;
    seen.bytesIn += length;
  }

  function groupOf(group: number): Map<number, StoredObject> {
    const known = groups.get(group);
    if (known) return known;
    const added = new Map<number, StoredObject>();
    groups.set(group, added);
    return added;
  }

  function write(group: number, id: number, data: Uint8Array): void {
    requireOpen();
    const members = groupOf(group);
    const stored = members.get(id);
    const grownBytes = data.length - (stored?.length ?? 0);
    if (bytes + grownBytes > quotaBytes)
      throw new FarQuotaError(
        `the store holds ${bytes} bytes of at most ${quotaBytes}; raise quotaBytes, or free objects`,
      );
    if (stored === undefined) {
      const block = slabs.allocate(data.length);
      members.set(id, { block, length: data.length });
      slabs.view(block, data.length).set(data);
      objects++;
    } else {
      if (stored.length !== data.length) {
        slabs.release(stored.block, stored.length);
        stored.block = slabs.allocate(data.length);
        stored.length = data.length;
      }
      slabs.view(stored.block, data.length).set(data);
    }
    bytes += grownBytes;
    seen.writes++;
    seen.bytesOut += data.length;
  }

  function forget(members: Map<number, StoredObject>, id: number): void {
    const stored = members.get(id);
    if (stored === undefined) return;
    members.delete(id);
    slabs.release(stored.block, stored.length);
    bytes -= stored.length;
    objects--;
  }

  async function call(name: string, version: number, group: number, ids: Float64Array, argument: Uint8Array) {
    const operator = operators.get(name, version);
    const inputs = Array.from(ids, (id) => {
      const { block, length } = find(group, id);
      return slabs.view(block, length);
    });
    try {
      return runOperator(operator, argument, inputs);
    } catch (cause) {
      if (cause instanceof FarMemoryError) throw cause;
      throw new FarOperatorError(`operator ${name} failed: ${cause instanceof Error ? cause.message : cause}`);
    }
  }

  return {
    async read(group, id, into) {
      read(group, id, into);
    },
    readSync: read,
    async write(group, id, data) {
      write(group, id, data);
    },
    free(group, ids) {
      const members = groups.get(group);
      if (members) for (const id of ids) forget(members, id);
    },
    async dropGroup(group) {
      const members = groups.get(group);
      if (members === undefined) return;
      for (const id of members.keys()) forget(members, id);
      groups.delete(group);
    },
    call,
    async flush() {},
    stats: () => ({
      ...seen,
      agents: [{ address: ADDRESS, state: isClosed ? 'dead' : 'connected', objects, bytes, inFlight: 0, lost: 0 }],
    }),
    async close() {
      isClosed = true;
      groups.clear();
    },
  };
}
