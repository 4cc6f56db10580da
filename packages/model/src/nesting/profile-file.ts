import { constantNames, type ExitKind, type Profile } from './profile.ts';

/** What a profile file may hold beside the scalars of `config.ts`. */
export type ProfileFile = Readonly<Record<string, unknown>>;

/**
 * A profile as the content of a profile file: complete, so that it needs no other, with the basis of every constant and the error of
 * every kind. `parseProfile` gives the same costs, marks and bands back.
 */
export function profileFileOf(profile: Profile): ProfileFile {
  const { knownErrors, direct, deepest } = profile;
  return {
    name: profile.name,
    summary: profile.summary,
    source: profile.source,
    vendor: profile.vendor,
    clockGHz: profile.clockGHz,
    HW: profile.hardwareCycles,
    RM0: profile.reflectRunCycles,
    rf: profile.reflectShare,
    d_vm: profile.nativeAccessCycles,
    sw_r: profile.reflectSoftwareCycles,
    sw_m: profile.runSoftwareCycles,
    ...(profile.deprivilegedSwitchCycles !== undefined && { sw_switch: profile.deprivilegedSwitchCycles }),
    sw: ofKinds(profile, ({ swCycles }) => swCycles),
    swAbove: ofKinds(profile, ({ swAboveCycles }) => swAboveCycles),
    HANDLER: ofKinds(profile, ({ handler }) => handler),
    root: Object.keys(profile.kinds).filter((kind) => profile.kinds[kind]!.handledBy === 'root'),
    REFLECT: profile.reflect,
    RUN: profile.run,
    ENTRY: profile.entry,
    shadow: profile.shadowLevels,
    emulatedShadow: profile.emulatedShadowLevels,
    memory: profile.memoryOperations,
    operations: Object.fromEntries(
      Object.entries(profile.operations).map(([name, { access, kind, summary }]) => [
        name,
        { kind, shadowable: access === 'shadowable', summary },
      ]),
    ),
    direct: Object.fromEntries(
      Object.entries(direct).map(([kind, { deltaCycles, epsilonCycles, basis }]) => [
        kind,
        { delta: deltaCycles, epsilon: epsilonCycles, basis },
      ]),
    ),
    basis: {
      ...Object.fromEntries(constantNames.flatMap((name) => entryOf(name, profile.constants[name]))),
      ...ofKinds(profile, ({ basis }) => basis),
    },
    fittedTo: profile.fittedTo,
    errors: knownErrors.byLevel,
    errorsByKind: knownErrors.byKind,
    errorOfAssumed: knownErrors.assumedKinds,
    ...(deepest !== undefined && { deepest }),
    notes: profile.notes,
  };
}

function ofKinds<Value>(
  { kinds }: Profile,
  part: (kind: ExitKind) => Value | undefined,
): Readonly<Record<string, Value>> {
  return Object.fromEntries(Object.entries(kinds).flatMap(([name, kind]) => entryOf(name, part(kind))));
}

function entryOf<Value>(name: string, value: Value | undefined): [string, Value][] {
  return value === undefined ? [] : [[name, value]];
}
