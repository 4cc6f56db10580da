import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createExitModel } from './cost.ts';
import { mechanisms, selectMechanisms } from './mechanisms/selection.ts';
import type { OperationList, Profile } from './profile.ts';
import { dvhPaper } from './profiles/dvh-paper.ts';
import { profiles } from './profiles/index.ts';

const anyList = fc.record({ S: fc.nat(20), N: fc.nat(20), PTR: fc.nat(2), INV: fc.nat(2), ICR: fc.nat(2) });
const anyConstants = fc.record({
  hardwareCycles: fc.nat(5_000),
  reflectRunCycles: fc.nat(50_000),
  nativeAccessCycles: fc.nat(100),
  reflectSoftwareCycles: fc.nat(5_000),
  runSoftwareCycles: fc.nat(5_000),
  shadowLevels: fc.subarray([1, 2, 3]),
});
const anyProfile: fc.Arbitrary<Profile> = fc
  .tuple(anyConstants, anyList, anyList, anyList)
  .map(([constants, handler, reflect, run]) => ({
    ...dvhPaper,
    ...constants,
    reflect,
    run,
    // A VMCS access that does not exit is never dearer than the exit it avoids.
    nativeAccessCycles: Math.min(constants.nativeAccessCycles, constants.hardwareCycles),
    kinds: { ...dvhPaper.kinds, hypercall: { ...dvhPaper.kinds.hypercall!, handler: handler } },
  }));
const levels = [1, 2, 3, 4];
/** VMPTRLD is cheaper above L0: with hardware and RM0 next to nothing, depth would pay. */
const sameSoftware = Object.fromEntries(
  Object.entries(dvhPaper.kinds).map(([kind, { swAboveCycles: _, ...rest }]) => [kind, rest]),
);

/** The closed forms of section 4.1, written out for levels 1 to 3: an oracle without recursion. */
function closedForm(profile: Profile, level: number, kind: string): number {
  const { hardwareCycles: hw, reflectRunCycles: rm0, nativeAccessCycles: native } = profile;
  const sw = (name: string, above = false) => {
    const known = profile.kinds[name]!;
    return above ? (known.swAboveCycles ?? known.swCycles) : known.swCycles;
  };
  const price = (list: OperationList, at: 1 | 2): number => {
    let total = 0;
    for (const [name, count] of Object.entries(list)) {
      const shadowed = name === 'S' && profile.shadowLevels.includes(at);
      total += count * (shadowed ? native : closedForm(profile, at, profile.operations[name]!.kind));
    }
    return total;
  };
  const handler = profile.kinds[kind]!.handler;
  if (level === 1) return hw + sw(kind);
  if (level === 2) return 2 * hw + rm0 + sw(kind, true) + price(handler, 1);
  const between =
    profile.reflectSoftwareCycles + profile.runSoftwareCycles + price(profile.reflect, 1) + price(profile.run, 1);
  return 4 * hw + 2 * rm0 + between + sw(kind, true) + price(handler, 2);
}

