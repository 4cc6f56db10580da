import { describe, expect, it } from 'vitest';
import { StrataError } from '../machine/errors.ts';
import { parseProfile } from './config.ts';
import { createExitModel } from './cost.ts';
import { dvhPaper } from './profiles/dvh-paper.ts';

const synthetic = {
  HW: 1000,
  RM0: 10000,
  sw: { h: 500 },
  sw_vm: 200,
  d_vm: 0,
  sw_r: 0,
  sw_m: 0,
  HANDLER: { h: { S: 2, N: 1 }, vm: {} },
  REFLECT: { N: 3 },
  RUN: { N: 2 },
};

function rows(given: Record<string, unknown>) {
  const model = createExitModel(parseProfile(given, 'v3.yaml'));
  const costs = [1, 2, 3, 4].map((level) => model.cost(level, 'h'));
  return { cycles: costs.map((cost) => cost.cycles), exits: costs.map((cost) => cost.hardwareExits) };
}

describe('a profile file expresses the synthetic recursion of the specification exactly', () => {
  it.each([
    ['shadow levels {1}', [1], [1500, 13700, 67100, 212100], [1, 3, 15, 55]],
    ['no shadowing', 'none', [1500, 16100, 67100, 212100], [1, 5, 15, 55]],
    ['shadow levels {1, 2}', [1, 2], [1500, 13700, 42700, 212100], [1, 3, 11, 55]],
    ['shadow levels {1} as a set', { 1: null }, [1500, 13700, 67100, 212100], [1, 3, 15, 55]],
    ['shadow levels {1, 2} as a set', { 1: null, 2: null }, [1500, 13700, 42700, 212100], [1, 3, 11, 55]],
    ['shadow levels {1, 2, 3}', [1, 2, 3], [1500, 13700, 42700, 151700], [1, 3, 11, 37]],
  ])('with %s', (_, shadow, cycles, exits) => {
    expect(rows({ ...synthetic, shadow })).toEqual({ cycles, exits });
  });

  it('with its keys grouped and kinds written as sw[h]', () => {
    const { HANDLER, REFLECT, RUN, sw: _, ...constants } = synthetic;
    const grouped = { constants: { ...constants, 'sw[h]': 500 }, lists: { HANDLER, REFLECT, RUN }, shadowLevels: [1] };
    expect(rows(grouped)).toEqual(rows({ ...synthetic, shadow: [1] }));
  });

  it('with its lists in the notation of the specification', () => {
    const { HANDLER: _, REFLECT: __, RUN: ___, ...constants } = synthetic;
    const compact = {
      ...constants,
      'HANDLER[h]': { S2: null, N1: null },
      'HANDLER[vm]': {},
      REFLECT: { N3: null },
      RUN: { N2: null },
    };
    expect(rows(compact)).toEqual(rows({ ...synthetic, shadow: [1] }));
  });
});

describe('a profile file that extends another', () => {
  it('changes what it names and keeps the rest', () => {
    const profile = parseProfile({ extends: 'dvh-paper', sw_vm: 1300 }, 'mine.yaml');
    expect(createExitModel(profile).cost(2, 'hypercall').cycles).toBe(37_733 + 400);
    expect(parseProfile({ extends: 'dvh-paper' }, 'mine.yaml').kinds).toEqual(dvhPaper.kinds);
  });
});

describe('a bad profile file gets a sentence', () => {
  it.each([
    ['a list instead of a map', [], /a map/],
    ['no hardware cost', { RM0: 1 }, /HW is missing/],
    ['an unknown key', { HW: 1, RM0: 1, sw_wm: 3 }, /Did you mean sw_vm/],
    ['text for a number', { HW: 'x', RM0: 1 }, /a number/],
    ['a negative count', { ...synthetic, REFLECT: { N: -1 } }, /at least 0/],
    ['an unknown operation class', { ...synthetic, REFLECT: { X: 1 } }, /unknown operation class X/],
    ['an operation without cost', { ...synthetic, REFLECT: { PTR: 1 } }, /vmptrld, which has no cost/],
    ['an infinite constant', { ...synthetic, HW: Infinity }, /of at least 0/],
    ['a constant that is no number', { ...synthetic, RM0: NaN }, /a number/],
    ['an infinite cost', { ...synthetic, sw: { h: Infinity } }, /finite.*Infinity/s],
    ['an infinite count', { ...synthetic, REFLECT: { N: NaN } }, /finite.*NaN/s],
    ['a count without end', { ...synthetic, REFLECT: { [`N${'9'.repeat(400)}`]: null } }, /finite/],
    ['an infinite band', { ...synthetic, errors: [Infinity] }, /finite/],
    ['a set of no levels', { ...synthetic, shadow: { one: null } }, /no level/],
    ['an unknown base', { extends: 'dvh-papr' }, /dvh-paper/],
    ['a level below 1', { ...synthetic, shadow: [0] }, /no level: 0/],
  ])('%s', (_, given, message) => {
    expect(() => parseProfile(given, 'bad.yaml')).toThrow(StrataError);
    expect(() => parseProfile(given, 'bad.yaml')).toThrow(message);
  });
});
