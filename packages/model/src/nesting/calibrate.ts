import { StrataError } from '../machine/errors.ts';
import { createExitModel, deepestLevel } from './cost.ts';
import type { ExitKind, Profile } from './profile.ts';
import { dvhPaper } from './profiles/dvh-paper.ts';

/** Cycles of one exit by kind, as a micro-benchmark measured them at one level. */
export type MeasuredCycles = ReadonlyMap<string, number>;

/** Largest of several runs by kind; a kind that was run once is absent. */
export interface HighestRuns {
  readonly level1: MeasuredCycles;
  readonly level2: MeasuredCycles;
}

export interface CalibrationRow {
  readonly kind: string;
  readonly level: 1 | 2;
  readonly measured: number;
  readonly modelled: number;
  /** (modelled - measured) / measured. */
  readonly error: number;
  readonly fitted: boolean;
  /** How much the largest of several runs lies above the smallest, as a share; absent where there was one run. */
  readonly spread?: number;
}

export interface Calibration {
  readonly profile: Profile;
  readonly rows: readonly CalibrationRow[];
  /** Hypercall at level 3: predicted, and its range over the constants that two levels cannot identify. Absent where the profile ends before. */
  readonly level3?: { readonly cycles: number; readonly low: number; readonly high: number };
  /** The constant that was fitted, over all pairs of runs of the hypercall; absent where each was run once: nothing tells then. */
  readonly fittedConstant: { readonly cycles: number; readonly low?: number; readonly high?: number };
  readonly warnings: readonly string[];
}

/** What level 1 and 2 leave open, and the range that is plausible (specification section 4.5). */
const openConstants = { hardwareCycles: [700, 1_300], emulationCycles: [600, 1_800] } as const;

/** The worst row of the one machine on which a profile fitted in this way was held against level 3 (timer of DVH Table 3). */
const worstKnownLevel3 = 0.26;
const repeatability = 0.03;
/** Half-width where nothing tests the fit, and the least that is believed where something does (specification section 6.3). */
const untested = 0.3;
const leastError = 0.1;

const deepestOf = ({ deepest }: Profile) => deepest?.level ?? deepestLevel;

/**
 * Fits software per kind from level 1 and RM0 (deprivileged guests: the switch) from the hypercall at level 2; everything else stays as in `base`.
 * @throws StrataError `nest.calibration` when the figures contradict the model
 */
export function calibrate(
  level1: MeasuredCycles,
  level2: MeasuredCycles,
  base: Profile = dvhPaper,
  highest: HighestRuns = { level1: new Map(), level2: new Map() },
): Calibration {
  const hypercall = { one: level1.get('hypercall'), two: level2.get('hypercall') };
  if (hypercall.one === undefined) throw missing('hypercall (vmcall) at level 1');
  if (hypercall.two === undefined) throw missing('hypercall (vmcall) at level 2');
  // A machine whose cheapest exit is below the assumed hardware cost: the hardware takes most of it.
  const cheapest = Math.min(
    ...[...level1].filter(([kind]) => base.kinds[kind] !== undefined).map(([, cycles]) => cycles),
  );
  const hardwareCycles = Math.min(base.hardwareCycles, Math.floor(0.8 * cheapest));
  const profile = withErrors(fit(level1, hypercall.two, base, hardwareCycles), level1, level2, highest);
  const model = createExitModel(profile);
  const row = (kind: string, level: 1 | 2, measured: number): CalibrationRow => {
    const modelled = model.cost(level, kind).cycles;
    const fitted = level === 1 || kind === 'hypercall';
    const spread = spreadOf(measured, highest[level === 1 ? 'level1' : 'level2'].get(kind));
    const error = (modelled - measured) / measured;
    return { kind, level, measured, modelled, error, fitted, ...(spread !== undefined && { spread }) };
  };
  const known = (measured: MeasuredCycles, level: 1 | 2) =>
    [...measured]
      .filter(([kind]) => profile.kinds[kind] !== undefined && level1.has(kind))
      .map(([kind, cycles]) => row(kind, level, cycles));
  const rows = [...known(level1, 1), ...known(level2, 2)];
  const pairs = runPairs(level1, hypercall.two, highest);
  return {
    profile,
    rows,
    ...(deepestOf(base) >= 3 && { level3: level3Range(pairs, base, profile) }),
    fittedConstant: constantRange(pairs, base, profile),
    warnings: warningsOf(rows, hardwareCycles, base),
  };
}

