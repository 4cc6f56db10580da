import { FarAgentError, FarObjectLostError } from '../errors.ts';
import type { RemoteStore } from '../remote-store.ts';

/** What goes wrong, each a share of operations from 0 to 1. */
export interface UnreliableStoreOptions {
  readonly seed: number;
  /** Longest delay of an answer in ms; each answer is delayed by a random share of it, so that answers overtake each other. */
  readonly delayMs?: number;
  readonly readFailures?: number;
  readonly writeFailures?: number;
}

export interface UnreliableStore extends RemoteStore {
  /** Makes an object lost: reads of it reject with FarObjectLostError until it is written again. */
  kill(group: number, id: number): void;
  /** Changes what goes wrong from now on. */
  set(options: Partial<UnreliableStoreOptions>): void;
}

/**
 * A store for tests of programs: late, out of order, failing and forgetful, but never lying. Bytes of a read appear at a random moment
 * before it settles; writes take the bytes at the call, as the contract says, and are applied in the order of the calls.
 */
export function createUnreliableStore(store: RemoteStore, options: UnreliableStoreOptions): UnreliableStore {
  let current: UnreliableStoreOptions = options;
  const killed = new Set<string>();
  let state = options.seed >>> 0 || 1;
  /** Per object: the end of its latest write, so that its writes keep their order. */
  const writes = new Map<string, Promise<unknown>>();

  function random(): number {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  }

  async function pause(): Promise<void> {
    const delayMs = random() * (current.delayMs ?? 0);
    if (delayMs >= 1) await new Promise((resolve) => setTimeout(resolve, delayMs));
    else if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
  }

  function failure(what: string): FarAgentError {
    return new FarAgentError(
      'FAR_AGENT_TIMEOUT',
      'unreliable',
      `the unreliable store failed this ${what}, as it was asked to`,
    );
  }

  function requireAlive(group: number, id: number): void {
    if (killed.has(`${group}/${id}`))
      throw new FarObjectLostError(id, 'unreliable', `object ${id} of group ${group} is lost`);
  }

  /** Does the work after the earlier writes of that object. */
  function inOrder(group: number, id: number, work: () => Promise<void>): Promise<void> {
    const key = `${group}/${id}`;
    const done = (writes.get(key) ?? Promise.resolve()).then(work);
    const settled: Promise<void> = done.then(
      () => forget(),
      () => forget(),
    );
    const forget = () => {
      if (writes.get(key) === settled) writes.delete(key);
    };
    writes.set(key, settled);
    return done;
  }

  return {
    ...store,
    async read(group, id, into, priority) {
      const fails = random() < (current.readFailures ?? 0);
      await pause();
      // What a connection that breaks in the middle leaves behind.
      if (fails) {
        into.fill(0xee, 0, Math.ceil(into.length / 2));
        throw failure('read');
      }
      requireAlive(group, id);
      await store.read(group, id, into, priority);
      await pause();
    },
    readSync(group, id, into) {
      requireAlive(group, id);
      if (random() < (current.readFailures ?? 0)) throw failure('read');
      store.readSync?.(group, id, into);
    },
    async write(group, id, bytes) {
      const fails = random() < (current.writeFailures ?? 0);
      const copy = bytes.slice();
      await inOrder(group, id, async () => {
        await pause();
        if (fails) throw failure('write');
        killed.delete(`${group}/${id}`);
        await store.write(group, id, copy);
      });
      await pause();
    },
    free(group, ids) {
      for (const id of ids) inOrder(group, id, async () => store.free(group, [id])).catch(() => undefined);
    },
    async dropGroup(group) {
      await Promise.all(writes.values());
      await store.dropGroup(group);
    },
    kill(group, id) {
      killed.add(`${group}/${id}`);
    },
    set(options) {
      current = { ...current, ...options };
    },
  };
}
