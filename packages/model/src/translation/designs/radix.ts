import { pageBytes } from '../../machine/address.ts';
import { choice } from '../../machine/fields.ts';
import { type DesignResources, defineDesign, type Setup } from '../design.ts';
import { createRadixWalker, type WalkDimension } from '../walker.ts';

/** The tables' names from the process down. EPT12 is the table that L1 keeps for L2, EPT01 the one that L0 keeps for L1. */
export const tableNames: Readonly<Record<Setup, readonly string[]>> = {
  native: [''],
  virtualized: ['guest', 'host'],
  nested: ['guest', 'EPT12', 'EPT01'],
};

/** The spaces of a set-up as dimensions of one walk, with the machine's walk caches. */
export function walkDimensions({ setup, spaces, walkerMachine }: DesignResources): WalkDimension[] {
  return spaces.map(({ table }, index) => ({
    table,
    name: tableNames[setup][index]!,
    pageWalkCaches: index === 0 ? walkerMachine.pageWalkCaches : walkerMachine.hostPageWalkCaches,
    nestedTlb: walkerMachine.nestedTlb,
  }));
}

export const radix = defineDesign({
  name: 'radix',
  summary: 'the radix walk of x86-64: one dimension natively, two in a VM, three in a nested VM',
  source: 'Intel SDM vol. 3, 5.5 and 29.3; Bhargava et al., ASPLOS 2008',
  setups: ['native', 'virtualized', 'nested'],
  spec: {
    walkCachePointers: choice(
      ['guest-physical', 'host-physical'],
      'guest-physical',
      "what a page-walk cache of a guest holds: the next table's guest-physical address, still to be translated, or its host-physical one",
      {
        source:
          'guest-physical: Bhargava et al., ASPLOS 2008; host-physical: combined mappings, Intel SDM vol. 3, 29.4.1',
      },
    ),
  },
  counters: {},
  create({ walkCachePointers }, resources) {
    const walker = createRadixWalker(resources, walkDimensions(resources), walkCachePointers);
    return {
      walk: walker.walk,
      unmapped: (dimension, vpn, _frame, level) => walker.forget(dimension, vpn, level),
      tableBytes: () => resources.spaces.reduce((sum, { table }) => sum + table.nodes * pageBytes, 0),
    };
  },
});
