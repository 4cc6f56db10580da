import { describe, expect, it } from 'vitest';
import { createAddressSpaces } from '../../machine/operating-system/index.ts';
import { createRandom } from '../../machine/random.ts';
import { resolveTranslationConfig } from '../config.ts';
import { explainWalk } from '../explain.ts';
import { singlePage } from '../spaces.case.ts';

const small = { levels: 4, leaf: 1 } as const;
const none = { level5: { entries: 0 }, level4: { entries: 0 }, level3: { entries: 0 }, level2: { entries: 0 } };

function study(setup: string, machine: Record<string, unknown> = {}) {
  return resolveTranslationConfig({ setup, designs: ['asap'], machine: { cores: 1, prefetcher: 'none', ...machine } });
}

describe('ASAP', () => {
  it('finds the two lowest levels of a cold walk in the cache: 400 cycles of memory, two hits, two prefetches issued', () => {
    const { spaces, pages } = singlePage([small]);
    const config = study('native', { pageWalkCaches: none });
    const walk = explainWalk(config, spaces, { design: 'asap', vpn: pages[0]!.vpn });
    const awaited = walk.references.filter((reference) => reference.awaited);
    expect(awaited.map(({ label, where }) => `${label} ${where}`)).toEqual([
      'L4 memory',
      'L3 memory',
      'L2 l1',
      'L1 l1',
    ]);
    expect(walk.references.filter((reference) => !reference.awaited)).toHaveLength(2);
    expect(walk.cycles).toBe(200 + 200 + 4 + 4 + 2);
  });

  it('waits for a prefetch that is still under way', () => {
    const { spaces } = createAddressSpaces([{}], createRandom(1));
    spaces[0]!.mmap(2 ** 24, 2 ** 24 + 2 ** 18);
    // The second page shares the way down to level 3 only, which the walk caches hold: the walk begins at level 2 at once.
    const before = [2 ** 24];
    const vpn = 2 ** 24 + 8 * 512 * 9;
    const walk = explainWalk(study('native'), spaces, { design: 'asap', vpn, before });
    const memory = walk.references.filter(({ awaited, where }) => !awaited && where === 'memory');
    expect(memory.length).toBeGreaterThan(0);
    // Issued after one or two cycles, it arrives after 200; the entry behind it is a hit.
    expect(walk.cycles).toBeGreaterThanOrEqual(201);
    expect(walk.cycles).toBeLessThanOrEqual(210);
  });

  it('prefetches in both dimensions of a VM and never loses to radix by more than its issue slots when cold', () => {
    const cyclesOf = (design: string) => {
      const { spaces, pages } = singlePage([small, small]);
      const config = resolveTranslationConfig({ setup: 'virtualized', designs: ['asap'], prefetcher: 'none' });
      return explainWalk(config, spaces, { design, vpn: pages[0]!.vpn }).cycles;
    };
    expect(cyclesOf('asap')).toBeLessThan(cyclesOf('radix'));
  });
});
