import { describe, expect, it } from 'vitest';
import { createExitModel } from './cost.ts';
import { explain, leavesOf } from './explain.ts';
import { selectMechanisms } from './mechanisms/selection.ts';
import { dvhPaper } from './profiles/dvh-paper.ts';
import { profiles } from './profiles/index.ts';

const cyclesOf = (name: string, level: number, kind: string, dvh = 'none') =>
  createExitModel(profiles.get(name), selectMechanisms(dvh)).cost(level, kind).cycles;

describe('the recursion with the constants of the paper', () => {
  it.each([
    ['hypercall', [1_575, 37_733, 783_547]],
    ['devnotify', [4_984, 44_505, 947_604]],
    ['timer', [2_005, 40_063, 823_935]],
    ['ipi', [3_273, 40_774, 746_103]],
  ])('prices %s as the specification does, to the cycle', (kind, expected) => {
    expect(expected.map((_, index) => cyclesOf('dvh-paper', index + 1, kind))).toEqual(expected);
  });

  it('prices the operations of guest hypervisors to the cycle', () => {
    const model = createExitModel(dvhPaper);
    expect(model.cost(1, 'vmread').cycles).toBe(1_900);
    expect(model.cost(1, 'vmptrld').cycles).toBe(7_500);
    expect(model.cost(1, 'invept').cycles).toBe(4_000);
    expect(model.cost(2, 'vmread').cycles).toBe(39_958);
    expect(model.cost(3, 'vmread').cycles).toBe(823_830);
  });

  it('counts hardware exits with the same recursion', () => {
    const exits = (name: string, level: number) =>
      createExitModel(profiles.get(name)).cost(level, 'hypercall').hardwareExits;
    expect(exits('dvh-paper', 1)).toBe(1);
    expect(exits('dvh-paper', 2)).toBe(3);
    expect([exits('no-vmcs-shadowing', 2), exits('no-vmcs-shadowing', 3)]).toEqual([14, 368]);
    for (const kind of ['hypercall', 'devnotify', 'timer', 'ipi']) {
      const atThree = createExitModel(dvhPaper).cost(3, kind).hardwareExits;
      expect(atThree).toBeGreaterThanOrEqual(140);
      expect(atThree).toBeLessThanOrEqual(177);
    }
  });

  it('gives the structural what-ifs of the specification', () => {
    expect(cyclesOf('no-vmcs-shadowing', 2, 'hypercall')).toBe(58_303);
    expect(cyclesOf('no-vmcs-shadowing', 3, 'hypercall')).toBe(1_168_767);
    const both = createExitModel({ ...dvhPaper, shadowLevels: [1, 2] }).cost(3, 'hypercall');
    expect([both.cycles, both.hardwareExits]).toEqual([344_339, 118]);
    expect(
      ['hypercall', 'devnotify', 'timer', 'ipi'].map((kind) => cyclesOf('emulated-vmcs-shadowing', 3, kind)),
    ).toEqual([364_909, 414_792, 405_297, 365_523]);
    expect(cyclesOf('hyperv-evmcs', 2, 'hypercall')).toBe(35_863);
    expect(cyclesOf('memory-vmcs', 3, 'hypercall')).toBe(91_251);
    expect(cyclesOf('turtles', 2, 'cpuid')).toBe(59_328);
  });

  it('gives the DVH columns of the specification', () => {
    expect(cyclesOf('dvh-paper', 2, 'hypercall', 'dvh')).toBe(39_308);
    expect(cyclesOf('dvh-paper', 3, 'hypercall', 'dvh') - cyclesOf('dvh-paper', 3, 'hypercall')).toBe(61_358);
    expect(['devnotify', 'timer', 'ipi'].map((kind) => cyclesOf('dvh-paper', 2, kind, 'dvh'))).toEqual([
      13_815, 3_247, 5_116,
    ]);
    expect(['devnotify', 'timer', 'ipi'].map((kind) => cyclesOf('dvh-paper', 3, kind, 'dvh'))).toEqual([
      15_150, 3_304, 5_228,
    ]);
  });

  it('charges the level-2 price when only L1 provides and L2 consumes', () => {
    const model = createExitModel(dvhPaper, selectMechanisms('timer', { providers: [1], consumers: [2] }));
    expect(model.cost(3, 'timer').cycles).toBe(40_063 + 1_242);
  });

  it('explains every cost by leaves that add up to it', () => {
    for (const profile of profiles)
      for (const dvh of ['none', 'vp', 'dvh'])
        for (const kind of Object.keys(profile.kinds))
          for (let level = 1; level <= Math.min(5, profile.deepest?.level ?? 5); level++) {
            const cost = createExitModel(profile, selectMechanisms(dvh)).cost(level, kind);
            const tree = explain(cost);
            expect(leavesOf(tree).reduce((total, leaf) => total + leaf.cycles, 0)).toBe(cost.cycles);
            expect(leavesOf(tree).reduce((total, leaf) => total + leaf.hardwareExits, 0)).toBe(cost.hardwareExits);
          }
  });
});
