import { StrataError } from '@strata/model/machine';
import {
  type CostSource,
  type InterruptSource,
  nativeCyclesFrom,
  type OperationProfile,
  type Profile,
  wakeKind,
} from '@strata/model/nesting';
import type { ExitRecording } from '@strata/traces/nesting';
import { positiveNumber } from './options.ts';

/** How a recording becomes exits per operation. */
export interface OperationOptions {
  readonly ops?: string;
  readonly rate?: string;
  readonly window?: string;
  readonly vcpus?: string;
  readonly nativeCycles?: string;
  readonly cycles?: string;
  readonly msrSplit?: string;
  readonly interrupts?: string;
}

export interface Operation {
  readonly profile: OperationProfile;
  readonly operations: number;
  readonly opsPerSecond: number | undefined;
  readonly interrupts: Interrupts;
  /** What had to be assumed, in sentences: printed with the result. */
  readonly assumptions: readonly string[];
}

/** Interrupts delivered to the guest, as far as the recording tells. */
export interface Interrupts {
  /** `recorded`: kvm_inj_virq; `given`: --interrupts; `expiries`: only those of the timer, from a report by reason; `none`: not priced. */
  readonly from: 'recorded' | 'given' | 'expiries' | 'none';
  readonly perOp: Readonly<Record<InterruptSource, number>>;
  /** At most so many more left a trace in the exits (IPIs received, host interrupts, wake-ups from HLT). */
  readonly leftOutPerOp: number;
}

/** Whether the hypercall of DVH's prototype has a price. */
export function canCallDown({ kinds }: Profile): boolean {
  return Object.hasOwn(kinds, 'hypercall');
}

/** `sleep 10` of the recording commands that perf's documentation and ours give. */
const assumedWindowSeconds = 10;

/**
 * Exits per operation and the work without them.
 * @throws StrataError `usage.*`, `nest.*`
 */
export function operationOf(
  recording: ExitRecording,
  options: OperationOptions,
  machine: Profile,
  costs: CostSource,
): Operation {
  const assumptions: string[] = [];
  const counts = countsOf(recording, options.msrSplit, assumptions);
  const window = windowOf(recording, options, assumptions);
  const rate = options.rate === undefined ? undefined : positiveNumber(options.rate, '--rate');
  const operations = operationsOf(recording, options, rate, window);
  const exits = Object.fromEntries(
    [...counts]
      .filter(([, count]) => count > 0)
      .map(([kind, _count]) => [knownKind(machine, kind), 0] as [string, number]),
  );
  for (const [kind, count] of counts) if (count > 0) exits[knownKind(machine, kind)]! += count / operations;
  const nativeCycles = nativeOf(recording, options, machine, costs, { exits, operations, window, assumptions });
  const interrupts = interruptsOf(recording, options, exits, operations, machine);
  if (interrupts.from === 'none')
    assumptions.push(
      `Profile ${machine.name} has no kind \`interrupt\`: what interrupts of the guest cost at depth is left out.`,
    );
  if (!canCallDown(machine))
    assumptions.push(
      `Profile ${machine.name} has no kind \`hypercall\`: dvh is priced without the prototype's hypercall before each entry.`,
    );
  if (interrupts.from === 'expiries') assumptions.push(leftOutSentence(interrupts));
  return {
    profile: { nativeCycles, exits, interrupts: interrupts.perOp },
    operations,
    interrupts,
    opsPerSecond: rate ?? (window.known ? operations / window.seconds : undefined),
    assumptions,
  };
}

/**
 * At depth every interrupt passes through the hypervisors in between, although at level 1 its delivery may cost no exit at all. Each armed
 * timer expires at most once and each IPI arrives once; what is left comes from devices.
 */
function interruptsOf(
  recording: ExitRecording,
  options: OperationOptions,
  exits: OperationProfile['exits'],
  operations: number,
  machine: Profile,
): Interrupts {
  if (!Object.hasOwn(machine.kinds, 'interrupt'))
    return { from: 'none', perOp: { timer: 0, ipi: 0, device: 0 }, leftOutPerOp: 0 };
  const of = (...kinds: string[]) => kinds.reduce((sum, kind) => sum + (exits[kind] ?? 0), 0);
  const expiries = (recording.kinds.get('preemption-timer') ?? 0) / operations;
  const given = options.interrupts === undefined ? recording.interrupts : nonNegative(options.interrupts);
  if (options.interrupts === undefined && recording.interrupts === 0)
    return {
      from: 'expiries',
      perOp: { timer: expiries, ipi: 0, device: 0 },
      leftOutPerOp: of('ipi', 'host-interrupt', 'hlt', 'mwait'),
    };
  const all = given / operations;
  const timer = Math.min(all, expiries > 0 ? expiries : of('timer'));
  const ipi = Math.min(all - timer, of('ipi'));
  return {
    from: options.interrupts === undefined ? 'recorded' : 'given',
    perOp: { timer, ipi, device: all - timer - ipi },
    leftOutPerOp: 0,
  };
}

function nonNegative(text: string): number {
  return text.trim() === '0' ? 0 : positiveNumber(text, '--interrupts');
}

function leftOutSentence({ perOp, leftOutPerOp }: Interrupts): string {
  return `The recording does not count interrupts delivered to the guest: ${Number(perOp.timer.toPrecision(3))} expiries of the timer per operation are charged at depth, at most ${Number(leftOutPerOp.toPrecision(3))} others that left an exit are not; the bound is printed beside each level. What is posted without an exit leaves no trace. Record kvm_inj_virq, or give --interrupts COUNT.`;
}

