import { expect, it } from 'vitest';
import { holds } from '../machine/claims.ts';
import { nestingClaims } from './claims.ts';
import { createExitModel } from './cost.ts';
import { dvhPaper } from './profiles/dvh-paper.ts';
import { profiles } from './profiles/index.ts';

const decided = nestingClaims.filter(({ open }) => open === undefined);
const undecided = nestingClaims.filter(({ open }) => open !== undefined);

it.each(decided.map((claim) => [claim.statement, claim] as const))('claim: %s', (_, claim) => {
  const value = claim.value();
  expect(holds(claim.expectation, value), `measured ${value}, published ${claim.published}`).toBe(true);
});

it('leaves open what assumed exits or unpublished figures would decide, with both figures and the reason', () => {
  const figures = Object.fromEntries(undecided.map((claim) => [claim.id.replace('nesting.', ''), claim.value()]));
  expect(Object.keys(figures)).toEqual([
    'order-of-magnitude.netperf-rr',
    'order-of-magnitude.memcached',
    'svt-io-latency',
    'near-native',
    'three-times-worse.netperf-rr',
    'three-times-worse.memcached',
    'three-times-worse.apache',
    'neve-nv2-as-hypercalls',
  ]);
  expect(figures['svt-io-latency']).toBeCloseTo(44_505 / 40_905, 9);
  expect(figures['neve-nv2-as-hypercalls']).toBe(119_801);
  expect(nestingClaims.filter(({ how, open }) => how === 'assumed' && open === undefined)).toEqual([]);
});

it('explains the reasons it gives for what does not come out', () => {
  const free = createExitModel({ ...dvhPaper, hardwareCycles: 0 }).cost(2, 'devnotify').cycles;
  expect(44_505 / free).toBeCloseTo(1.1, 2);
  const save = 44_505 - 44_505 / 2.3 - 4_000;
  expect(Math.round(save / 100) * 100).toBe(21_200);
  for (const published of [92_385, 100_895]) {
    const saved = (422_720 - published) / (126 - 15);
    expect([2_899, 2_976]).toContain(Math.round(saved));
  }
  const vhe = createExitModel(profiles.get('arm-nv-vhe')).cost(2, 'hypercall').cycles;
  expect(100 * (vhe / 307_363 - 1)).toBeCloseTo(-4.5, 1);
});

it('names every claim once', () => {
  expect(new Set(nestingClaims.map(({ id }) => id)).size).toBe(nestingClaims.length);
});
