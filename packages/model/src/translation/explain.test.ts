import { describe, expect, it } from 'vitest';
import { importedSpace } from '../machine/operating-system/index.ts';
import { createPageTable } from '../machine/radix-table.ts';
import { resolveTranslationConfig } from './config.ts';
import { demandSpaces } from './demand-spaces.ts';
import { explainWalk } from './explain.ts';
import { createSimulation } from './simulate.ts';
import { singlePage } from './spaces.case.ts';
import { blockOf } from './traces.case.ts';

describe('an explanation', () => {
  it('costs what a simulation of that one access books for the walk', () => {
    for (const setup of ['native', 'virtualized', 'nested'] as const) {
      const config = resolveTranslationConfig({ setup });
      const simulation = createSimulation(config, demandSpaces(config));
      simulation.feed(blockOf([{ address: 0x7f12_3456_7000 }]));
      const { radix } = simulation.finish().designs;
      const walk = explainWalk(config, demandSpaces(config)(0), { design: 'radix', vpn: 0x7f12_34567 });
      expect(walk.cycles).toBe(radix?.walkCycles);
      expect(walk.references).toHaveLength(radix?.references ?? -1);
    }
  });

  it('names a page that is not mapped, in whichever dimension', () => {
    const { spaces } = singlePage([{ levels: 4, leaf: 1 }]);
    const native = resolveTranslationConfig({ setup: 'native' });
    expect(() => explainWalk(native, spaces, { design: 'radix', vpn: 0x1 })).toThrow(
      /0x1000 is not mapped.*dimension 0/,
    );

    const guest = singlePage([{ levels: 4, leaf: 1 }]);
    const frames = guest.spaces[0]!.frames;
    const emptyHost = importedSpace(createPageTable({ levels: 4, rootFrame: 7, addresses: 'physical' }), frames);
    const virtualized = resolveTranslationConfig({ setup: 'virtualized' });
    const stacked = [guest.spaces[0]!, emptyHost];
    const { vpn } = guest.pages[0]!;
    expect(() => explainWalk(virtualized, stacked, { design: 'radix', vpn })).toThrow(/not mapped.*dimension 1/);
    const simulation = createSimulation(virtualized, stacked);
    expect(() => simulation.feed(blockOf([{ address: vpn * 4096 }]))).toThrow(/guest-physical page .* dimension 1/);
  });
});
