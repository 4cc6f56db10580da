import type { Vendor } from './reasons.ts';

/** How a number of a profile came about; printed with every cost that uses it. */
export const bases = ['fitted', 'published', 'derived', 'assumed', 'predicted'] as const;
export type Basis = (typeof bases)[number];

/** Constants and lists that belong to no kind, by their names in a profile file. */
export const constantNames = ['HW', 'RM0', 'd_vm', 'sw_r', 'sw_m', 'sw_switch', 'REFLECT', 'RUN', 'ENTRY'] as const;
export type ConstantName = (typeof constantNames)[number];

/** How often each class of operation occurs: `{ S: 11, N: 1 }`. Classes are the keys of `Profile.operations`. */
export type OperationList = Readonly<Record<string, number>>;

/**
 * What a guest hypervisor does that its own hypervisor may see.
 * `shadowable`: a VMCS access on the shadow list, native at levels with a shadow VMCS; `trap`: exits unless the profile says it is memory.
 */
export interface Operation {
  readonly access: 'shadowable' | 'trap';
  /** The exit kind it traps as. */
  readonly kind: string;
  readonly summary: string;
}

export interface ExitKind {
  /** Direct software of handling it, in cycles, where L0 handles it. */
  readonly swCycles: number;
  /** The same where a hypervisor at level 1 or above handles it; `swCycles` when absent. */
  readonly swAboveCycles?: number;
  /** What the handling hypervisor executes; free at level 0. */
  readonly handler: OperationList;
  /** `root`: L0 handles it alone whatever the depth (section 3.2, "never reflected"); `parent`: the hypervisor one level up. */
  readonly handledBy: 'parent' | 'root';
  readonly basis: Basis;
}

/** What a DVH-class exit costs L0 beyond a plain exit of the same kind. */
export interface DirectCost {
  /** Cycles once the guest is nested (level 2). */
  readonly deltaCycles: number;
  /** Cycles per level beyond the second. */
  readonly epsilonCycles: number;
  readonly basis: Basis;
}

/** Largest relative errors seen between this profile and measurements, as the half-width of a band. */
export interface KnownErrors {
  /** Index 0 is level 1; the last entry also serves deeper levels. */
  readonly byLevel: readonly number[];
  /** Kinds that were themselves held against measurements, instead of the level's figure; same indexing. */
  readonly byKind: Readonly<Record<string, readonly number[]>>;
  /** Half-width for kinds whose constants are assumed. */
  readonly assumedKinds: number;
}

export interface FitPoint {
  readonly level: number;
  readonly kind: string;
}

/** Constants and lists of the recursion (`cost.ts`): a machine with its hypervisors. Levels count from 1: the first VM. */
export interface Profile {
  readonly name: string;
  readonly summary: string;
  readonly source: string;
  /** Whose exits it prices: a recording of another architecture has other costs. */
  readonly vendor: Vendor;
  /** Cycles are of this clock. */
  readonly clockGHz: number;
  /** HW: one hardware exit and entry. */
  readonly hardwareCycles: number;
  /** RM0: L0's software for one reflected exit and one nested entry. */
  readonly reflectRunCycles: number;
  /** rf: the reflect share of RM0. Without effect on round trips. */
  readonly reflectShare: number;
  /** d_vm: a VMCS access that does not exit. */
  readonly nativeAccessCycles: number;
  /** sw_r: direct software of reflecting at level 1 and above. */
  readonly reflectSoftwareCycles: number;
  /** sw_m: direct software of running a nested guest at level 1 and above. */
  readonly runSoftwareCycles: number;
  readonly operations: Readonly<Record<string, Operation>>;
  readonly kinds: Readonly<Record<string, ExitKind>>;
  /** REFLECT at level 1 and above. */
  readonly reflect: OperationList;
  /** RUN at level 1 and above. */
  readonly run: OperationList;
  /** Around every VM entry of a guest hypervisor, beside the entry itself (SVM: CLGI, VMLOAD, ...). */
  readonly entry: OperationList;
  /** Guest hypervisors (by their own level) with a hardware shadow VMCS. */
  readonly shadowLevels: readonly number[];
  /** Guest hypervisors whose shadowable accesses stop two levels up, where shadowing is emulated for them (newer KVM). */
  readonly emulatedShadowLevels: readonly number[];
  /** Operation classes that are memory accesses at every level (enlightened VMCS, VMCB, NV2). */
  readonly memoryOperations: readonly string[];
  /** Set where nested guests run deprivileged and never enter L0: cycles of one switch there and back. */
  readonly deprivilegedSwitchCycles?: number;
  readonly direct: Readonly<Record<string, DirectCost>>;
  /** How the constants came about that no kind owns; `assumed` where not named. */
  readonly constants: Readonly<Partial<Record<ConstantName, Basis>>>;
  /** Costs that the constants were fitted to: these come out exactly and prove nothing. */
  readonly fittedTo: readonly FitPoint[];
  readonly knownErrors: KnownErrors;
  /** Deepest level that makes sense here, and why. */
  readonly deepest?: { readonly level: number; readonly why: string };
  /** What is assumed or left out, in sentences. */
  readonly notes: readonly string[];
}

/** Where the cost of this kind at this level comes from. */
export function basisOf(profile: Profile, level: number, kind: string): Basis {
  if (profile.fittedTo.some((point) => point.level === level && point.kind === kind)) return 'fitted';
  return profile.kinds[kind]?.basis === 'assumed' ? 'assumed' : 'predicted';
}

/** Half-width of the band around a cost, as a share of it. Levels beyond the known ones widen by half per level. */
export function errorOf(profile: Profile, level: number, kind: string): number {
  const { byLevel, byKind, assumedKinds } = profile.knownErrors;
  const at = (list: readonly number[]) => list[Math.min(level, list.length) - 1] ?? 0;
  const known = at(byKind[kind] ?? byLevel) * 1.5 ** Math.max(0, level - byLevel.length);
  return Math.min(0.9, profile.kinds[kind]?.basis === 'assumed' ? Math.max(known, assumedKinds) : known);
}
