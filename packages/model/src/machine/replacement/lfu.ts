import { printSmallest, type ReplacementPolicy, smallest } from './policy.ts';

/**
 * Least frequently used as drcachesim has it: a counter per entry, one more on each hit, 0 on fill and then one more for the access that
 * filled it; the smallest counter goes, the lowest way on ties. Counters are never aged.
 */
export const lfu: ReplacementPolicy = {
  name: 'lfu',
  summary: 'replaces the entry with the fewest uses since it was placed',
  source: 'DMT artifact (ASPLOS 2024), caching_device.cpp and tlb_simulator.cpp',
  repeatsChangeNothing: false,
  create(sets, ways) {
    const uses = new Float64Array(sets * ways);
    return {
      hit: (set, way) => {
        uses[set * ways + way]! += 1;
      },
      fill: (set, way) => {
        uses[set * ways + way] = 1;
      },
      remove: (set, way) => {
        uses[set * ways + way] = 0;
      },
      victim: (set) => smallest(uses, set * ways, ways),
      clear: () => {
        uses.fill(0);
      },
    };
  },
  print({ prefix, sets, ways, instances }) {
    const uses = `${prefix}uses`;
    return {
      declare: `const ${uses} = new Float64Array(${instances * sets * ways});`,
      hit: `${uses}[slot]++;`,
      fill: `${uses}[slot] = 1;`,
      remove: `${uses}[slot] = 0;`,
      victim: printSmallest(uses, ways),
      victimFindsEmpty: true,
      clear: `${uses}.fill(0);`,
    };
  },
};
