import { describe, expect, it } from 'vitest';
import { calibrate } from './calibrate.ts';
import { parseProfile } from './config.ts';
import { createExitModel } from './cost.ts';
import { basisOf, errorOf } from './profile.ts';
import { profileFileOf } from './profile-file.ts';
import { dvhPaper } from './profiles/dvh-paper.ts';
import { profiles } from './profiles/index.ts';
import { table3 } from './table3.ts';

const column = (of: 'vm' | 'nested') => new Map(Object.entries(table3).map(([kind, row]) => [kind, row[of]]));

describe('calibration', () => {
  it('finds the published profile again from levels 1 and 2 of Table 3', () => {
    const { profile, rows, level3 } = calibrate(column('vm'), column('nested'));
    expect(profile.reflectRunCycles).toBe(32_928);
    expect(profile.kinds).toEqual(dvhPaper.kinds);
    expect(level3?.cycles).toBe(783_547);
    expect(level3?.low).toBeLessThan(table3.hypercall.three);
    expect(level3?.high).toBeGreaterThan(table3.hypercall.three);
    expect(rows.filter(({ fitted }) => fitted).every(({ error }) => error === 0)).toBe(true);
    expect(rows.find(({ kind, level }) => kind === 'timer' && level === 2)?.error).toBeCloseTo(-0.076, 3);
  });

  it('recovers constants it has never seen from what they produce', () => {
    const truth = {
      ...dvhPaper,
      reflectRunCycles: 20_000,
      kinds: { ...dvhPaper.kinds, cpuid: { ...dvhPaper.kinds.cpuid!, swCycles: 444 } },
    };
    const at = (level: number) =>
      new Map(['hypercall', 'cpuid', 'ipi'].map((kind) => [kind, createExitModel(truth).cost(level, kind).cycles]));
    const { profile, rows } = calibrate(at(1), at(2));
    expect([profile.reflectRunCycles, profile.kinds.cpuid!.swCycles]).toEqual([20_000, 444]);
    expect(rows.every(({ error }) => error === 0)).toBe(true);
  });

  it('says how far the fitted constant moves with the runs, and never gives a band narrower than they are apart', () => {
    const once = calibrate(column('vm'), column('nested'));
    expect(once.fittedConstant).toEqual({ cycles: 32_928 });
    const highest = { level1: new Map([['hypercall', 1_675]]), level2: new Map([['hypercall', 42_733]]) };
    const { fittedConstant, level3, profile, rows } = calibrate(column('vm'), column('nested'), dvhPaper, highest);
    // T(2) = 2 HW + RM0 + sw + 11 d_vm + op(1,N): 5,000 cycles more at level 2 are 5,000 more of RM0, 100 more at level 1 are 100 less.
    expect(fittedConstant).toEqual({ cycles: 32_928, low: 32_828, high: 37_928 });
    expect(level3!.high).toBeGreaterThan(once.level3!.high);
    expect(rows.find(({ kind, level }) => kind === 'hypercall' && level === 2)?.spread).toBeCloseTo(5_000 / 37_733, 12);
    const [atOne, atTwo, atThree] = profile.knownErrors.byLevel;
    expect(atOne).toBeCloseTo(100 / 1_575, 12);
    expect(atTwo).toBeCloseTo(5_000 / 37_733, 12);
    expect(atThree).toBe(0.26);
  });

  it('writes a profile file that gives the same costs', () => {
    const { profile } = calibrate(column('vm'), column('nested'));
    const again = parseProfile(profileFileOf(profile), 'calibrated.yaml');
    for (const level of [1, 2, 3])
      expect(createExitModel(again).cost(level, 'ipi').cycles).toBe(createExitModel(profile).cost(level, 'ipi').cycles);
    expect(again.knownErrors.byLevel).toEqual(profile.knownErrors.byLevel);
  });

  it.each(['hyperv-evmcs', 'pvm'])('fits %s, which ends at level 2, and says that level 3 is not available', (name) => {
    const base = profiles.get(name);
    const nested = new Map([
      ['hypercall', 36_000],
      ['timer', 37_000],
    ]);
    const { profile, rows, warnings, ...rest } = calibrate(column('vm'), nested, base);
    expect(rest.level3).toBeUndefined();
    expect(warnings[0]).toMatch(/Level 3 is not available: profile .* ends at level 2/);
    expect(profile.knownErrors.byLevel).toHaveLength(2);
    expect(rows.filter(({ fitted }) => fitted).map(({ error }) => error)).toEqual([0, 0, 0, 0, 0]);
    const again = parseProfile(profileFileOf(profile), 'calibrated.yaml');
    expect(createExitModel(again).cost(2, 'hypercall').cycles).toBe(36_000);
  });

  it('keeps in its file what was fitted and how far each kind errs, on top of any base', () => {
    for (const base of [
      dvhPaper,
      profiles.get('pvm'),
      { ...dvhPaper, name: 'a machine of no registry', notes: ['x'] },
    ]) {
      const { profile } = calibrate(column('vm'), column('nested'), base);
      const again = parseProfile(JSON.parse(JSON.stringify(profileFileOf(profile))), 'calibrated.yaml');
      for (const level of [1, 2])
        for (const kind of Object.keys(profile.kinds)) {
          expect([kind, level, basisOf(again, level, kind)]).toEqual([kind, level, basisOf(profile, level, kind)]);
          expect(errorOf(again, level, kind)).toBe(errorOf(profile, level, kind));
        }
      expect(basisOf(again, 1, 'timer')).toBe('fitted');
      expect(basisOf(again, 2, 'hypercall')).toBe('fitted');
      expect(basisOf(again, 2, 'timer')).toBe('predicted');
      expect(again.constants).toEqual(profile.constants);
      expect(again.notes).toEqual(profile.notes);
    }
  });

  it('widens the band of the kind that errs and of no other', () => {
    const bad = new Map([...column('nested'), ['ipi', 90_000]]);
    const good = calibrate(column('vm'), column('nested')).profile;
    const { profile } = calibrate(column('vm'), bad);
    expect(errorOf(profile, 2, 'ipi')).toBeGreaterThan(0.5);
    for (const kind of ['timer', 'devnotify', 'hypercall', 'cpuid'])
      for (const level of [2, 3]) expect(errorOf(profile, level, kind)).toBe(errorOf(good, level, kind));
  });

  it('says what is missing or contradictory', () => {
    expect(() => calibrate(new Map(), column('nested'))).toThrow(/level 1/);
    expect(() => calibrate(column('vm'), new Map())).toThrow(/level 2/);
    expect(() => calibrate(column('vm'), column('vm'))).toThrow(/cheaper than its parts/);
    expect(calibrate(column('vm'), new Map([['hypercall', 37_733]])).warnings[0]).toMatch(/nothing is left to test/);
  });
});
