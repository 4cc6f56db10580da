import { createArena } from './arena/arena.ts';
import type { Views } from './arena/views.ts';
import { FarMemoryError, FarMemoryFullError, FarUsageError } from './errors.ts';
import { createCopier } from './evacuator/copier.ts';
import { createEvacuator, type Evacuator } from './evacuator/evacuator.ts';
import { evacuationPolicies } from './evacuator/policies.ts';
import { reserveSegments } from './evacuator/thresholds.ts';
import { createHandleTable } from './handles/handle-table.ts';
import type { Group, Handle, Location } from './handles/words.ts';
import { createLocalStore } from './local-store/local-store.ts';
import { createCounters } from './objects/counters.ts';
import { createFlush } from './objects/flush.ts';
import type { Heap } from './objects/heap.ts';
import { createObjects, type ReadOptions } from './objects/objects.ts';
import { createWriteBacks } from './objects/write-back.ts';
import { type FarMemoryOptions, resolveOptions } from './options.ts';
import { createLink } from './prefetch/link.ts';
import type { HealthReport, RemoteStore } from './remote-store.ts';
import { createGuard } from './scope/guard.ts';
import { createPinned, type Pinned } from './scope/pinned.ts';
import { createScopes, type Scope } from './scope/scope.ts';
import { collectStats, type FarMemoryStats } from './statistics.ts';
import { createStructures, type Structures } from './structures/index.ts';
import { createLeakReporter, type Leak } from './structures/leaks.ts';
import type { Memory } from './structures/memory.ts';

/**
 * Memory larger than the machine gives: objects live in off-heap local memory while they are used and on the far side when they are not.
 * One owner thread reads and writes; a location or cursor is valid until the next await, or for as long as a scope pins it.
 */
export interface FarMemory extends Structures {
  /** Local memory as typed arrays; a location is an index into `views.u32`. */
  readonly views: Views;
  /** A new object of `bytes` zeros. @throws FarUsageError when it does not fit a segment. */
  alloc(bytes: number): Handle;
  /** Where the object is, to read it in this turn, or MISS (-1). Never waits, never allocates. */
  tryGet(handle: Handle): Location;
  /** The same to write it in this turn. */
  tryMut(handle: Handle): Location;
  /**
   * Brings the object if it is away. `tryGet(h)` first, `await get(h)` on a miss: awaiting a hit costs 90 ns. With `nt` the bytes are for
   * this turn only and displace nothing. Rejects with FarObjectLostError, FarAgentError or FarMemoryFullError.
   */
  get(handle: Handle, options?: ReadOptions): Promise<Location>;
  mut(handle: Handle): Promise<Location>;
  /** Blocks the thread on a miss. @throws FarUsageError when the store has no synchronous reads. */
  getSync(handle: Handle): Location;
  mutSync(handle: Handle): Location;
  /** Starts to fetch; what does not fit now is left out. */
  willNeed(handles: Iterable<Handle>): void;
  /** @throws FarUsageError when the handle names no object. */
  free(handle: Handle): void;
  /** A scope to end with `close()` or `using`. */
  open(): Scope;
  /** Runs `work` in a scope that ends with it, also when it is asynchronous. */
  scope<Result>(work: (scope: Scope) => Result): Result;
  /** Brings and pins objects, and hands their bytes out until `work` has ended. */
  pinned: Pinned;
  /** Ends the implicit scope of a synchronous turn: frees segments now. Every location obtained before is void. Returns how many. */
  reclaimSync(): number;
  /** Resolves when the far side holds everything written so far: in its memory, not on disk. */
  flush(): Promise<void>;
  stats(): FarMemoryStats;
  /** What the agents hold, and what is lost or has too few replicas, counted now; undefined without agents. */
  health(): HealthReport | undefined;
  /** Resolves when every object on agents has the replicas that it can have. */
  repaired(): Promise<void>;
  /** Structures that were collected without `drop()`. */
  leaks(): readonly Leak[];
  /** Ends the runtime and its store. Objects are gone; what is under way rejects with a FarMemoryError. Resolves when all has ended. */
  close(): Promise<void>;
}

/** Objects of no structure. */
const RAW_GROUP = 0 as Group;