/** @throws StrataError `nest.unknown-kind` */
function knownKind(machine: Profile, kind: string): string {
  if (Object.hasOwn(machine.kinds, kind) || kind === wakeKind) return kind;
  if (Object.hasOwn(machine.kinds, 'other')) return 'other';
  throw new StrataError({
    code: 'nest.unknown-kind',
    what: `the recording has exits of kind ${kind}, profile ${machine.name} has neither it nor \`other\``,
    expected: `kinds among ${Object.keys(machine.kinds).join(', ')}`,
    mend: `Give \`sw: { ${kind}: CYCLES }\` or \`sw: { other: CYCLES }\` in the profile file.`,
  });
}

function operationsOf(
  recording: ExitRecording,
  options: OperationOptions,
  rate: number | undefined,
  window: Window,
): number {
  if (options.ops !== undefined) return positiveNumber(options.ops, '--ops');
  if (rate !== undefined) return rate * window.seconds;
  if (recording.operations !== undefined) return recording.operations;
  throw new StrataError({
    code: 'usage.missing-option',
    what: 'how many operations the recording covers is not known',
    expected: '--ops COUNT, or --rate OPERATIONS_PER_SECOND',
    mend: 'Give what the workload reported for the time of the recording.',
  });
}

interface Window {
  readonly seconds: number;
  readonly known: boolean;
}

function windowOf(recording: ExitRecording, options: OperationOptions, assumptions: string[]): Window {
  if (options.window !== undefined) return { seconds: positiveNumber(options.window, '--window'), known: true };
  if (recording.windowSeconds !== undefined) return { seconds: recording.windowSeconds, known: true };
  const needed = options.nativeCycles === undefined && options.cycles === undefined;
  if (needed || options.rate !== undefined)
    assumptions.push(`The recording does not say how long it lasted: ${assumedWindowSeconds} s assumed (--window).`);
  return { seconds: assumedWindowSeconds, known: false };
}

/** MSR writes of unknown purpose are timers, IPIs and EOIs in a split that is given or assumed. */
function countsOf(recording: ExitRecording, split: string | undefined, assumptions: string[]): Map<string, number> {
  const counts = new Map(recording.kinds);
  if (recording.unknownMsrs === 0) return counts;
  const shares = split === undefined ? { timer: 0.6, ipi: 0.2, eoi: 0, msr: 0.2 } : parseSplit(split);
  if (split === undefined)
    assumptions.push(
      `${recording.unknownMsrs} MSR exits of unknown purpose: 60 % timer, 20 % IPI, 20 % other assumed. Record kvm_msr (or perf kvm stat report --event=msr), or give --msr-split timer=0.5,ipi=0.3,eoi=0.2.`,
    );
  for (const [kind, share] of Object.entries(shares))
    counts.set(kind, (counts.get(kind) ?? 0) + share * recording.unknownMsrs);
  return counts;
}

function parseSplit(text: string): Record<string, number> {
  const shares: Record<string, number> = {};
  for (const part of text.split(',')) {
    const match = /^\s*(timer|ipi|eoi|msr)\s*=\s*(\d*\.?\d+)\s*$/.exec(part);
    if (match === null)
      throw new StrataError({
        code: 'usage.split',
        what: 'not a split',
        where: '--msr-split',
        expected: 'shares such as timer=0.6,ipi=0.3,eoi=0.1',
        found: text,
      });
    shares[match[1]!] = Number(match[2]);
  }
  const sum = Object.values(shares).reduce((all, share) => all + share, 0);
  if (sum > 1 + 1e-9)
    throw new StrataError({
      code: 'usage.split',
      what: 'the shares add up to more than 1',
      where: '--msr-split',
      found: String(sum),
    });
  return { ...shares, msr: (shares.msr ?? 0) + Math.max(0, 1 - sum) };
}

interface Basis {
  readonly exits: OperationProfile['exits'];
  readonly operations: number;
  readonly window: Window;
  readonly assumptions: string[];
}

/** Cycles of one operation without exits: given, from the time in the guest, or from the time the vCPUs were busy. */
function nativeOf(
  recording: ExitRecording,
  options: OperationOptions,
  machine: Profile,
  costs: CostSource,
  basis: Basis,
): number {
  if (options.nativeCycles !== undefined) return positiveNumber(options.nativeCycles, '--native-cycles');
  const hertz = machine.clockGHz * 1e9;
  if (options.cycles !== undefined)
    return nativeCyclesFrom(positiveNumber(options.cycles, '--cycles'), costs, basis.exits);
  if (recording.guestUs !== undefined && recording.guestUs > 0) {
    basis.assumptions.push(
      `Work per operation from the time in the guest, at ${machine.clockGHz} GHz (else --native-cycles).`,
    );
    return ((recording.guestUs / 1e6) * hertz) / basis.operations;
  }
  const handled = handledSeconds(recording);
  const vcpus =
    options.vcpus === undefined
      ? Math.max(1, Math.ceil(handled.all / basis.window.seconds + 1e-9))
      : positiveNumber(options.vcpus, '--vcpus');
  const outside = Math.max(0, basis.window.seconds * vcpus - handled.all);
  basis.assumptions.push(
    `Work per operation from ${vcpus} vCPU${vcpus === 1 ? '' : 's'} busy outside of exits for ${outside.toFixed(3)} s at ${machine.clockGHz} GHz (else --native-cycles, or --cycles per operation in the VM).`,
  );
  if (handled.all > 0 && outside > 0) return (outside * hertz) / basis.operations;
  return nativeCyclesFrom(
    (Math.max(outside, basis.window.seconds * vcpus) * hertz) / basis.operations,
    costs,
    basis.exits,
  );
}

function handledSeconds(recording: ExitRecording): { readonly all: number } {
  let all = 0;
  for (const { timeUs } of recording.reasons.values()) all += (timeUs ?? 0) / 1e6;
  return { all };
}
