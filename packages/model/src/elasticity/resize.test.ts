import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasReference, reference, referenceReason } from '../../../../testing/components.ts';
import { hostProfileOf, xeon6252 } from './costs.ts';
import { translationEventsOf } from './events.ts';
import { type ResizeInput, resizeVm } from './resize.ts';
import { techniques } from './techniques/index.ts';

function resize(name: string, given: Partial<ResizeInput> = {}) {
  const vfio = name.endsWith('+vfio');
  return resizeVm({
    technique: techniques.get(name.replace('+vfio', '')),
    profile: xeon6252,
    fromGib: 20,
    toGib: 2,
    touched: true,
    vfio,
    ...given,
  });
}

const resizable = [
  'virtio-balloon',
  'virtio-balloon-huge',
  'virtio-mem',
  'virtio-mem+vfio',
  'hyperalloc',
  'hyperalloc+vfio',
];

describe.skipIf(!hasReference)(`rates against the recorded means${referenceReason}`, () => {
  const rows = hasReference
    ? readFileSync(reference('elasticity/inflate.csv'), 'utf8')
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(','))
    : [];
  const mean = (technique: string, touched: boolean, column: number) => {
    const values = rows
      .filter((row) => row[0] === technique && row[1] === (touched ? '1' : '0') && row[2] !== '0')
      .map((row) => Number(row[column]) / 1e6);
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };

  it.each(resizable.flatMap((name) => [true, false].map((touched) => [name, touched] as const)))(
    '%s, touched %s: shrinking and growing are within 3.5 %% of the data',
    (name, touched) => {
      const { shrinkMs, growMs } = resize(name, { touched });
      expect(Math.abs(shrinkMs / mean(name, touched, 3) - 1)).toBeLessThan(0.035);
      expect(Math.abs(growMs / mean(name, touched, 4) - 1)).toBeLessThan(0.035);
    },
  );

  it.each(resizable)('%s: touching 19 GiB again is within 4 %% of the data', (name) => {
    expect(Math.abs(resize(name).touchMs / mean(name, true, 5) - 1)).toBeLessThan(0.04);
  });

  it('predicts the first shrink of a balloon, when the host still has huge pages, and of HyperAlloc with VFIO', () => {
    const first = (technique: string, touched: string) =>
      Number(rows.find((row) => row[0] === technique && row[1] === touched && row[2] === '0')![3]) / 1e6;
    expect(resize('virtio-balloon', { first: true }).shrinkMs / first('virtio-balloon', '1')).toBeCloseTo(1, 1.5);
    expect(
      resize('hyperalloc+vfio', { first: true, touched: false }).shrinkMs / first('hyperalloc+vfio', '0'),
    ).toBeCloseTo(1, 1.5);
  });
});

describe('worked example H10', () => {
  it('gives the times of the specification for 18 GiB', () => {
    expect(resize('hyperalloc').shrinkMs).toBeCloseTo(58.3, 0.5);
    expect(resize('hyperalloc', { touched: false }).shrinkMs).toBeCloseTo(3.97, 1);
    expect(resize('hyperalloc').growMs).toBeCloseTo(2.35, 1);
    expect(resize('virtio-balloon').shrinkMs / 1000).toBeCloseTo(21, 1);
    expect(resize('virtio-balloon', { touched: false }).shrinkMs / 1000).toBeCloseTo(12, 1);
    expect(resize('virtio-balloon').growMs / 1000).toBeCloseTo(8.4, 1);
    expect(resize('virtio-mem+vfio').growMs / 1000).toBeCloseTo(4.19, 2);
  });

  it('makes HyperAlloc 362 times as fast as a balloon and 10 times as fast as virtio-mem', () => {
    const { shrinkMs } = resize('hyperalloc');
    expect(Math.abs(resize('virtio-balloon').shrinkMs / shrinkMs - 362)).toBeLessThan(12);
    expect(Math.abs(resize('virtio-mem').shrinkMs / shrinkMs - 10)).toBeLessThan(0.4);
  });
});

describe('resizing', () => {
  it('takes time in proportion to the memory that moves, in either order of the sizes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...resizable),
        fc.integer({ min: 1, max: 200 }),
        fc.boolean(),
        (name, gib, touched) => {
          const one = resize(name, { fromGib: 1, toGib: 0, touched });
          const many = resize(name, { fromGib: gib, toGib: 0, touched });
          expect(many.shrinkMs / gib).toBeCloseTo(one.shrinkMs, 6);
          expect(many.growMs / gib).toBeCloseTo(one.growMs, 6);
          expect(resize(name, { fromGib: 0, toGib: gib, touched }).shrinkMs).toBe(many.shrinkMs);
        },
      ),
    );
  });

  it('never takes longer for untouched memory', () => {
    for (const name of resizable)
      expect(resize(name, { touched: false }).shrinkMs).toBeLessThanOrEqual(resize(name).shrinkMs);
  });

  it('says why a technique cannot be resized, or not beside a passed-through device', () => {
    expect(() => resize('free-page-reporting')).toThrow(/cannot be told a size/);
    expect(() => resize('virtio-balloon+vfio')).toThrow(/VFIO/);
    expect(() => resize('hyperalloc', { toGib: 20 })).toThrow(/nothing moves/);
    expect(() => resize('hyperalloc', { toGib: -1 })).toThrow(/0 GiB or more/);
  });

  it('takes costs of a host of the user, and refuses unknown ones', () => {
    const slow = hostProfileOf('mine.yaml', { reclaimState2m: 0.8616 });
    expect(resize('hyperalloc', { touched: false, profile: slow }).shrinkMs).toBeCloseTo(7.94, 2);
    expect(() => hostProfileOf('mine.yaml', { reclaimstate2m: 1 })).toThrow(/Did you mean reclaimState2m/);
  });

  it('counts the invalidations that address translation sees', () => {
    const { plan } = resize('hyperalloc+vfio');
    expect(translationEventsOf(plan.shrink)).toEqual({
      eptInvalidations: 9216,
      iotlbInvalidations: 9216,
      hugePageSplits: 0,
      hostPopulations: 0,
    });
    expect(translationEventsOf(resize('virtio-balloon', { first: true }).plan.shrink).hugePageSplits).toBe(9216);
  });
});