export const FarMemory: { open(options: FarMemoryOptions): Promise<FarMemory> } = {
  /** @throws FarUsageError for options out of range, FarAgentError when no agent can be reached. */
  async open(options) {
    // Before a connection is opened for nothing.
    resolveOptions(options);
    const store = await storeOf(options);
    try {
      return openWith(options, store);
    } catch (error) {
      if (store !== options.store) await store.close();
      throw error;
    }
  },
};

async function storeOf(options: FarMemoryOptions): Promise<RemoteStore> {
  const { agents, store } = options;
  if (agents === undefined) return store ?? createLocalStore(options.operators && { operators: options.operators });
  if (store !== undefined) throw new FarUsageError('both agents and a store are given; give one of them');
  // Loaded only where it is used: most of it is sockets.
  const { connectAgents } = await import('./cluster/store.ts');
  return connectAgents({ ...options, agents });
}

/** Address space, not memory: but a limit on it can be in the way. */
function reserve<Reserved>(make: () => Reserved): Reserved {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const message =
      'the address space for localBytes and maxHandles (16 bytes each) was refused; lower them, or raise the limit (ulimit -v)';
    throw new FarMemoryFullError(message, { cause: error });
  }
}

function openWith(options: FarMemoryOptions, store: RemoteStore): FarMemory {
  const resolved = resolveOptions(options);
  const { segmentBytes, segments, debug, thresholds } = resolved;
  let evacuator: Evacuator | undefined;
  const heap: Heap = {
    ...reserve(() => ({
      arena: createArena({ segmentBytes, segments, poison: debug, onFree: () => evacuator?.onFree() }),
      table: createHandleTable(resolved.maxHandles),
    })),
    store,
    link: createLink(),
    counters: createCounters(),
    reserveSegments: reserveSegments(segments, thresholds),
    debug,
    countHits: resolved.countHits,
    fetches: new Map(),
    fetching: { bytes: 0 },
    writes: new Map(),
    prefetchFeedback: new Map(),
  };
  const writeBacks = createWriteBacks(heap);
  const copier = createCopier(heap.arena.views, resolved.copier);
  const { onFull, fullTimeoutMs, tickBudgetMs } = resolved;
  const space = createEvacuator(heap, writeBacks, {
    thresholds,
    policy: evacuationPolicies[resolved.policy],
    tickBudgetMs,
    onFull,
    fullTimeoutMs,
    copier,
  });
  evacuator = space;
  const objects = createObjects(heap, space);
  const scopes = createScopes(heap, objects);
  const flush = createFlush(heap, objects, writeBacks);
  const leaks = createLeakReporter(({ name }) => {
    if (debug) process.emitWarning(`${name} was collected without drop(): its objects stay`, { code: 'FAR_LEAK' });
  });
  let groups = RAW_GROUP as number;
  let closed: Promise<void> | undefined;
  const memory: Memory = {
    heap,
    objects,
    flush,
    scopes,
    space,
    guard: debug ? createGuard(heap) : undefined,
    options: resolved,
    newGroup: () => ++groups as Group,
    watch: leaks.watch,
  };

  function requireOpen(): void {
    if (closed !== undefined) throw new FarMemoryError('FAR_CLOSED', 'the far memory was closed');
  }

  async function close(): Promise<void> {
    leaks.end();
    space.close();
    await copier.close();
    await heap.store.close();
  }

  return {
    ...createStructures(memory),
    views: heap.arena.views,
    alloc(bytes) {
      requireOpen();
      return objects.create(RAW_GROUP, bytes);
    },
    tryGet: objects.tryGet,
    tryMut: objects.tryMut,
    get: objects.get,
    mut: objects.mut,
    getSync: objects.getSync,
    mutSync: objects.mutSync,
    willNeed(handles) {
      for (const handle of handles) if (!objects.prefetch(handle)) return;
    },
    free: objects.free,
    open: scopes.open,
    scope: scopes.scope,
    pinned: createPinned(heap, scopes),
    reclaimSync: space.reclaimSync,
    flush: flush.all,
    stats: () => collectStats(heap),
    health: () => heap.store.health?.(),
    repaired: async () => heap.store.repaired?.(),
    leaks: leaks.found,
    close() {
      closed ??= close();
      return closed;
    },
  };
}
