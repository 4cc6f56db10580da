import type { FarMemoryError } from '../errors.ts';
import type { ReadPriority } from '../remote-store.ts';

/** How a read of one object at one agent ended. */
export type ReadOutcome =
  | { readonly kind: 'read'; readonly version: number }
  /** The agent does not have it, or cannot read it any more. */
  | { readonly kind: 'absent' }
  /** The agent answered with something else than what was asked for. */
  | { readonly kind: 'wrong'; readonly what: string }
  | { readonly kind: 'failed'; readonly error: FarMemoryError };

export interface ReadRequest {
  readonly group: number;
  readonly id: number;
  /** Filled from its start; not touched after `settle`. */
  readonly into: Uint8Array;
  readonly priority: ReadPriority;
  settle(outcome: ReadOutcome): void;
}

/** A version of an object on its way to an agent. */
export interface WriteRequest {
  readonly group: number;
  readonly id: number;
  readonly version: number;
  /** Not changed until settled. */
  readonly bytes: Uint8Array;
  settle(error: FarMemoryError | undefined): void;
}

export interface FreeRequest {
  readonly group: number;
  readonly id: number;
  readonly version: number;
}

/** A request that waits in a queue or for its answer. */
export interface Waiting<Request> {
  readonly request: Request;
  /** On the clock of the link (patient-clock.ts), ms. */
  readonly deadline: number;
  /** Connections that ended while it was in flight. */
  interruptions: number;
  settled: boolean;
  /** The last frame whose answer named it: none names it twice. */
  answeredIn: object | undefined;
}
