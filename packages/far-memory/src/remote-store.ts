/**
 * Where objects are when they are not in local memory: the one boundary between the runtime (arena, handles, evacuator, structures) and
 * what holds the far side (agents over the wire, several of them, or a store in this process). Neither side knows the other's inside.
 *
 * Ids are chosen by the runtime: integers from 0 to 2^53 - 1, never reused while the object lives. A `group` names the objects that belong
 * together (one per structure): objects of one group can be operated on where they are. Ids of a group that agree modulo 2^32 live on the
 * same agents, so that a table whose ids are column x 2^32 + chunk is operated on without moving a row.
 */
export interface RemoteStore {
  /**
   * Reads one object into `into`, whose length is the object's exact size. The bytes may arrive in any order among concurrent reads; all
   * reads issued in one turn travel together. `into` may be a view of shared memory and must stay untouched until the promise settles.
   * Rejects with FarObjectLostError when no holder has the object, with FarAgentError when none answers in time.
   */
  read(group: number, id: number, into: Uint8Array, priority: ReadPriority): Promise<void>;

  /**
   * Reads one object while the caller waits, without giving the event loop a turn; absent where the store cannot (no foreign-function
   * interface and no worker). Throws what `read` rejects with.
   */
  readSync?(group: number, id: number, into: Uint8Array): void;

  /**
   * Writes one object; `bytes` may be reused as soon as the call returns. Resolves when every replica that the store promises holds it.
   * Writes of one id are applied in the order of the calls. Rejects with FarAgentError or FarQuotaError; the previous version stays valid.
   */
  write(group: number, id: number, bytes: Uint8Array): Promise<void>;

  /** Forgets objects; unknown ids are ignored. */
  free(group: number, ids: readonly number[]): void;

  /** Forgets every object of a group. */
  dropGroup(group: number): Promise<void>;

  /**
   * Runs a registered operator over objects of a group where they are, in the order of `ids`, and returns its output: one semantics with
   * the local implementation of the same operator. Rejects with FarOperatorError for an unknown name or version or bad arguments.
   */
  call(operator: string, version: number, group: number, ids: Float64Array, argument: Uint8Array): Promise<Uint8Array>;

  /** Resolves when everything written so far is held by the far side. */
  flush(): Promise<void>;

  /** What the store has seen so far. */
  stats(): RemoteStoreStats;

  /** What is where and how safely, counted now; absent where nothing can be lost but with this process. */
  health?(): HealthReport;

  /** Resolves when every object has the replicas that it can have; absent where there are none. */
  repaired?(): Promise<void>;

  /** Ends all connections; further calls reject. */
  close(): Promise<void>;
}

/** Demand reads overtake prefetches, which overtake write-backs. */
export type ReadPriority = 'demand' | 'prefetch';

/** Counters of a store, all from zero at its opening. */
export interface RemoteStoreStats {
  /** Objects read and their bytes, object data only. */
  readonly reads: number;
  readonly bytesIn: number;
  /** Objects written and their bytes, each replica counted once. */
  readonly writes: number;
  readonly bytesOut: number;
  readonly agents: readonly AgentStats[];
}

/** One agent as its client sees it. */
export interface AgentStats {
  readonly address: string;
  readonly state: 'connected' | 'connecting' | 'dead';
  readonly objects: number;
  readonly bytes: number;
  readonly inFlight: number;
  /** Objects whose only holder this agent was when it died. */
  readonly lost: number;
}

/** What the store holds and how safely, counted by going through all objects. */
export interface HealthReport {
  readonly objects: number;
  readonly replicas: number;
  /** Objects with at least one holder that can be reached, but fewer than `replicas`. */
  readonly underReplicated: number;
  /** Objects whose holders are all out of reach for now. */
  readonly unreachable: number;
  /** Objects whose holders are all dead, or have forgotten them. */
  readonly lost: number;
  readonly isRepairing: boolean;
  readonly agents: readonly AgentHealth[];
}

export interface AgentHealth {
  readonly address: string;
  readonly state: 'connected' | 'connecting' | 'dead';
  /** Whether its last requests went unanswered. */
  readonly isSuspect: boolean;
  readonly objects: number;
  readonly bytes: number;
  readonly lost: number;
  /** Answers that were not what was asked for: wrong id, length, version or checksum. */
  readonly wrongAnswers: number;
  readonly lastError: string | undefined;
}
