import type { ClusterOptions } from './cluster/store.ts';
import { FarUsageError } from './errors.ts';
import type { CopierChoice } from './evacuator/copier.ts';
import { type EvacuationPolicyName, evacuationPolicies } from './evacuator/policies.ts';
import { defaultThresholds, type Thresholds } from './evacuator/thresholds.ts';
import { HANDLE_LIMIT } from './handles/handle-table.ts';
import { STRIDE_THRESHOLD } from './prefetch/stride.ts';
import type { PrefetchWindowChoice } from './prefetch/window.ts';
import type { RemoteStore } from './remote-store.ts';

/** `agents` and what belongs to them (replicas, sync, secret, integrity, time-outs) name agents for the far side; see ClusterOptions. */
export interface FarMemoryOptions extends Partial<ClusterOptions> {
  /** Local memory for objects, in bytes; whole segments, at least 8 of them and at most 4 GiB. Metadata come on top: 16 bytes per object. */
  readonly localBytes: number;
  /** Where objects go that do not fit, instead of `agents`. In this process (`createLocalStore()`) when both are left out. */
  readonly store?: RemoteStore;
  /** Unit of local memory: a power of two from 4 KiB to 64 MiB, 1 MiB when left out. No object is larger. */
  readonly segmentBytes?: number;
  /** Most objects at a time, at most 2^28. Only what is used takes memory. */
  readonly maxHandles?: number;
  readonly thresholds?: Partial<Thresholds>;
  readonly evacuation?: {
    readonly policy?: EvacuationPolicyName;
    /** How long evacuation may hold the event loop at a time, in ms. */
    readonly tickBudgetMs?: number;
    /** Who copies survivors; `auto` is the worker from 256 KiB on. */
    readonly copier?: CopierChoice;
  };
  readonly prefetch?: {
    /** Equal strides before a pattern is believed. */
    readonly threshold?: number;
    /** `adaptive`, or bytes ahead of the program. */
    readonly window?: PrefetchWindowChoice;
  };
  /** What an access does that finds local memory full: wait (for at most `fullTimeoutMs` without progress), or throw at once. */
  readonly onFull?: 'wait' | 'throw';
  readonly fullTimeoutMs?: number;
  /** Count hits on the fast path too, at a quarter of its speed. Off when left out: then only the first two touches count. */
  readonly countHits?: boolean;
  /** Poisons freed and moved bytes and checks every cursor access. Slow; for tests. */
  readonly debug?: boolean;
}

export interface ResolvedOptions {
  readonly segmentBytes: number;
  readonly segments: number;
  readonly maxHandles: number;
  readonly thresholds: Thresholds;
  readonly policy: EvacuationPolicyName;
  readonly tickBudgetMs: number;
  readonly copier: CopierChoice;
  readonly prefetchThreshold: number;
  readonly prefetchWindow: PrefetchWindowChoice;
  readonly onFull: 'wait' | 'throw';
  readonly fullTimeoutMs: number;
  readonly countHits: boolean;
  readonly debug: boolean;
}

const MIB: number = 2 ** 20;
const SMALLEST_SEGMENT_BYTES = 4096;
const LARGEST_SEGMENT_BYTES: number = 64 * MIB;
const FEWEST_SEGMENTS = 8;
/** A place is 28 bits of 16-byte units. */
const LARGEST_LOCAL_BYTES: number = 4096 * MIB;
const DEFAULT_MAX_HANDLES: number = 2 ** 26;
const DEFAULT_TICK_BUDGET_MS = 2;
/** As long as a request to an agent may take (A2.5). */
const DEFAULT_FULL_TIMEOUT_MS = 2000;

function requireIn(name: string, value: number, smallest: number, largest: number): number {
  if (!(value >= smallest && value <= largest))
    throw new FarUsageError(`${name} is ${value}; expected a number from ${smallest} to ${largest}`);
  return value;
}

function resolveThresholds(partial: Partial<Thresholds> = {}): Thresholds {
  const thresholds = { ...defaultThresholds, ...partial };
  const { empty, low, high } = thresholds;
  if (!(empty >= 0 && empty < low && low < high && high < 1))
    throw new FarUsageError(
      `thresholds are empty ${empty}, low ${low}, high ${high}; expected 0 <= empty < low < high < 1`,
    );
  return thresholds;
}

/** @throws FarUsageError that names the option, what it is and what it may be. */
export function resolveOptions(options: FarMemoryOptions): ResolvedOptions {
  const segmentBytes = requireIn(
    'segmentBytes',
    options.segmentBytes ?? MIB,
    SMALLEST_SEGMENT_BYTES,
    LARGEST_SEGMENT_BYTES,
  );
  if (!Number.isInteger(Math.log2(segmentBytes)))
    throw new FarUsageError(`segmentBytes is ${segmentBytes}; expected a power of two`);
  const localBytes = requireIn('localBytes', options.localBytes, FEWEST_SEGMENTS * segmentBytes, LARGEST_LOCAL_BYTES);
  const policy = options.evacuation?.policy ?? 'two-queue';
  if (!(policy in evacuationPolicies))
    throw new FarUsageError(
      `evacuation.policy is "${policy}"; expected one of ${Object.keys(evacuationPolicies).join(', ')}`,
    );
  return {
    segmentBytes,
    segments: Math.floor(localBytes / segmentBytes),
    maxHandles: requireIn('maxHandles', options.maxHandles ?? DEFAULT_MAX_HANDLES, 1, HANDLE_LIMIT),
    thresholds: resolveThresholds(options.thresholds),
    policy,
    tickBudgetMs: requireIn(
      'evacuation.tickBudgetMs',
      options.evacuation?.tickBudgetMs ?? DEFAULT_TICK_BUDGET_MS,
      0.1,
      1000,
    ),
    copier: options.evacuation?.copier ?? 'auto',
    prefetchThreshold: requireIn('prefetch.threshold', options.prefetch?.threshold ?? STRIDE_THRESHOLD, 1, 2 ** 20),
    prefetchWindow: options.prefetch?.window ?? 'adaptive',
    onFull: options.onFull ?? 'wait',
    fullTimeoutMs: requireIn('fullTimeoutMs', options.fullTimeoutMs ?? DEFAULT_FULL_TIMEOUT_MS, 0, 2 ** 31 - 1),
    countHits: options.countHits ?? false,
    debug: options.debug ?? false,
  };
}
