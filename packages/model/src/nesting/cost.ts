import { StrataError, suggestion } from '../machine/errors.ts';
import { handlerLevel, noMechanisms, type Selection, takesPart } from './mechanisms/selection.ts';
import type { OperationList, Profile } from './profile.ts';

/** The price of something, with what it is made of. Shared between its users: a graph, not a tree (see `explain.ts`). */
export interface Cost {
  readonly label: string;
  readonly cycles: number;
  /** Hardware exits, of any level; all land in L0. */
  readonly hardwareExits: number;
  readonly parts: readonly Part[];
}

export interface Part {
  readonly count: number;
  readonly cost: Cost;
}

/** The recursion of section 4.1 over one profile. Levels: 1 is the first VM. */
export interface ExitModel {
  readonly profile: Profile;
  readonly selection: Selection;
  /**
   * One exit of `kind` from a guest at `level`, until the guest runs again. Exact while below 2^53 cycles.
   * @throws StrataError `nest.level`, `nest.unknown-kind`
   */
  cost(level: number, kind: string): Cost;
}

/** Beyond this the figures no longer mean anything, and cost grows about twentyfold per level. */
export const deepestLevel = 32;

export function createExitModel(profile: Profile, selection: Selection = noMechanisms): ExitModel {
  const memo = new Map<string, Cost>();
  const hardwareExitCycles = Math.floor(0.6 * profile.hardwareCycles);
  const hardwareExit = leaf('hardware exit', hardwareExitCycles, 1);
  const hardwareEntry = leaf('hardware entry', profile.hardwareCycles - hardwareExitCycles);
  const reflectCycles = Math.floor(profile.reflectShare * profile.reflectRunCycles);
  const rootReflects = leaf('L0 reflects to L1', reflectCycles);
  const rootRuns = leaf('L0 runs the nested guest', profile.reflectRunCycles - reflectCycles);
  const nativeAccess = leaf('access without exit', profile.nativeAccessCycles);
  const memory = new Set(profile.memoryOperations);

  function remember(key: string, build: () => Cost): Cost {
    const known = memo.get(key);
    if (known !== undefined) return known;
    const built = build();
    memo.set(key, built);
    return built;
  }

  /** From the guest's exit until hypervisor `to` is at its exit handler. */
  function deliver(to: number): Cost {
    if (to === 0) return hardwareExit;
    const by = to - 1;
    return remember(`deliver ${to}`, () =>
      sum(`deliver to L${to}`, [
        once(deliver(by)),
        ...(by === 0
          ? [once(rootReflects)]
          : [
              once(leaf(`L${by} reflects: software`, profile.reflectSoftwareCycles)),
              ...operations(profile.reflect, by),
            ]),
        once(resume(by)),
      ]),
    );
  }

  /** From hypervisor `from` being done until its guest runs. */
  function resume(from: number): Cost {
    if (from === 0) return hardwareEntry;
    const by = from - 1;
    return remember(`resume ${from}`, () =>
      sum(`L${from} resumes its guest`, [
        ...operations(profile.entry, from),
        ...(selection.prototypeEntry && takesPart(selection.consumers, from) ? [prototypeCall(from)] : []),
        once(deliver(by)),
        ...(by === 0
          ? [once(rootRuns)]
          : [once(leaf(`L${by} runs: software`, profile.runSoftwareCycles)), ...operations(profile.run, by)]),
        once(resume(by)),
      ]),
    );
  }

  function prototypeCall(level: number): Part {
    return once(sum('VMCALL before the entry (DVH prototype)', [once(exit(level, 'hypercall'))]));
  }

  function operations(list: OperationList, level: number): Part[] {
    if (level === 0) return [];
    return Object.entries(list)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => ({ count, cost: operation(level, name) }));
  }

  function operation(level: number, name: string): Cost {
    return remember(`operation ${level} ${name}`, () => {
      const kindOf = profile.operations[name];
      if (kindOf === undefined) throw new Error(`profile ${profile.name} has no operation class ${name}`);
      const label = `${name} by L${level}`;
      if (memory.has(name)) return sum(label, [once(nativeAccess)]);
      if (kindOf.access === 'shadowable') {
        if (profile.shadowLevels.includes(level)) return sum(label, [once(nativeAccess)]);
        if (profile.emulatedShadowLevels.includes(level))
          return sum(label, [once(handled(kindOf.kind, Math.max(0, level - 2)))]);
      }
      return sum(label, [once(exit(level, kindOf.kind))]);
    });
  }

  /** An exit handled by hypervisor `by`, whatever the level it comes from: the levels between never run. */
  function handled(kind: string, by: number, extra: readonly Part[] = []): Cost {
    const { swCycles, swAboveCycles, handler } = kindNamed(profile, kind);
    return sum(`${kind} handled by L${by}`, [
      once(deliver(by)),
      once(leaf(`${kind}: software of L${by}`, by === 0 ? swCycles : (swAboveCycles ?? swCycles))),
      ...extra,
      ...operations(handler, by),
      once(resume(by)),
    ]);
  }

  function exit(level: number, kind: string): Cost {
    return remember(`exit ${level} ${kind}`, () => {
      const label = `${kind} from L${level}`;
      if (kindNamed(profile, kind).handledBy === 'root') return { ...handled(kind, 0), label };
      if (profile.deprivilegedSwitchCycles !== undefined && level > 1) return { ...switched(kind, level - 1), label };
      const by = handlerLevel(selection, level, kind);
      if (by === level - 1) return { ...handled(kind, by), label };
      return { ...handled(kind, by, direct(kind, level - by)), label };
    });
  }

  /** Deprivileged guests: a switch within the VM of their hypervisor, L0 does not take part. */
  function switched(kind: string, by: number): Cost {
    const { swCycles, swAboveCycles, handler } = kindNamed(profile, kind);
    return sum(kind, [
      once(leaf('switch to the hypervisor and back', profile.deprivilegedSwitchCycles ?? 0, 1)),
      once(leaf(`${kind}: software of L${by}`, swAboveCycles ?? swCycles)),
      ...operations(handler, by),
    ]);
  }

  function direct(kind: string, distance: number): Part[] {
    const known = profile.direct[kind];
    if (known === undefined) return [];
    const parts = [once(leaf(`${kind}: nested guest handled directly (delta)`, known.deltaCycles))];
    if (distance > 2)
      parts.push({ count: distance - 2, cost: leaf('one more level to look up (epsilon)', known.epsilonCycles) });
    return parts;
  }

  return {
    profile,
    selection,
    cost(level, kind) {
      checkLevel(profile, level);
      kindNamed(profile, kind);
      return exit(level, kind);
    },
  };
}

