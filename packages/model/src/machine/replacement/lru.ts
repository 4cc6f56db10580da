import { printSmallest, type ReplacementPolicy, smallest } from './policy.ts';

/** Least recently used: every use stamps the entry with a clock that only grows; the oldest stamp goes. */
export const lru: ReplacementPolicy = {
  name: 'lru',
  summary: 'replaces the entry that was not used for the longest time',
  source: 'Mattson et al., IBM Systems Journal 1970',
  repeatsChangeNothing: true,
  create(sets, ways) {
    const stamps = new Float64Array(sets * ways);
    let clock = 0;
    const use = (set: number, way: number) => {
      stamps[set * ways + way] = ++clock;
    };
    return {
      hit: use,
      fill: use,
      remove: (set, way) => {
        stamps[set * ways + way] = 0;
      },
      victim: (set) => smallest(stamps, set * ways, ways),
      clear: () => {
        stamps.fill(0);
      },
    };
  },
  print({ prefix, sets, ways, instances }) {
    const stamps = `${prefix}stamps`;
    const use = `${stamps}[slot] = ++${prefix}clock[0];`;
    return {
      // The clock is in an array: V8 allocates a number for every write to a variable that functions share.
      declare: `const ${stamps} = new Float64Array(${instances * sets * ways}), ${prefix}clock = new Float64Array(1);`,
      hit: use,
      fill: use,
      remove: `${stamps}[slot] = 0;`,
      victim: printSmallest(stamps, ways),
      victimFindsEmpty: true,
      clear: `${stamps}.fill(0);`,
    };
  },
};
