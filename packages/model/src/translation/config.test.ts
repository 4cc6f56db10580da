import { describe, expect, it } from 'vitest';
import { resolveTranslationConfig } from './config.ts';
import { demandSpaces } from './demand-spaces.ts';

describe('a study configuration', () => {
  it('has defaults for everything, and the baseline always among its designs', () => {
    const config = resolveTranslationConfig({ setup: 'virtualized', designs: ['shadow'] });
    expect(Object.keys(config.designs)).toEqual(['radix', 'shadow']);
    expect(config).toMatchObject({ warmup: 0, engine: 'printed', machine: { cores: 20 } });
  });

  it('stays the same when resolved again, as from a manifest', () => {
    const config = resolveTranslationConfig({ setup: 'nested', designs: ['radix', 'shadow'], cores: 3, page: 'thp' });
    expect(resolveTranslationConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  it('lets shorthands override the machine, whether preset or object, and leaves a space its own page size', () => {
    for (const machine of [undefined, 'artifact', { extends: 'artifact', cores: 7 }])
      expect(resolveTranslationConfig({ machine, cores: 2, prefetcher: 'none' }).machine).toMatchObject({
        cores: 2,
        prefetcher: 'none',
      });
    const { spaces } = resolveTranslationConfig({ page: 'thp', spaces: { vm: { page: '1g' } } });
    expect([spaces.process.page, spaces.vm.page, spaces.l1.page]).toEqual(['thp', '1g', 'thp']);
  });

  it('refuses what it does not know, with the near name', () => {
    expect(() => resolveTranslationConfig({ warmupp: 3 })).toThrow(/unknown key warmupp.*warmup/);
    expect(() => resolveTranslationConfig({ designs: ['radx'] })).toThrow(/unknown design radx.*radix/);
    expect(() => resolveTranslationConfig({ designs: { shadow: { fillCycle: 1 } }, setup: 'nested' })).toThrow(
      /designs\.shadow: unknown key fillCycle.*fillCycles/,
    );
    expect(() => resolveTranslationConfig({ designs: 'radix' })).toThrow(/designs: wrong type/);
    expect(() => resolveTranslationConfig({ designs: null })).toThrow(/designs: wrong type/);
    expect(() => resolveTranslationConfig({ machine: 7 })).toThrow(/wrong type/);
    expect(() => resolveTranslationConfig({ machine: 7, cores: 2 })).toThrow(/wrong type/);
    expect(() => resolveTranslationConfig({ cores: 0 })).toThrow(/cores/);
    expect(() => resolveTranslationConfig({ setup: 'native', designs: ['shadow'] })).toThrow(
      /shadow has no native set-up; expected one of virtualized, nested/,
    );
  });

  it('builds one address space per dimension, as it says', () => {
    const config = resolveTranslationConfig({ setup: 'nested', spaces: { vm: { levels: 5, page: '2m' } } });
    const spacesOf = demandSpaces(config);
    const spaces = spacesOf(0);
    spaces[0]!.ensure(0x1234);
    expect(spaces.map(({ table }) => table.levels)).toEqual([4, 5, 4]);
    expect(spaces[1]!.table.leafLevel(spaces[0]!.table.translate(0x1234) as number)).toBe(2);
    expect(spacesOf(1)[0]).not.toBe(spaces[0]);
    expect(spacesOf(1)[1]).toBe(spaces[1]);
  });
});
