import { StrataError } from '../machine/errors.ts';
import { type HostProfile, millisecondsOf, type Operation } from './costs.ts';
import { type IterationClass, iterationsWhileSharing } from './interference-iterations.ts';
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
/** Iterations with less than this share of the bandwidth count as slow (specification 4.3). */
const slowBelow = 0.93;
/** What one iteration of STREAM Copy moves: 45 million doubles read and written (specification 4.1). */
const gbPerIteration = (2 * 8 * 45e6) / 1e9;
/** How long one of two threads that share a vCPU runs: 24 ms for both, the default of Linux 6.1 from 8 CPUs on (`sched_latency_ns`). */
const sliceSeconds = 0.012;
/** A Linux guest plugs a block of memory, 128 MiB, with one request (specification 3.4); its vCPU is in the host until all of it is there. */
const framesPerPlugRequest = 64;
const atOnceByHost: readonly Operation['cost'][] = ['zero2m', 'iommuMap2m'];
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
  /** Time in iterations of STREAM whose bandwidth is below 93 %. */
  readonly slowSeconds: number;
  /** Mean bandwidth of those iterations relative to no resizing, of all of them where none is slow. */
  readonly slowBandwidth: number;
  /** Bandwidth of a load whose threads wait for each other (STREAM) over the whole time, relative to no resizing. */
  readonly relativeBandwidth: number;
  /** How iterations of STREAM come out meanwhile. */
  readonly iterations: readonly IterationClass[];
  /** Work of threads that do not (FTQ), relative to no resizing. */
  readonly relativeWork: number;
  /** Flushes of the EPT that the busy vCPUs meet. */
  readonly flushes: number;
}

const undisturbed: Phase = {
  seconds: 0,
  slowSeconds: 0,
  slowBandwidth: 1,
  relativeBandwidth: 1,
  iterations: [],
  relativeWork: 1,
  flushes: 0,
};

/**
 * What a load on so many threads loses while a VM shrinks and grows. The operations of the resize and their costs say how long somebody works;
 * who works says what the load loses. A guest's worker shares a vCPU with one of the threads, so it takes twice as long, and threads that wait for
 * each other run at half their speed: iteration by iteration, as they meet the worker's slices. A thread of the host finds a core of its own. Each
 * discard interrupts every busy vCPU.
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
      [shrink, grow].flatMap(({ seconds, relativeBandwidth, iterations }) =>
        iterations.map(({ share, bandwidth }) => ({ weight: seconds * relativeBandwidth * share, value: bandwidth })),
      ),
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
      phaseOf({
        operations,
        profile,
        threads,
        byGuest: technique.drivenBy === 'guest',
        iterationSeconds: gbPerIteration / baseline,
      });
    return { shrink: phase(plan.shrink), grow: phase(plan.grow) };
  }
}

interface PhaseInput {
  readonly operations: readonly Operation[];
  readonly profile: HostProfile;
  readonly byGuest: boolean;
  readonly threads: number;
  /** An iteration of STREAM without resizing. */
  readonly iterationSeconds: number;
}

function phaseOf({ operations, profile, byGuest, threads, iterationSeconds }: PhaseInput): Phase {
  const { flushLossUs, flushAnswerUs, drainWaitUs } = fittedInterference;
  const flushes = flushesOf(operations);
  const shares = byGuest && threads >= sharingFromThreads;
  const waits = shares ? countOf(operations, 'memUnplug2m') * drainWaitUs : 0;
  const idleSeconds = millisecondsOf(operations, profile.costs) / 1000;
  const seconds = idleSeconds / (shares ? fairShare : 1) + (flushes * flushAnswerUs + waits) / 1e6;
  if (seconds === 0) return undisturbed;
  const flushed = 1 - Math.min(1, (flushes * flushLossUs) / 1e6 / seconds);
  const iterations = shares
    ? iterationsWhileSharing(iterationSeconds, Math.max(sliceSeconds, requestSeconds(operations, profile)))
    : [{ share: 1, bandwidth: flushed }];
  return {
    seconds,
    ...slowOf(iterations, seconds),
    relativeBandwidth: shares ? fairShare : flushed,
    iterations,
    relativeWork: (flushed * (threads - 1 + (shares ? fairShare : 1))) / threads,
    flushes,
  };
}

function slowOf(iterations: readonly IterationClass[], seconds: number) {
  const slow = iterations.filter(({ bandwidth }) => bandwidth < slowBelow);
  const time = (classes: readonly IterationClass[]) =>
    classes.reduce((sum, { share, bandwidth }) => sum + share / bandwidth, 0);
  const counted = slow.length > 0 ? slow : iterations;
  const share = counted.reduce((sum, each) => sum + each.share, 0);
  return {
    slowSeconds: seconds === 0 ? 0 : (seconds * time(slow)) / time(iterations),
    slowBandwidth: counted.reduce((sum, each) => sum + each.share * each.bandwidth, 0) / share,
  };
}

/** How long the vCPU of the guest's worker is in the host for one request to plug memory: nobody else runs on it. */
function requestSeconds(operations: readonly Operation[], { costs }: HostProfile): number {
  const frames = countOf(operations, 'memPlug2m');
  if (frames === 0) return 0;
  const microseconds = atOnceByHost.reduce((sum, cost) => sum + countOf(operations, cost) * costs[cost], 0);
  return (Math.min(frames, framesPerPlugRequest) * microseconds) / frames / 1e6;
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
