import { describe, expect, it } from 'vitest';
import { overheadOf, scoreRuns, workloadNamed } from './score.ts';
import { allSetUps, planSetUp } from './setups.ts';

describe('the planner of the experiment', () => {
  it('plans level 3 with DVH exactly as the artifact', () => {
    const { id, levels } = planSetUp(3, 'dvh');
    expect(id).toBe('L3-4');
    expect(levels.map(({ kernel }) => kernel)).toEqual(['dvh-L0', 'dvh-full', 'dvh-basic', 'base']);
    expect(levels.map(({ qemu }) => qemu)).toEqual(['dvh', 'dvh', 'base', undefined]);
    expect(levels.map(({ parameters }) => parameters)).toEqual([
      ['maxcpus=10', 'kvm-intel.nested=1'],
      ['nested=1', 'intel_iommu=on'],
      ['intel_iommu=on'],
      [],
    ]);
    expect(levels.map(({ vcpus, memoryGB }) => [vcpus, memoryGB])).toEqual([
      [undefined, undefined],
      [8, 36],
      [6, 24],
      [4, 12],
    ]);
  });

  it('tells passthrough from DVH-VP at level 2 by the IOMMU of L0 alone', () => {
    expect(planSetUp(2, 'passthrough').levels[0]!.parameters).toContain('intel_iommu=on');
    expect(planSetUp(2, 'dvh-vp').levels[0]!.parameters).not.toContain('intel_iommu=on');
    expect(planSetUp(2, 'dvh-vp').levels[1]).toEqual(planSetUp(2, 'passthrough').levels[1]);
  });

  it('knows exactly the eleven set-ups', () => {
    expect(allSetUps().map(({ id, configuration }) => `${id} ${configuration}`)).toEqual([
      'L0-1 base',
      'L1-1 base',
      'L1-2 passthrough',
      'L2-1 base',
      'L2-2 passthrough',
      'L2-3 dvh-vp',
      'L2-4 dvh',
      'L3-1 base',
      'L3-2 passthrough',
      'L3-3 dvh-vp',
      'L3-4 dvh',
    ]);
    expect(allSetUps().map(({ levels }) => levels[0]!.parameters.join(' '))).toEqual([
      'maxcpus=4',
      'maxcpus=6',
      'maxcpus=6 intel_iommu=on',
      'maxcpus=8 kvm-intel.nested=1',
      'maxcpus=8 kvm-intel.nested=1 intel_iommu=on',
      'maxcpus=8 kvm-intel.nested=1',
      'maxcpus=8 kvm-intel.nested=1',
      'maxcpus=10 kvm-intel.nested=1',
      'maxcpus=10 kvm-intel.nested=1 intel_iommu=on',
      'maxcpus=10 kvm-intel.nested=1',
      'maxcpus=10 kvm-intel.nested=1',
    ]);
  });

  it('refuses what the experiment does not have', () => {
    expect(() => planSetUp(1, 'dvh')).toThrow(/base, passthrough at level 1/);
    expect(() => planSetUp(4, 'base')).toThrow(/0 to 3/);
  });
});

describe('the scoring rule', () => {
  it('gives the figures of the artifact’s own sample', () => {
    const rr = [
      [20081.91, 20089.42, 19987.31, 20029.22],
      [19990.36, 20135.43, 19985.2, 20158.78],
    ];
    const stream = [
      [9413.8, 9411.59, 9414.17, 9414.13],
      [9413.92, 9413.5, 9414.33, 9414.27],
    ];
    expect(scoreRuns(rr, 'higher').best).toBeCloseTo(20067.4425, 9);
    expect(scoreRuns(rr, 'higher').runMeans[0]).toBeCloseTo(20046.965, 9);
    expect(scoreRuns(stream, 'higher').best).toBeCloseTo(9414.005, 9);
  });

  it('takes the smallest mean of times, and reads overhead so that more is slower', () => {
    expect(
      scoreRuns(
        [
          [4, 6],
          [5.5, 5.5],
          [4, 4.5],
        ],
        'lower',
      ).best,
    ).toBe(4.25);
    expect([overheadOf(100, 50, 'higher'), overheadOf(4, 8, 'lower')]).toEqual([2, 2]);
    expect(workloadNamed('netperf-rr.txt')?.better).toBe('higher');
  });
});
