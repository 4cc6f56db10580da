import type { PageLevel } from '../../machine/address.ts';
import type { Spec, ValuesOf } from '../../machine/fields.ts';
import type { Named } from '../../machine/registry.ts';
import type { IoMachine } from '../correct/config.ts';
import type { Ring } from '../correct/rings.ts';

/** What a scheme's driver may do. Operations on a core take effect when the core gets to them, one after the other. */
export interface DriverOperations {
  readonly machine: IoMachine;
  /** Now, in nanoseconds. */
  readonly now: number;
  spend(core: number, nanoseconds: number): void;
  /** Before the pages of a range are entered: the lock that mapping takes, if it does. */
  beginMapping(core: number): void;
  map(core: number, domain: number, vpn: number, frame: number, level: PageLevel): void;
  unmap(core: number, domain: number, vpn: number): void;
  /** Submits a command to the invalidation queue and waits for it. @param leavesOnly cached upper tables stay (the invalidation hint) */
  invalidate(core: number, domain: number, vpn: number, pages: number, leavesOnly: boolean): void;
  invalidateDomain(core: number, domain: number): void;
  /** Gives the memory of pages back to the operating system: the window of vulnerability opens, if a device still reaches them. */
  release(core: number, domain: number, vpn: number, pages: number): void;
  giveFrames(core: number, domain: number, frame: number, count: number): void;
  freeAddress(core: number, domain: number, vpn: number, pages: number): void;
  /** The device may use the slot. */
  post(core: number, ring: number, slot: number): void;
  /** The slot wants a buffer: `prepare` is called for it when the core gets there. */
  wantBuffer(ring: Ring, slot: number): void;
  /** A range of the domain's I/O address space. */
  allocateAddress(core: number, domain: number, pages: number): number;
  /** Contiguous frames for a buffer, aligned. */
  takeFrames(domain: number, count: number): number;
  /** Calls the scheme's `timer` then, once. */
  wakeAt(time: number): void;
  /** Flat tables (rIOMMU): the entry of a ring's slot, valid or not. */
  setRingEntry(ring: Ring, slot: number, frame: number): void;
  invalidateRing(core: number, ring: Ring): void;
}

export interface SchemeInstance {
  /** Gives the slot a buffer and posts it. */
  prepare(ring: Ring, slot: number): void;
  /** The device is done with the slot's buffer. The slot wants a new one, now or later. */
  recycle(ring: Ring, slot: number): void;
  /** All that one interrupt's poll has found is recycled. */
  endOfBurst?(ring: Ring): void;
  timer?(): void;
}

/** What a scheme promises about memory that has gone back to the operating system. */
export type SchemePromise =
  /** Devices reach all memory at any time. */
  | { readonly kind: 'none' }
  /** Buffers never go back: devices reach the pool for ever, and nothing else. */
  | { readonly kind: 'pool' }
  /** Unreachable when it goes back. */
  | { readonly kind: 'strict' }
  /** Unreachable after a time. */
  | { readonly kind: 'window'; readonly what: string }
  /** What the driver of a recording promised: a page is reachable until the recording takes it away. */
  | { readonly kind: 'recorded' };

/**
 * How a driver protects memory from devices. Adding a scheme is one file and one line in `registry.ts`; that yields its parameters in
 * `--set scheme.NAME` and as sweep axes, their checks, lines in `--help`, rows in the documentation, JSON Schema, and its place in the
 * contract suite.
 */
export interface ProtectionScheme<S extends Spec = Spec> extends Named {
  readonly source: string;
  readonly spec: S;
  /** none: devices use physical addresses; tables: page walks; ring: a flat table per ring. */
  readonly translation: 'none' | 'tables' | 'ring';
  readonly promises: SchemePromise;
  /** Buffers of a trace stay at the addresses recorded, as pages of that level (0: as recorded); absent: they come from a ring. */
  readonly recordedLevel?: 0 | 2;
  /** What a recording says of mappings that change, and of commands, is done; else its first mappings stay. */
  readonly replays?: true;
  create(values: ValuesOf<S>, driver: DriverOperations): SchemeInstance;
}

/** Gives a scheme its types; the identity at run time. */
export function defineScheme<const S extends Spec>(scheme: ProtectionScheme<S>): ProtectionScheme<S> {
  return scheme;
}