describe('the recursion, whatever the constants', () => {
  it('agrees with the closed forms of levels 1 to 3', () => {
    fc.assert(
      fc.property(anyProfile, fc.constantFrom('hypercall', 'devnotify', 'timer', 'ipi', 'vmread'), (profile, kind) => {
        const model = createExitModel(profile);
        for (const level of [1, 2, 3]) expect(model.cost(level, kind).cycles).toBe(closedForm(profile, level, kind));
      }),
    );
  });

  it('never gets cheaper or exits less with depth, and exits at least once, where software costs the same above L0', () => {
    fc.assert(
      fc.property(anyProfile, fc.constantFrom(...Object.keys(dvhPaper.kinds)), (profile, kind) => {
        const model = createExitModel({ ...profile, kinds: sameSoftware });
        const costs = levels.map((level) => model.cost(level, kind));
        for (const [index, cost] of costs.entries()) {
          expect(cost.hardwareExits).toBeGreaterThanOrEqual(Math.max(1, costs[index - 1]?.hardwareExits ?? 1));
          expect(cost.cycles).toBeGreaterThanOrEqual(costs[index - 1]?.cycles ?? 0);
        }
      }),
    );
  });

  it('never gets cheaper with depth in a shipped profile', () => {
    const falls = [...profiles].filter((profile) => {
      const model = createExitModel(profile);
      return Object.keys(profile.kinds).some((kind) =>
        levels
          .slice(1, profile.deepest?.level)
          .some((level) => model.cost(level, kind).cycles < model.cost(level - 1, kind).cycles),
      );
    });
    expect(falls.map(({ name }) => name)).toEqual([]);
  });

  it('never gets cheaper when a constant grows', () => {
    const constants = [
      'hardwareCycles',
      'reflectRunCycles',
      'nativeAccessCycles',
      'reflectSoftwareCycles',
      'runSoftwareCycles',
    ] as const;
    fc.assert(
      fc.property(anyProfile, fc.constantFrom(...constants), fc.nat(10_000), (profile, constant, more) => {
        const dearer = { ...profile, [constant]: profile[constant] + more };
        for (const level of levels)
          expect(createExitModel(dearer).cost(level, 'timer').cycles).toBeGreaterThanOrEqual(
            createExitModel(profile).cost(level, 'timer').cycles,
          );
      }),
    );
  });

  it('is not changed on a round trip by how RM0 is split', () => {
    fc.assert(
      fc.property(anyProfile, fc.double({ min: 0, max: 1, noNaN: true }), (profile, reflectShare) => {
        const split = createExitModel({ ...profile, reflectShare });
        for (const level of levels)
          expect(split.cost(level, 'ipi').cycles).toBe(createExitModel(profile).cost(level, 'ipi').cycles);
      }),
    );
  });
});

describe('the mechanisms, in every shipped profile', () => {
  it('never make any kind dearer, alone or together, for any set of providing and consuming levels', () => {
    const someLevels = fc.option(fc.subarray([0, 1, 2, 3]), { nil: undefined });
    const lists = fc.subarray([...mechanisms.names]).map((names) => names.join(','));
    fc.assert(
      fc.property(
        fc.constantFrom(...profiles.names),
        lists,
        someLevels,
        someLevels,
        (name, list, providers, consumers) => {
          const profile = profiles.get(name);
          const scope = { ...(providers && { providers }), ...(consumers && { consumers }) };
          const with_ = createExitModel(profile, selectMechanisms(list, scope));
          const without = createExitModel(profile);
          for (const kind of Object.keys(profile.kinds))
            for (let level = 1; level <= Math.min(4, profile.deepest?.level ?? 4); level++)
              expect(with_.cost(level, kind).cycles).toBeLessThanOrEqual(without.cost(level, kind).cycles);
        },
      ),
    );
  });

  it('let only the prototype’s entry hypercall make other kinds dearer', () => {
    const list = mechanisms.names.join(',');
    const pure = createExitModel(dvhPaper, selectMechanisms(list)).cost(2, 'hypercall').cycles;
    const prototype = createExitModel(dvhPaper, selectMechanisms(`${list},prototype`)).cost(2, 'hypercall').cycles;
    expect([pure, prototype]).toEqual([37_733, 39_308]);
    expect(createExitModel(dvhPaper, selectMechanisms('dvh')).cost(2, 'hypercall').cycles).toBe(prototype);
  });

  it('do nothing at level 1, and nothing where the level between does not consume', () => {
    const kinds = ['devnotify', 'timer', 'ipi', 'hlt'];
    const plain = createExitModel(dvhPaper);
    const all = createExitModel(dvhPaper, selectMechanisms('vp,posted,timer,ipi,idle'));
    const gated = createExitModel(
      dvhPaper,
      selectMechanisms('vp,posted,timer,ipi,idle', { consumers: [2], providers: [0] }),
    );
    for (const kind of kinds) {
      expect(all.cost(1, kind).cycles).toBe(plain.cost(1, kind).cycles);
      expect(gated.cost(2, kind).cycles).toBe(plain.cost(2, kind).cycles);
      expect(gated.cost(3, kind).cycles).toBe(plain.cost(3, kind).cycles);
    }
  });
});
