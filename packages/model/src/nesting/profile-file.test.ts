import { describe, expect, it } from 'vitest';
import { parseProfile } from './config.ts';
import { createExitModel } from './cost.ts';
import { basisOf, errorOf } from './profile.ts';
import { profileFileOf } from './profile-file.ts';
import { profiles } from './profiles/index.ts';

describe('a profile file', () => {
  it.each([...profiles].map((profile) => [profile.name, profile] as const))(
    'says all of %s: the same costs, marks and bands come back',
    (_, profile) => {
      const again = parseProfile(JSON.parse(JSON.stringify(profileFileOf(profile))), 'file');
      expect({ ...again, operations: profile.operations }).toEqual(profile);
      const [one, two] = [createExitModel(profile), createExitModel(again)];
      for (let level = 1; level <= Math.min(5, profile.deepest?.level ?? 5); level++)
        for (const kind of Object.keys(profile.kinds)) {
          expect(two.cost(level, kind).cycles).toBe(one.cost(level, kind).cycles);
          expect(two.cost(level, kind).hardwareExits).toBe(one.cost(level, kind).hardwareExits);
          expect(basisOf(again, level, kind)).toBe(basisOf(profile, level, kind));
          expect(errorOf(again, level, kind)).toBe(errorOf(profile, level, kind));
        }
    },
  );

  it.each([
    [{ basis: { HW: 'guessed' } }, /no basis: "guessed"/],
    [{ basis: { timr: 'fitted' } }, /timr is neither a constant nor a kind/],
    [{ fittedTo: [{ level: 0, kind: 'timer' }] }, /not a level and a kind/],
    [{ errorsByKind: { timer: [] } }, /not a list of shares/],
    [{ deepest: 2 }, /wrong type/],
    [{ root: 'ept' }, /not a list of names/],
  ])('says what is wrong with %j', (fields, message) => {
    expect(() => parseProfile({ extends: 'dvh-paper', ...fields }, 'mine.yaml')).toThrow(message);
  });

  it('marks what it changes as assumed unless it says where the figure is from', () => {
    const silent = parseProfile({ extends: 'dvh-paper', RM0: 1, sw: { timer: 2 } }, 'file');
    expect([
      silent.constants.RM0,
      silent.constants.REFLECT,
      silent.kinds.timer!.basis,
      silent.kinds.ipi!.basis,
    ]).toEqual(['assumed', 'derived', 'assumed', 'fitted']);
    const told = parseProfile(
      { extends: 'dvh-paper', RM0: 1, sw: { timer: 2 }, basis: { RM0: 'published', timer: 'fitted' } },
      'file',
    );
    expect([told.constants.RM0, told.kinds.timer!.basis]).toEqual(['published', 'fitted']);
  });
});