function fit(level1: MeasuredCycles, hypercallAt2: number, base: Profile, hardwareCycles: number): Profile {
  const kinds: Record<string, ExitKind> = { ...base.kinds };
  for (const [kind, cycles] of level1) {
    const old = kinds[kind];
    if (old !== undefined) kinds[kind] = { ...old, swCycles: cycles - hardwareCycles, basis: 'fitted' };
  }
  // Exits of deprivileged guests never meet RM0: there the switch is what level 2 shows.
  const constant = base.deprivilegedSwitchCycles === undefined ? 'reflectRunCycles' : 'deprivilegedSwitchCycles';
  const open: Profile = { ...base, name: 'calibrated', hardwareCycles, kinds, [constant]: 0 };
  const rest = hypercallAt2 - createExitModel(open).cost(2, 'hypercall').cycles;
  if (rest < 0)
    throw new StrataError({
      code: 'nest.calibration',
      what: 'the hypercall at level 2 is cheaper than its parts',
      expected: `more than ${hypercallAt2 - rest} cycles`,
      found: String(hypercallAt2),
      mend: 'Check that the second file was measured in a nested guest and the first in its host, on the same clock; or fit another --profile, whose lists of operations are shorter.',
    });
  return {
    ...open,
    summary: `fitted to measurements of this machine, lists of ${base.name}`,
    source: 'kvm-unit-tests vmexit at levels 1 and 2',
    [constant]: rest,
    // What DVH's direct exits cost more was measured on another machine.
    direct: Object.fromEntries(
      Object.entries(base.direct).map(([kind, cost]) => [kind, { ...cost, basis: 'assumed' }]),
    ),
    constants: {
      ...base.constants,
      HW: 'assumed',
      [base.deprivilegedSwitchCycles === undefined ? 'RM0' : 'sw_switch']: 'fitted',
    },
    notes: [
      'Fitted: software of the kinds measured at level 1, and one constant to the hypercall at level 2. Assumed: the hardware round trip, the emulation of VMX instructions, the software above level 0; the operation lists are those of the base.',
      'Serial cost only: no cache or TLB pollution, no asynchronous work. Level 3 and deeper are predicted.',
      ...(base.name === dvhPaper.name ? [] : base.notes),
    ],
    fittedTo: [...[...level1.keys()].map((kind) => ({ level: 1, kind })), { level: 2, kind: 'hypercall' }],
  };
}

function spreadOf(least: number, most: number | undefined): number | undefined {
  return most === undefined ? undefined : most / least - 1;
}

/**
 * A kind that was measured at level 2 has its own error; the others have the median of these, so that one bad row widens one band. No band is
 * narrower than the runs are apart.
 */
function withErrors(profile: Profile, level1: MeasuredCycles, level2: MeasuredCycles, highest: HighestRuns): Profile {
  const model = createExitModel(profile);
  const spreadAt = (level: 'level1' | 'level2', kind: string) =>
    spreadOf((level === 'level1' ? level1 : level2).get(kind) ?? 1, highest[level].get(kind)) ?? 0;
  const heldOut = [...level2].filter(([kind]) => kind !== 'hypercall' && profile.kinds[kind]?.basis === 'fitted');
  const errors = new Map(
    heldOut.map(([kind, cycles]) => [kind, Math.abs(model.cost(2, kind).cycles - cycles) / cycles]),
  );
  const bands = (kind: string, error: number) => {
    const atOne = Math.max(repeatability, spreadAt('level1', kind));
    const atTwo = Math.max(error, spreadAt('level2', 'hypercall'), spreadAt('level2', kind));
    return [atOne, atTwo, Math.max(worstKnownLevel3, atTwo)].slice(0, deepestOf(profile));
  };
  return {
    ...profile,
    knownErrors: {
      byLevel: bands('hypercall', errors.size === 0 ? untested : Math.max(leastError, median([...errors.values()]))),
      byKind: Object.fromEntries([...errors].map(([kind, error]) => [kind, bands(kind, Math.max(leastError, error))])),
      assumedKinds: untested,
    },
  };
}

