import { describe, expect, it } from 'vitest';
import { resolveTranslationConfig } from '../config.ts';
import { dimensionsOf, type Setup } from '../design.ts';
import { createMachineParts } from '../machine-parts.ts';
import { singlePage } from '../spaces.case.ts';
import { designs } from './index.ts';
import { testWalker } from './walks.case.ts';

/** The default machine has no nested TLB. */
const machine = { nestedTlb: { entries: 64, ways: 4 } };
const { walkerMachine } = createMachineParts(resolveTranslationConfig({ machine }), 4);
const { pageWalkCacheCycles: walkCache, nestedTlbCycles: nestedTlb } = walkerMachine;
const l1 = 4;

/** One entry from the first-level cache; its table and the page itself out of the nested TLB. */
const inVm = nestedTlb + l1 + nestedTlb;

/** What a walk takes when everything that can hold something holds it: by set-up, undefined where there is none. */
const cycles: Readonly<Record<string, Partial<Record<Setup, number>>>> = {
  radix: { native: walkCache + l1, virtualized: walkCache + inVm, nested: walkCache + inVm },
  shadow: { virtualized: walkCache + l1, nested: walkCache + inVm },
  agile: { virtualized: walkCache + l1 },
  fpt: { native: walkCache + l1, virtualized: walkCache + inVm, nested: walkCache + inVm },
  // Hashing 2, walk caches 4.
  ecpt: { native: 6 + l1, virtualized: 6 + inVm, nested: 6 + inVm },
  // Two prefetches are issued.
  asap: { native: 2 + walkCache + l1, virtualized: 2 + walkCache + inVm },
  dmt: { native: l1, virtualized: 3 * l1, nested: 7 * l1 },
  pvdmt: { native: l1, virtualized: 2 * l1, nested: 3 * l1 },
  // The predictor takes 1.
  pomtlb: { native: 1 + l1, virtualized: 1 + l1, nested: 1 + l1 },
  victima: { native: l1, virtualized: l1 },
};

describe('a walk that finds everything it needs nearby', () => {
  it.each([
    // Three walks of one dimension each; two, and the guest's area is checked.
    ['dmt', 3 * (l1 + 5)],
    ['pvdmt', 2 * (l1 + 5) + 7],
  ])('asks the registers for each entry, and the owner of a gTEA: %s', (name, expected) => {
    const leaf = { levels: 4, leaf: 1 } as const;
    const { spaces, pages } = singlePage([leaf, leaf]);
    const options = { registerCycles: 5, ...(name === 'pvdmt' ? { isolationCycles: 7 } : {}) };
    const walker = testWalker({ design: designs.get(name), setup: 'virtualized', spaces, options });
    for (let walk = 0; walk < 3; walk++) walker.walk(pages[0]!.vpn);
    expect(walker.cycles()).toBe(expected);
  });

  it.each([...designs].flatMap(({ name, setups }) => setups.map((setup) => [name, setup] as const)))(
    'takes the sum of what it asks one after the other: %s, %s',
    (name, setup) => {
      const leaf = { levels: 4, leaf: 1 } as const;
      const { spaces, pages } = singlePage(Array.from({ length: dimensionsOf[setup] }, () => leaf));
      const walker = testWalker({ design: designs.get(name), setup, spaces, machine });
      for (let walk = 0; walk < 3; walk++) expect(walker.walk(pages[0]!.vpn)).toBe(pages[0]!.frame);
      expect(walker.cycles()).toBe(cycles[name]![setup]);
    },
  );
});
