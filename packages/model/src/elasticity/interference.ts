import { StrataError } from '../machine/errors.ts';
import { type HostProfile, millisecondsOf, type Operation } from './costs.ts';
import { baselineGbPerSecond, measuredThreads, type Triple } from './interference-measured.ts';
import { resizeVm } from './resize.ts';
import type { Technique } from './techniques/technique.ts';

/**
 * What the model takes from measurements of the load itself. The per-operation costs come from idle resizes (`costs.ts`); these three are
 * what no idle resize shows. Each is fitted to one figure of the artifact, named here; all its other figures are predictions.
 */
export const fittedInterference = {
  /** Time that one flush of the EPT takes from each busy vCPU, in us: exit, and filling the TLB again. */
  flushLossUs: 2.108,
  /** Time that a flush takes longer for its sender when a vCPU must be interrupted, in us. */
  flushAnswerUs: 0.949,
  /** Wait for all vCPUs to drain their lists of pages, per unplugged 2 MiB, where they are busy, in us. */
  drainWaitUs: 387.2,
} as const;

/** The figures of the artifact that the three constants were fitted to: one each. */
export const fittedInterferenceTo = {
  flushLossUs: 'virtio-balloon, 1 thread: bandwidth 0.61 while shrinking',
  flushAnswerUs: 'virtio-balloon, 1 thread: slow for 25.5 s while shrinking',
  drainWaitUs: 'virtio-mem, 4 threads: slow for 4.7 s while shrinking',
} as const;

/** Two runnable threads on one vCPU get half each: Linux's fair scheduler, nothing fitted. */
const fairShare = 1 / 2;
/** A single busy thread is moved to a vCPU of its own; the artifact's threads are one per vCPU from 4 on. From 2 is assumed. */
const sharingFromThreads = 2;
/** vCPUs of the artifact's VM. */
const vcpus = 12;
/** HyperAlloc discards neighbours together: at least the frames of a tree. */
const framesPerMergedDiscard = 8;
/** Seconds with less than this share of the bandwidth count as slow (specification 4.3). */
const slowBelow = 0.93;
/** Length of the artifact's run of STREAM, over which the percentile is taken. */
const runSeconds = 140;

export interface InterferenceInput {
  readonly technique: Technique;
  readonly vfio: boolean;
  /** Busy threads of the guest, 1 to 12. */
  readonly threads: number;
  readonly fromGib: number;
  readonly toGib: number;
  readonly profile: HostProfile;
}

export interface InterferenceResult {
  readonly threads: number;
  readonly baselineGbPerSecond: number;
  readonly shrink: Phase;
  readonly grow: Phase;
  /** First percentile of the bandwidth in the artifact's run of 140 s, relative to the median. */
  readonly streamFirstPercentile: number;
  readonly ftqFirstPercentile: number;
  /** Bytes that the load did not move because of both resizes, in GB. */
  readonly lostGb: number;
}

export interface Phase {
  /** How long it takes beside the load. */
  readonly seconds: number;
  /** The same where it lowers the bandwidth below 93 %, else 0. */
  readonly slowSeconds: number;
  /** Bandwidth of a load whose threads wait for each other (STREAM), relative to no resizing. */
  readonly relativeBandwidth: number;
  /** Work of threads that do not (FTQ), relative to no resizing. */
  readonly relativeWork: number;
  /** Flushes of the EPT that the busy vCPUs meet. */
  readonly flushes: number;
}

const undisturbed: Phase = { seconds: 0, slowSeconds: 0, relativeBandwidth: 1, relativeWork: 1, flushes: 0 };

/**
 * What a load on so many threads loses while a VM shrinks and grows. The operations of the resize and their costs say how long somebody works;
 * who works says what the load loses. A guest's worker shares a vCPU with one of the threads, so it takes twice as long, and threads that wait for
 * each other run at half their speed; a thread of the host finds a core of its own. Each discard interrupts every busy vCPU.
 * @throws StrataError `elastic.threads`, and what `resizeVm` throws
 */