function kindNamed(profile: Profile, kind: string) {
  const known = Object.hasOwn(profile.kinds, kind) ? profile.kinds[kind] : undefined;
  if (known === undefined)
    throw new StrataError({
      code: 'nest.unknown-kind',
      what: `profile ${profile.name} has no exit kind ${kind}`,
      mend: suggestion(kind, Object.keys(profile.kinds)),
    });
  return known;
}

function checkLevel({ name, deepest }: Profile, level: number): void {
  if (!Number.isInteger(level) || level < 1 || level > deepestLevel)
    throw new StrataError({
      code: 'nest.level',
      what: 'no such level',
      expected: `an integer from 1 (the first VM) to ${deepestLevel}`,
      found: String(level),
    });
  if (deepest !== undefined && level > deepest.level)
    throw new StrataError({
      code: 'nest.level',
      what: `profile ${name} ends at level ${deepest.level}: ${deepest.why}`,
      found: `level ${level}`,
    });
}

const once = (cost: Cost): Part => ({ count: 1, cost });

function leaf(label: string, cycles: number, hardwareExits = 0): Cost {
  return { label, cycles, hardwareExits, parts: [] };
}

function sum(label: string, parts: readonly Part[]): Cost {
  let cycles = 0;
  let hardwareExits = 0;
  for (const { count, cost } of parts) {
    cycles += count * cost.cycles;
    hardwareExits += count * cost.hardwareExits;
  }
  return { label, cycles, hardwareExits, parts };
}
