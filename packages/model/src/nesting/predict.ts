import { StrataError } from '../machine/errors.ts';
import type { ExitModel } from './cost.ts';
import type { InterruptSource } from './mechanisms/mechanism.ts';
import { handlerLevel } from './mechanisms/selection.ts';
import { reflectedInterrupts } from './posted-interrupts.ts';
import { type Basis, basisOf, errorOf } from './profile.ts';

/** Prices of exits, by a model or by a table. */
export interface CostSource {
  cycles(level: number, kind: string): number;
  /** Half-width of the band, as a share. */
  error(level: number, kind: string): number;
  basis(level: number, kind: string): Basis;
}

export function costsOf(model: ExitModel): CostSource {
  const { profile, selection } = model;
  const direct = (level: number, kind: string) => handlerLevel(selection, level, kind) < level - 1;
  return {
    cycles: (level, kind) => model.cost(level, kind).cycles,
    // An exit that a hypervisor further down handles alone is as well known as one of its own guests.
    error: (level, kind) =>
      errorOf(profile, direct(level, kind) ? handlerLevel(selection, level, kind) + 1 : level, kind),
    basis(level, kind) {
      if (direct(level, kind)) {
        // What was fitted is L0 taking the exit on this machine; an exit that a hypervisor in between takes was never measured.
        const basisOfDelta = profile.direct[kind]?.basis ?? 'predicted';
        if (basisOfDelta !== 'fitted') return basisOfDelta;
        const fitted = handlerLevel(selection, level, kind) === 0 && level <= 3;
        return fitted && basisOf(profile, 1, kind) === 'fitted' ? 'fitted' : 'predicted';
      }
      const basis = basisOf(profile, level, kind);
      // What was fitted is the cost without the prototype's hypercall.
      return basis === 'fitted' && level > 1 && selection.prototypeEntry ? 'predicted' : basis;
    },
  };
}

/** The wake-up path of an idle guest, as an exit kind of latencies: priced as a hypercall (specification section 5.1, worked example V19). */
export const wakeKind = 'wake';

/** `source` with `wake`: a hypercall to whoever handles HLT, hence from level 1 where L0 does. `plain` has no mechanisms. */
export function withWake(source: CostSource, plain: CostSource, { selection }: ExitModel): CostSource {
  const from = (level: number) => handlerLevel(selection, level, 'hlt') + 1;
  const isWake = (kind: string) => kind === wakeKind;
  return {
    cycles: (level, kind) => (isWake(kind) ? plain.cycles(from(level), 'hypercall') : source.cycles(level, kind)),
    error: (level, kind) => (isWake(kind) ? plain.error(from(level), 'hypercall') : source.error(level, kind)),
    basis: (level, kind) => (isWake(kind) ? 'assumed' : source.basis(level, kind)),
  };
}

export type InterruptCounts = Readonly<Partial<Record<InterruptSource, number>>>;

/** What one operation (a request, a transaction, a packet) of a single-level VM does. */
export interface OperationProfile {
  /** Cycles of the work itself, without any exit. */
  readonly nativeCycles: number;
  /** Exits per operation by kind. */
  readonly exits: Readonly<Record<string, number>>;
  /** Interrupts delivered to the guest per operation: each passes through every hypervisor in between unless posted. */
  readonly interrupts?: InterruptCounts;
}

export interface KindShare {
  readonly kind: string;
  readonly exitsPerOp: number;
  readonly cyclesPerExit: number;
  readonly cyclesPerOp: number;
  readonly basis: Basis;
}

export interface LevelPrediction {
  readonly level: number;
  readonly cyclesPerOp: number;
  /** Relative to native; 1 is native. */
  readonly slowdown: number;
  /** Band of the slowdown from the model's known errors. */
  readonly low: number;
  readonly high: number;
  /** Dearest first. */
  readonly shares: readonly KindShare[];
}

/** Which interrupts are posted, and what one costs each hypervisor in between where it is not. */
export interface Delivery {
  readonly posted: readonly InterruptSource[];
  readonly costs: CostSource;
}