export function interferenceOf(input: InterferenceInput): InterferenceResult {
  const { technique, threads } = input;
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= vcpus))
    throw new StrataError({
      code: 'elastic.threads',
      what: `the VM has ${vcpus} vCPUs, one for each busy thread`,
      expected: `1 to ${vcpus}`,
      found: `${threads}`,
    });
  const baseline = atThreads(baselineGbPerSecond, threads);
  const { shrink, grow } = phasesOf(input);
  const lost = ({ seconds, relativeBandwidth }: Phase) => seconds * (1 - relativeBandwidth) * baseline;
  return {
    threads,
    baselineGbPerSecond: baseline,
    shrink,
    grow,
    streamFirstPercentile: firstPercentile(
      // A sample is an iteration, and slow ones are fewer in a second.
      [shrink, grow].map((phase) => ({
        weight: phase.seconds * phase.relativeBandwidth,
        value: phase.relativeBandwidth,
      })),
      runSeconds - lost(shrink) / baseline - lost(grow) / baseline,
    ),
    ftqFirstPercentile: firstPercentile(
      [shrink, grow].map(({ seconds, relativeWork }) => ({ weight: seconds, value: relativeWork })),
      runSeconds,
    ),
    lostGb: lost(shrink) + lost(grow),
  };

  function phasesOf({ fromGib, toGib, vfio, profile }: InterferenceInput) {
    // Without resizing nothing happens, which is what `static` is for.
    if (technique.drivenBy === 'nobody') return { shrink: undisturbed, grow: undisturbed };
    const { plan } = resizeVm({ technique, profile, fromGib, toGib, touched: true, vfio });
    const phase = (operations: readonly Operation[]) =>
      phaseOf(operations, millisecondsOf(operations, profile.costs) / 1000, technique.drivenBy === 'guest', threads);
    return { shrink: phase(plan.shrink), grow: phase(plan.grow) };
  }
}

function phaseOf(operations: readonly Operation[], idleSeconds: number, byGuest: boolean, threads: number): Phase {
  const { flushLossUs, flushAnswerUs, drainWaitUs } = fittedInterference;
  const flushes = flushesOf(operations);
  const shares = byGuest && threads >= sharingFromThreads;
  const waits = shares ? countOf(operations, 'memUnplug2m') * drainWaitUs : 0;
  const seconds = idleSeconds / (shares ? fairShare : 1) + (flushes * flushAnswerUs + waits) / 1e6;
  if (seconds === 0) return undisturbed;
  const flushed = 1 - Math.min(1, (flushes * flushLossUs) / 1e6 / seconds);
  const shared = shares ? fairShare : 1;
  const relativeBandwidth = Math.min(flushed, shared);
  return {
    seconds,
    slowSeconds: relativeBandwidth < slowBelow ? seconds : 0,
    relativeBandwidth,
    relativeWork: (flushed * (threads - 1 + shared)) / threads,
    flushes,
  };
}

/** Discards of memory that was there: one flush each, or one for each tree where neighbours are merged. */
function flushesOf(operations: readonly Operation[]): number {
  const small = countOf(operations, 'balloonZap4k') + countOf(operations, 'balloonZapHugeBacked4k');
  const huge = countOf(operations, 'zap2m');
  const single = Math.min(huge, countOf(operations, 'discardCall'));
  return small + single + Math.ceil((huge - single) / framesPerMergedDiscard);
}

function countOf(operations: readonly Operation[], cost: Operation['cost']): number {
  return operations.reduce((sum, operation) => sum + (operation.cost === cost ? operation.count : 0), 0);
}

/** The value that all but the lowest hundredth of the samples reach; what is not listed is undisturbed. */
function firstPercentile(
  disturbed: readonly { readonly weight: number; readonly value: number }[],
  whole: number,
): number {
  let left = whole / 100;
  for (const { weight, value } of [...disturbed].sort((a, b) => a.value - b.value)) {
    left -= weight;
    if (left < 0) return value;
  }
  return 1;
}

function atThreads(values: Triple, threads: number): number {
  const upper = threads <= 4 ? 1 : 2;
  const from = measuredThreads[upper - 1]!;
  const share = (threads - from) / (measuredThreads[upper]! - from);
  return values[upper - 1]! + share * (values[upper]! - values[upper - 1]!);
}