interface RunPair {
  readonly level1: MeasuredCycles;
  readonly hypercallAt2: number;
}

/** The smallest runs of the hypercall first, then every other pairing of extremes. */
function runPairs(level1: MeasuredCycles, hypercallAt2: number, highest: HighestRuns): readonly RunPair[] {
  const least = level1.get('hypercall')!;
  const ones = [...new Set([least, highest.level1.get('hypercall') ?? least])];
  const twos = [...new Set([hypercallAt2, highest.level2.get('hypercall') ?? hypercallAt2])];
  return ones.flatMap((one) =>
    twos.map((two) => ({ level1: new Map([...level1, ['hypercall', one]]), hypercallAt2: two })),
  );
}

/** Undefined where figures contradict the model. */
function fitOf({ level1, hypercallAt2 }: RunPair, base: Profile, hardwareCycles: number): Profile | undefined {
  try {
    return fit(level1, hypercallAt2, base, hardwareCycles);
  } catch (error) {
    if (error instanceof StrataError) return undefined;
    throw error;
  }
}

function constantRange(pairs: readonly RunPair[], base: Profile, profile: Profile): Calibration['fittedConstant'] {
  const constantOf = (of: Profile) => of.deprivilegedSwitchCycles ?? of.reflectRunCycles;
  const cycles = constantOf(profile);
  if (pairs.length === 1) return { cycles };
  const fits = pairs.flatMap((pair) => fitOf(pair, base, profile.hardwareCycles) ?? []).map(constantOf);
  return { cycles, low: Math.min(...fits), high: Math.max(...fits) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function level3Range(pairs: readonly RunPair[], base: Profile, profile: Profile) {
  const at3 = (candidate: Profile) => createExitModel(candidate).cost(3, 'hypercall').cycles;
  const cycles = at3(profile);
  const candidates: number[] = [];
  for (const hardware of openConstants.hardwareCycles)
    for (const emulation of openConstants.emulationCycles) {
      const vmread = base.kinds.vmread;
      const changed =
        vmread === undefined ? base : { ...base, kinds: { ...base.kinds, vmread: { ...vmread, swCycles: emulation } } };
      for (const pair of pairs) {
        const fitted = fitOf(pair, changed, Math.min(hardware, profile.hardwareCycles * 1.3));
        if (fitted !== undefined) candidates.push(at3(fitted));
      }
    }
  const known = profile.knownErrors.byLevel[2] ?? worstKnownLevel3;
  return {
    cycles,
    low: Math.min(cycles * (1 - known), ...candidates),
    high: Math.max(cycles * (1 + known), ...candidates),
  };
}

function warningsOf(rows: readonly CalibrationRow[], hardwareCycles: number, base: Profile): string[] {
  const heldOut = rows.filter(({ level, fitted }) => level === 2 && !fitted);
  return [
    ...(base.deepest !== undefined && base.deepest.level < 3
      ? [`Level 3 is not available: profile ${base.name} ends at level ${base.deepest.level}, ${base.deepest.why}.`]
      : []),
    ...(heldOut.length === 0
      ? ['Only the hypercall was measured at level 2: nothing is left to test the fit with; bands are wide.']
      : []),
    ...heldOut
      .filter(({ error }) => Math.abs(error) > 0.25)
      .map(
        ({ kind, error }) =>
          `${kind} at level 2 is off by ${(100 * error).toFixed(0)} %: its operation list does not fit this machine.`,
      ),
    ...(hardwareCycles < base.hardwareCycles
      ? [`The hardware round trip was lowered to ${hardwareCycles} cycles, below the cheapest exit.`]
      : []),
  ];
}

function missing(what: string): StrataError {
  return new StrataError({
    code: 'nest.calibration',
    what: `no measurement of ${what}`,
    mend: 'Run the vmcall test of kvm-unit-tests vmexit there.',
  });
}
