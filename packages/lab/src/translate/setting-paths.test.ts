import { flatten, machineSpec } from '@strata/model/machine';
import { describe, expect, it } from 'vitest';
import { settingPath } from './setting-paths.ts';

describe('a setting', () => {
  it.each([
    ['tlb.l2.ways', 'machine.tlb.l2.page4k.ways'],
    ['machine.tlb.l1d.entries', 'machine.tlb.l1d.page4k.entries'],
    ['tlb.l2.page1g.ways', 'machine.tlb.l2.page1g.ways'],
    ['tlb.l2.policy', 'machine.tlb.l2.policy'],
    ['l2.ways', 'machine.l2.ways'],
    ['machine', 'machine'],
    ['machine.tlb.l2', 'machine.tlb.l2'],
    ['machine.extends', 'machine.extends'],
    ['cores', 'cores'],
    ['spaces.vm.page', 'spaces.vm.page'],
    ['designs.mine.slots', 'designs.mine.slots'],
  ])('%s is %s', (given, path) => {
    expect(settingPath(given)).toBe(path);
  });

  it('of a machine is found without the word machine, unless the study has one of that name', () => {
    for (const { path } of flatten(machineSpec))
      expect(settingPath(path)).toBe(['cores', 'prefetcher'].includes(path) ? path : `machine.${path}`);
  });

  it.each([
    ['machine.caches.l2.way', /Did you mean machine\.l2\.ways\?/],
    ['machine.tlb.l2.page4k.way', /Did you mean machine\.tlb\.l2\.page4k\.ways\?/],
    ['tlb.l3.ways', /Did you mean machine\.tlb\.l\d\w?\.page4k\.ways/],
    ['space.vm.page', /Did you mean spaces\.vm\.page\?/],
    ['vm.fragmentation', /Did you mean spaces\.vm\.fragmentation\?/],
    ['warm', /Did you mean warmup\?/],
    ['foo.bar', /Did you mean \w+/],
    ['machine.l2.ways.more', /Did you mean machine\.l2\.ways\?/],
  ])('%s does not exist: the nearest one is told', (given, message) => {
    expect(() => settingPath(given)).toThrow(message);
  });
});
