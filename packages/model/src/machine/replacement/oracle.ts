import { StrataError } from '../errors.ts';
import type { ReplacementPolicy } from './policy.ts';

/**
 * Belady's MIN: replaces the entry that is used last in the future. The best that any policy can do that must place every key it misses.
 * It needs the future, so it is for streams known in advance: `createOracle`, `beladyMisses`.
 */
export const oracle: ReplacementPolicy = {
  name: 'oracle',
  summary: 'replaces the entry that is used last in the future (Belady); offline only',
  source: 'Belady, IBM Systems Journal 1966',
  repeatsChangeNothing: false,
  create(sets, ways, { future }) {
    if (future === undefined)
      throw new StrataError({
        code: 'policy.needs-future',
        what: 'policy oracle needs to know the future and cannot run inside a simulation',
        mend: 'Use lru, lfu, tree-plru, random or srrip; the oracle serves streams known in advance.',
      });
    const nextUses = new Float64Array(sets * ways);
    const use = (set: number, way: number) => {
      nextUses[set * ways + way] = future.next;
    };
    return {
      hit: use,
      fill: use,
      remove() {},
      victim(set) {
        const row = set * ways;
        let last = 0;
        for (let way = 1; way < ways; way++) if (nextUses[row + way]! > nextUses[row + last]!) last = way;
        return last;
      },
      clear: () => {
        nextUses.fill(0);
      },
    };
  },
};
