import { describe, expect, it } from 'vitest';
import { calibrate } from './calibrate.ts';
import { parseProfile } from './config.ts';
import { createExitModel } from './cost.ts';
import { selectMechanisms } from './mechanisms/selection.ts';
import {
  breakEven,
  type CostSource,
  costsOf,
  latencyOf,
  linkOverhead,
  nativeCyclesFrom,
  type OperationProfile,
  predictLevel,
} from './predict.ts';
import type { Profile } from './profile.ts';
import { dvhPaper } from './profiles/dvh-paper.ts';
import { profiles } from './profiles/index.ts';
import { measuredKinds, measuredOr, naivePredictors, table3 } from './table3.ts';

const model = costsOf(createExitModel(dvhPaper));
const plain = measuredOr(model, false);
const dvh = measuredOr(model, true);
const mix = { nativeCycles: 20_000, exits: { devnotify: 0.3, timer: 0.2, ipi: 0.1 } };

describe('the application model with the costs of Table 3', () => {
  it('gives the worked example of CPU-bound work exactly', () => {
    const cycles = (costs: typeof plain, level: number) => predictLevel(costs, mix, level).cyclesPerOp;
    expect(cycles(plain, 1)).toBeCloseTo(22_223.5, 6);
    expect(cycles(plain, 2)).toBeCloseTo(47_134.4, 6);
    expect(cycles(dvh, 2)).toBeCloseTo(25_305.5, 6);
    expect(cycles(plain, 3)).toBeCloseTo(608_266.8, 6);
    expect(cycles(dvh, 3)).toBeCloseTo(25_728.6, 6);
    expect(predictLevel(plain, mix, 2).slowdown).toBeCloseTo(2.357, 3);
  });

  it('gives the worked example of request and response', () => {
    const micros = (costs: CostSource, exits: OperationProfile['exits'], level: number) => {
      const work = { nativeCycles: 48_400, exits };
      return latencyOf(predictLevel(costs, work, level), work, 22, 2.2).micros;
    };
    const all = { devnotify: 1, timer: 1, hypercall: 1 };
    const wakeByL0 = (level: number) => micros(dvh, { devnotify: 1, timer: 1 }, level) + table3.hypercall.vm / 2_200;
    const rounded = [micros(plain, all, 1), micros(plain, all, 2), wakeByL0(2), micros(plain, all, 3), wakeByL0(3)];
    expect(rounded.map((micros) => Number(micros.toFixed(micros > 1000 ? 1 : 2)))).toEqual([
      25.89, 80.86, 30.47, 1340.4, 31.1,
    ]);
  });
});

describe('a prediction', () => {
  it('finds the native work again from what level 1 measured', () => {
    const atOne = predictLevel(model, mix, 1).cyclesPerOp;
    expect(nativeCyclesFrom(atOne, model, mix.exits)).toBeCloseTo(20_000, 6);
    expect(() => nativeCyclesFrom(100, model, mix.exits)).toThrow(/more than/);
  });

  it('lies within its own band, and the band holds what Table 3 measured', () => {
    for (const level of [1, 2, 3])
      for (const kind of measuredKinds) {
        const one = { nativeCycles: 10_000, exits: { [kind]: 1 } };
        const { slowdown, low, high } = predictLevel(model, one, level);
        expect(low).toBeLessThanOrEqual(slowdown);
        expect(high).toBeGreaterThanOrEqual(slowdown);
        const measured = predictLevel(plain, one, level).slowdown;
        expect(measured).toBeGreaterThanOrEqual(low);
        expect(measured).toBeLessThanOrEqual(high);
      }
  });

  it('uses exactly the budget at the break-even rate', () => {
    const { exitsPerOp, timesRecorded } = breakEven(model, mix, 2, 1.5);
    const scaled = Object.fromEntries(Object.entries(mix.exits).map(([kind, count]) => [kind, count * timesRecorded]));
    expect(predictLevel(model, { ...mix, exits: scaled }, 2).slowdown).toBeCloseTo(1.5, 9);
    expect(exitsPerOp).toBeCloseTo(0.6 * timesRecorded, 9);
  });

  it('charges an interrupt once per hypervisor in between, and nothing when it is posted', () => {
    const quiet = { nativeCycles: 1, exits: {}, interrupts: { device: 1, timer: 0.5, ipi: 0.25 } };
    const one = model.cycles(3, 'interrupt');
    const posted = (...sources: ('device' | 'timer' | 'ipi')[]) =>
      predictLevel(model, quiet, 3, { posted: sources, costs: model }).cyclesPerOp;
    expect(predictLevel(model, quiet, 1).cyclesPerOp).toBe(1);
    expect(predictLevel(model, quiet, 3).cyclesPerOp).toBe(1 + 2 * 1.75 * one);
    expect(posted('timer')).toBe(1 + 2 * 1.25 * one);
    expect(posted('device')).toBe(1 + 2 * 0.75 * one);
    expect(posted('device', 'timer', 'ipi')).toBe(1);
  });

  it('keeps a link busy until the CPUs are', () => {
    expect(linkOverhead(1_000, 1e6, 2, 1)).toBe(1);
    expect(linkOverhead(4_000, 1e6, 2, 1)).toBe(2);
  });

  it('falls to the price of level 1 and a little under DVH', () => {
    const direct = costsOf(createExitModel(dvhPaper, selectMechanisms('dvh')));
    expect(direct.cycles(2, 'timer')).toBe(3_247);
    expect(direct.error(2, 'timer')).toBe(model.error(1, 'timer'));
  });
});

it('calls an exit that a hypervisor between takes predicted, with the band of that level', () => {
  const gated = costsOf(createExitModel(dvhPaper, selectMechanisms('timer', { providers: [1], consumers: [2] })));
  expect([gated.basis(3, 'timer'), gated.error(3, 'timer')]).toEqual(['predicted', model.error(2, 'timer')]);
  const direct = costsOf(createExitModel(dvhPaper, selectMechanisms('timer')));
  expect([direct.basis(2, 'timer'), direct.basis(3, 'timer'), direct.basis(4, 'timer')]).toEqual([
    'fitted',
    'fitted',
    'predicted',
  ]);
});

it('calls a direct exit fitted on the machine it was fitted on, and on no other', () => {
  const basis = (profile: Profile) => costsOf(createExitModel(profile, selectMechanisms('vp'))).basis(2, 'devnotify');
  const column = (of: 'vm' | 'nested') => new Map(Object.entries(table3).map(([kind, row]) => [kind, row[of]]));
  expect(basis(dvhPaper)).toBe('fitted');
  expect(basis(profiles.get('no-vmcs-shadowing'))).toBe('fitted');
  expect(basis(profiles.get('svt'))).toBe('predicted');
  expect(basis(parseProfile({ extends: 'dvh-paper', HW: 900 }, 'mine.yaml'))).toBe('predicted');
  expect(basis(calibrate(column('vm'), column('nested')).profile)).toBe('assumed');
});

it('the naive predictors err as the specification says', () => {
  const errors = Object.values(naivePredictors).map((predict) =>
    measuredKinds.map((kind) => Math.round((predict(kind) / table3[kind].three - 1) * 1000) / 10),
  );
  expect(errors[1]!.map(Math.round)).toEqual([5, -53, -9, -40]);
  expect(errors[2]).toEqual([5.4, 14.9, 0.5, 20]);
  for (const error of errors[0]!) expect(error).toBeLessThan(-89);
});