/** CPU-bound work: C_n = C0 + sum of e_k T(n,k), overhead C_n / C0 (specification section 5.1). */
export function predictLevel(
  costs: CostSource,
  operation: OperationProfile,
  level: number,
  delivery: Delivery = { posted: [], costs },
): LevelPrediction {
  const shares = sharesOf(costs, operation, level, delivery);
  let exits = 0;
  let band = 0;
  for (const share of shares) {
    exits += share.cyclesPerOp;
    band += share.cyclesPerOp * costs.error(level, share.kind);
  }
  const native = operation.nativeCycles;
  return {
    level,
    cyclesPerOp: native + exits,
    slowdown: (native + exits) / native,
    low: (native + exits - band) / native,
    high: (native + exits + band) / native,
    shares,
  };
}

function sharesOf(
  costs: CostSource,
  { exits, interrupts = {} }: OperationProfile,
  level: number,
  delivery: Delivery,
): KindShare[] {
  const share = (kind: string, exitsPerOp: number, of = costs): KindShare => {
    const cyclesPerExit = of.cycles(level, kind);
    return {
      kind,
      exitsPerOp,
      cyclesPerExit,
      cyclesPerOp: exitsPerOp * cyclesPerExit,
      basis: of.basis(level, kind),
    };
  };
  const shares = Object.entries(exits).map(([kind, count]) => share(kind, count));
  let reflected = 0;
  for (const source of ['timer', 'ipi', 'device'] as const)
    reflected += (interrupts[source] ?? 0) * reflectedInterrupts(level, delivery.posted.includes(source));
  if (reflected > 0) shares.push(share('interrupt', reflected, delivery.costs));
  return shares.sort((a, b) => b.cyclesPerOp - a.cyclesPerOp);
}

/**
 * Work without exits, from what one operation takes in a VM at level 1.
 * @throws StrataError `nest.no-work-left` when the exits alone take longer
 */
export function nativeCyclesFrom(measuredCycles: number, costs: CostSource, exits: OperationProfile['exits']): number {
  let spent = 0;
  for (const [kind, count] of Object.entries(exits)) spent += count * costs.cycles(1, kind);
  if (spent >= measuredCycles)
    throw new StrataError({
      code: 'nest.no-work-left',
      what: 'the exits alone take longer than an operation',
      expected: `more than ${Math.ceil(spent)} cycles per operation`,
      found: `${Math.round(measuredCycles)}`,
      mend: 'Check the number of operations, the window and the clock, or give --native-cycles.',
    });
  return measuredCycles - spent;
}

/** Latency of one operation, in microseconds, with its band. */
export interface Latency {
  readonly micros: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Ping-pong work: t_n = t0 + sum of e_k T(n,k) / f. All that `prediction` charges an operation with, its interrupts as well, is taken to lie
 * on the critical path.
 * @param nativeMicros time of one operation without exits
 */
export function latencyOf(
  prediction: LevelPrediction,
  operation: OperationProfile,
  nativeMicros: number,
  clockGHz: number,
): Latency {
  const { nativeCycles } = operation;
  const micros = (slowdown: number) => nativeMicros + ((slowdown - 1) * nativeCycles) / (clockGHz * 1_000);
  return {
    micros: nativeMicros + (prediction.cyclesPerOp - nativeCycles) / (clockGHz * 1_000),
    low: micros(prediction.low),
    high: micros(prediction.high),
  };
}

/** Link-bound work: no overhead until the CPUs no longer keep up with the link. */
export function linkOverhead(cyclesPerOp: number, linkOpsPerSecond: number, clockGHz: number, cores: number): number {
  return Math.max(1, (cyclesPerOp * linkOpsPerSecond) / (clockGHz * 1e9 * cores));
}

export interface BreakEven {
  /** Exits per operation, of the same mix, at which the budget is used up. */
  readonly exitsPerOp: number;
  /** The same relative to what was recorded: below 1, the recording is over budget. */
  readonly timesRecorded: number;
}

/** e_max = (S - 1) C0 / mean T, for a slowdown budget S and the recorded mix. */
export function breakEven(costs: CostSource, operation: OperationProfile, level: number, budget: number): BreakEven {
  const { cyclesPerOp } = predictLevel(costs, operation, level);
  const spent = cyclesPerOp - operation.nativeCycles;
  const timesRecorded = spent === 0 ? Infinity : ((budget - 1) * operation.nativeCycles) / spent;
  const recorded = Object.values(operation.exits).reduce((total, count) => total + count, 0);
  return { exitsPerOp: recorded * timesRecorded, timesRecorded };
}
